package httpapi

import (
	"github.com/valyala/fasthttp"

	"flowd/query"
)

// getDiff answers what changed between two ranges of hours.
func (s *Server) getDiff(ctx *fasthttp.RequestCtx) {
	var asked question
	p := s.readQuestion(ctx, diffParameters, &asked)
	if p != nil {
		s.refuse(ctx, p)
		return
	}
	q, p := asked.diff()
	if p != nil {
		s.refuse(ctx, p)
		return
	}
	in := typeOf(ctx, asked.format)
	h := heading{contentType: in.header, vary: varyFormat}
	s.answer(ctx, h, func(a *answer, h *heading) (source, error) {
		rows, truncated, err := query.Diff(s.engine, &q, query.Options{MaxGroups: s.current.Load().Groups, Gone: a.gone})
		if err != nil {
			return nil, err
		}
		h.truncated = truncated
		l := newDiffLine(&q, in.format)
		return &list[query.DiffRow]{punctuation: punctuate(in.format, l.header), write: l.write, rows: rows}, nil
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
