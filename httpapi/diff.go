package httpapi

import (
	"github.com/valyala/fasthttp"

	"flowd/httpapi/format"
	"flowd/httpapi/params"
	"flowd/query"
)

// getDiff answers what changed between two ranges of hours.
func (s *Server) getDiff(ctx *fasthttp.RequestCtx) {
	answerTable(s, ctx, params.Diff, (*params.Question).Diff, hoursOfDiff, func(q *query.DiffQuery, in format.Format, o query.Options) (format.Source, bool, error) {
		rows, truncated, err := query.Diff(s.engine, q, o)
		l := newDiffLine(q, in)
		return &format.List[query.DiffRow]{Punctuation: format.Punctuate(in, l.Header), Write: l.write, Rows: rows}, truncated, err
	})
}

// diffLine writes what became of a tuple or a group.
type diffLine struct {
	*format.Line
	q *query.DiffQuery
}

func newDiffLine(q *query.DiffQuery, in format.Format) *diffLine {
	return &diffLine{format.NewLine(in, append(fieldNames(q.GroupBy), "bytes_tx_before", "bytes_rx_before",
		"bytes_tx_after", "bytes_rx_after", "difference", "change")...), q}
}

func (l *diffLine) write(r *query.DiffRow, dst []byte) []byte {
	w := l.Begin(dst)
	w.Names(r.Key, l.q.GroupBy)
	w.Number(r.Before.BytesTx)
	w.Number(r.Before.BytesRx)
	w.Number(r.After.BytesTx)
	w.Number(r.After.BytesRx)
	w.Sum(r.Difference())
	w.Word(r.Change())
	return w.Finish()
}

func hoursOfDiff(q *query.DiffQuery) []query.Hours { return []query.Hours{q.Before, q.After} }
