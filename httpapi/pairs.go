package httpapi

import (
	"github.com/valyala/fasthttp"

	"flowd/query"
)

// getPairs answers what the two ends of each conversation reported.
func (s *Server) getPairs(ctx *fasthttp.RequestCtx) {
	var asked question
	p := s.readQuestion(ctx, pairsParameters, &asked)
	if p != nil {
		s.refuse(ctx, p)
		return
	}
	q, p := asked.pairs()
	if p != nil {
		s.refuse(ctx, p)
		return
	}
	in := typeOf(ctx, asked.format)
	h := heading{contentType: in.header, vary: varyFormat}
	s.answer(ctx, h, func(a *answer, h *heading) (source, error) {
		rows, truncated, err := query.Pairs(s.engine, &q, query.Options{MaxGroups: s.current.Load().Groups, Gone: a.gone})
		if err != nil {
			return nil, err
		}
		h.truncated = truncated
		l := newPairLine(in.format)
		return &list[query.PairRow]{punctuation: punctuate(in.format, l.header), write: l.write, rows: rows}, nil
	})
}

// pairLine writes what two apps reported of each other.
type pairLine struct{ *line }

func newPairLine(in format) *pairLine {
	return &pairLine{newLine(in, "app_a", "app_b", "vpc_id", "a_to_b_sent", "a_to_b_received",
		"b_to_a_sent", "b_to_a_received", "disagreement", "reported_by")}
}

func (l *pairLine) write(r *query.PairRow, dst []byte) []byte {
	w := l.begin(dst)
	w.name(r.A)
	w.name(r.B)
	w.name(r.VPC)
	w.number(r.SentByA)
	w.number(r.ReceivedByB)
	w.number(r.SentByB)
	w.number(r.ReceivedByA)
	w.sum(false, r.Disagreement())
	w.word(reportedBy(r))
	return w.finish()
}

func reportedBy(r *query.PairRow) string {
	switch {
	case r.ReportedByA && r.ReportedByB:
		return "both"
	case r.ReportedByA:
		return "a"
	}
	return "b"
}
