package httpapi

import (
	"github.com/valyala/fasthttp"

	"flowd/flow"
	"flowd/query"
)

// getFlows answers rows: of the tuples in hours, or of groups of them.
func (s *Server) getFlows(ctx *fasthttp.RequestCtx) {
	var asked question
	p := s.readQuestion(ctx, flowsParameters, &asked)
	if p != nil {
		s.rejects.answer(ctx, p)
		return
	}
	q, p := asked.flows()
	if p != nil {
		s.rejects.answer(ctx, p)
		return
	}
	in := typeOf(ctx.Request.Header.PeekAll(fasthttp.HeaderAccept), asked.format)
	h := heading{contentType: in.header, vary: varyFormat, partial: s.partial(query.Hours{From: q.From, To: q.To})}
	// The version of an hour tells when flows of any VPC came, so it is not for who is bound to some.
	if q.To == q.From+1 && (asked.bound == nil || asked.bound.All()) {
		// The version is asked for before the rows: those may be newer than their tag, never older.
		version, err := s.engine.Version(q.From)
		if err != nil {
			s.rejects.answer(ctx, questionProblem(err))
			return
		}
		h.tag = appendTag(make([]byte, 0, maxTag), version, &q, in)
		if hasCurrent(&ctx.Request.Header, h.tag) {
			notModified(ctx, h)
			return
		}
	}
	s.answer(ctx, h, func(a *answer, h *heading) (source, error) {
		rows, err := query.Run(s.engine, &q, query.Options{MaxGroups: s.current.Load().Groups, Gone: a.gone})
		if err != nil {
			return nil, err
		}
		h.truncated = rows.Truncated
		return writeRows(&a.flows, &q, in.format, rows), nil
	})
}

// writeRows begins the list of rows of q's answer.
func writeRows(f *flowSource, q *query.Query, in format, rows flow.Rows) source {
	if in != csvFormat && q.Names() == flow.AllFields && q.HasHour() {
		return f.init(rows, punctuate(in, ""), (*flow.Row).AppendJSON)
	}
	l := newRowLine(q, in)
	return f.init(rows, punctuate(in, l.header), l.write)
}

// rowLine writes rows without the names, and without the hour, that are summed over.
type rowLine struct {
	*line
	fields flow.Fields
	hour   bool
}

func newRowLine(q *query.Query, in format) *rowLine {
	l := &rowLine{fields: q.Names(), hour: q.HasHour()}
	names := append(fieldNames(l.fields), "bytes_tx", "bytes_rx")
	if l.hour {
		names = append(names, "hour")
	}
	l.line = newLine(in, names...)
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
	w := l.begin(dst)
	w.names(r.Key, l.fields)
	w.number(r.Totals.BytesTx)
	w.number(r.Totals.BytesRx)
	if l.hour {
		w.number(uint64(r.Hour))
	}
	return w.finish()
}
