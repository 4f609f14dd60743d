package httpapi

import (
	"github.com/valyala/fasthttp"

	"flowd/flow"
	"flowd/flow/flowjson"
	"flowd/httpapi/answer"
	"flowd/httpapi/format"
	"flowd/httpapi/params"
	"flowd/query"
)

// getFlows answers rows: of the tuples in hours, or of groups of them.
func (s *Server) getFlows(ctx *fasthttp.RequestCtx) {
	var asked params.Question
	p := s.readQuestion(ctx, params.Flows, &asked)
	if p != nil {
		s.rejects.Answer(ctx, p)
		return
	}
	q, p := asked.Flows()
	if p != nil {
		s.rejects.Answer(ctx, p)
		return
	}
	in := format.TypeOf(ctx.Request.Header.PeekAll(fasthttp.HeaderAccept), asked.Format)
	h := answer.Heading{ContentType: in.Header, Vary: varyFormat, Partial: s.partial(query.Hours{From: q.From, To: q.To})}
	// The version of an hour tells when flows of any VPC came, so a client that is bound to some gets none.
	if q.To == q.From+1 && (asked.VPCs == nil || asked.VPCs.All()) {
		// The version is asked for before the rows: those may be newer than their tag, never older.
		version, err := s.engine.Version(q.From)
		if err != nil {
			s.rejects.Answer(ctx, answer.Problem(err))
			return
		}
		h.Tag = appendTag(make([]byte, 0, maxTag), version, &q, in)
		if answer.HasCurrent(&ctx.Request.Header, h.Tag) {
			answer.NotModified(ctx, h)
			return
		}
	}
	s.answer(ctx, h, func(a *answer.Answer, h *answer.Heading) (format.Source, error) {
		rows, err := query.Run(s.engine, &q, query.Options{MaxGroups: s.current.Load().Groups, Gone: a.Disconnected})
		if err != nil {
			return nil, err
		}
		h.Truncated = rows.Truncated
		return writeRows(&a.Flows, &q, in.Format, rows), nil
	})
}

// appendRow appends a row whose three names are answered, as most are.
func appendRow(r *flow.Row, dst []byte) []byte { return flowjson.AppendRow(dst, r) }

// writeRows begins the list of rows of q's answer.
func writeRows(f *answer.Flows, q *query.Query, in format.Format, rows flow.Rows) format.Source {
	if in != format.CSV && q.Names() == flow.AllFields && q.HasHour() {
		return f.Init(rows, format.Punctuate(in, ""), appendRow)
	}
	l := newRowLine(q, in)
	return f.Init(rows, format.Punctuate(in, l.Header), l.write)
}

// rowLine writes rows without the names, and without the hour, that are summed over.
type rowLine struct {
	*format.Line
	fields flow.Fields
	hour   bool
}

func newRowLine(q *query.Query, in format.Format) *rowLine {
	l := &rowLine{fields: q.Names(), hour: q.HasHour()}
	names := append(fieldNames(l.fields), "bytes_tx", "bytes_rx")
	if l.hour {
		names = append(names, "hour")
	}
	l.Line = format.NewLine(in, names...)
	return l
}

// fieldNames returns the names of fields.
func fieldNames(fields flow.Fields) (names []string) {
	for f := range flow.FieldCount {
		if fields.Has(f) {
			names = append(names, f.String())
		}
	}
	return names
}

func (l *rowLine) write(r *flow.Row, dst []byte) []byte {
	w := l.Begin(dst)
	w.Names(r.Key, l.fields)
	w.Number(r.Totals.BytesTx)
	w.Number(r.Totals.BytesRx)
	if l.hour {
		w.Number(uint64(r.Hour))
	}
	return w.Finish()
}
