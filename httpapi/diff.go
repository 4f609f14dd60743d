package httpapi

import (
	"github.com/valyala/fasthttp"

	"flowd/query"
)

// getDiff answers what changed between two ranges of hours.
func (s *Server) getDiff(ctx *fasthttp.RequestCtx) {
	answerTable(s, ctx, diffParameters, (*question).diff, hoursOfDiff, func(q *query.DiffQuery, in format, o query.Options) (source, bool, error) {
		rows, truncated, err := query.Diff(s.engine, q, o)
		l := newDiffLine(q, in)
		return &list[query.DiffRow]{punctuation: punctuate(in, l.header), write: l.write, rows: rows}, truncated, err
	})
}

// diffLine writes what became of a tuple or a group.
type diffLine struct {
	*line
	q *query.DiffQuery
}

func newDiffLine(q *query.DiffQuery, in format) *diffLine {
	return &diffLine{newLine(in, append(fieldNames(q.GroupBy), "bytes_tx_before", "bytes_rx_before",
		"bytes_tx_after", "bytes_rx_after", "difference", "change")...), q}
}

func (l *diffLine) write(r *query.DiffRow, dst []byte) []byte {
	w := l.begin(dst)
	w.names(r.Key, l.q.GroupBy)
	w.number(r.Before.BytesTx)
	w.number(r.Before.BytesRx)
	w.number(r.After.BytesTx)
	w.number(r.After.BytesRx)
	w.sum(r.Difference())
	w.word(r.Change())
	return w.finish()
}

func hoursOfDiff(q *query.DiffQuery) []query.Hours { return []query.Hours{q.Before, q.After} }
