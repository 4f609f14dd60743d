package httpapi

import (
	"github.com/valyala/fasthttp"

	"flowd/httpapi/format"
	"flowd/httpapi/params"
	"flowd/query"
)

// getPairs answers what the two ends of each conversation reported.
func (s *Server) getPairs(ctx *fasthttp.RequestCtx) {
	answerTable(s, ctx, params.Pairs, (*params.Question).Pairs, hoursOfPairs, func(q *query.PairsQuery, in format.Format, o query.Options) (format.Source, bool, error) {
		rows, truncated, err := query.Pairs(s.engine, q, o)
		l := newPairLine(in)
		return &format.List[query.PairRow]{Punctuation: format.Punctuate(in, l.Header), Write: l.write, Rows: rows}, truncated, err
	})
}

// pairLine writes what two apps reported of each other.
type pairLine struct{ *format.Line }

func newPairLine(in format.Format) *pairLine {
	return &pairLine{format.NewLine(in, "app_a", "app_b", "vpc_id", "a_to_b_sent", "a_to_b_received",
		"b_to_a_sent", "b_to_a_received", "disagreement", "reported_by")}
}

func (l *pairLine) write(r *query.PairRow, dst []byte) []byte {
	w := l.Begin(dst)
	w.Name(r.A)
	w.Name(r.B)
	w.Name(r.VPC)
	w.Number(r.SentByA)
	w.Number(r.ReceivedByB)
	w.Number(r.SentByB)
	w.Number(r.ReceivedByA)
	w.Sum(false, r.Disagreement())
	w.Word(reportedBy(r))
	return w.Finish()
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
