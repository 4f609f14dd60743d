package httpapi

import (
	"strconv"

	"github.com/valyala/fasthttp"

	"flowd/access"
	"flowd/flow"
	"flowd/httpapi/answer"
	"flowd/httpapi/format"
	"flowd/httpapi/params"
	"flowd/query"
)

// getHours answers what hours there are.
func (s *Server) getHours(ctx *fasthttp.RequestCtx) {
	if right := grantOf(ctx); !right.VPCs.All() {
		s.getBoundHours(ctx, &right.VPCs)
		return
	}
	s.answerWhole(ctx, func() (format.Source, error) {
		hours, err := s.engine.Hours()
		return &format.List[flow.HourTotals]{Punctuation: format.Punctuate(format.JSON, ""), Write: writeHour, Rows: hours}, err
	})
}

// writeHour appends {"hour":1,"tuples":2,"flows":3,"bytes_tx":4,"bytes_rx":5}, and
// "expired_before":true to an hour that is not whole.
func writeHour(h *flow.HourTotals, dst []byte) []byte {
	dst = append(dst, `{"hour":`...)
	dst = strconv.AppendUint(dst, uint64(h.Hour), 10)
	dst = append(dst, `,"tuples":`...)
	dst = strconv.AppendUint(dst, h.Tuples, 10)
	dst = append(dst, `,"flows":`...)
	dst = strconv.AppendUint(dst, h.Flows, 10)
	dst = append(dst, `,"bytes_tx":`...)
	dst = strconv.AppendUint(dst, h.Totals.BytesTx, 10)
	dst = append(dst, `,"bytes_rx":`...)
	dst = strconv.AppendUint(dst, h.Totals.BytesRx, 10)
	return append(appendPartial(dst, h.ExpiredBefore), '}')
}

// appendPartial appends that an hour had expired before, if it had.
func appendPartial(dst []byte, partial bool) []byte {
	if partial {
		dst = append(dst, `,"expired_before":true`...)
	}
	return dst
}

// getBoundHours answers in what hours there are flows of some VPCs, and how many bytes. It adds them up:
// what is known of hours beforehand is about all VPCs.
func (s *Server) getBoundHours(ctx *fasthttp.RequestCtx, bound *access.VPCs) {
	if p := params.None(ctx.URI().QueryString()); p != nil {
		s.rejects.Answer(ctx, p)
		return
	}
	q := query.Query{To: flow.MaxHour + 1, Grouped: true, ByHour: true}
	q.Match[flow.VPCID] = params.Within(query.Match{}, bound)
	h := answer.Heading{ContentType: format.JSONType, Vary: varyEncoding}
	s.answer(ctx, h, func(a *answer.Answer, _ *answer.Heading) (format.Source, error) {
		rows, err := query.Run(s.engine, &q, query.Options{MaxGroups: s.current.Load().Groups, Gone: a.Disconnected})
		if err != nil {
			return nil, err
		}
		return a.Flows.Init(rows, format.Punctuate(format.JSON, ""), s.writeBoundHour), nil
	})
}

// writeBoundHour appends {"hour":1,"bytes_tx":2,"bytes_rx":3}, and "expired_before":true to an hour that
// is not whole: a client that adds its bytes up should know, whatever VPC is asked for.
func (s *Server) writeBoundHour(r *flow.Row, dst []byte) []byte {
	dst = append(dst, `{"hour":`...)
	dst = strconv.AppendUint(dst, uint64(r.Hour), 10)
	dst = append(dst, `,"bytes_tx":`...)
	dst = strconv.AppendUint(dst, r.Totals.BytesTx, 10)
	dst = append(dst, `,"bytes_rx":`...)
	dst = strconv.AppendUint(dst, r.Totals.BytesRx, 10)
	return append(appendPartial(dst, s.engine.ExpiredBefore(r.Hour, r.Hour+1)), '}')
}
