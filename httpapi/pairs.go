package httpapi

import (
	"github.com/valyala/fasthttp"

	"flowd/query"
)

// getPairs answers what the two ends of each conversation reported.
func (s *Server) getPairs(ctx *fasthttp.RequestCtx) {
	answerTable(s, ctx, pairsParameters, (*question).pairs, hoursOfPairs, func(q *query.PairsQuery, in format, o query.Options) (source, bool, error) {
		rows, truncated, err := query.Pairs(s.engine, q, o)
		l := newPairLine(in)
		return &list[query.PairRow]{punctuation: punctuate(in, l.header), write: l.write, rows: rows}, truncated, err
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

func hoursOfPairs(q *query.PairsQuery) []query.Hours { return []query.Hours{q.Hours} }
