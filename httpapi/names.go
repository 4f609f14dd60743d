package httpapi

import (
	"github.com/valyala/fasthttp"

	"flowd/flow"
	"flowd/query"
)

const (
	// namesHours is how many hours names are taken from if none are asked for.
	namesHours = 24
	// namesLimit is how many names there are if no limit is asked for, and maxNames the largest.
	namesLimit = 100
	maxNames   = 10_000
)

// getNames answers names that begin with a prefix, for completion.
func (s *Server) getNames(ctx *fasthttp.RequestCtx) {
	asked := question{limit: namesLimit}
	p := s.readQuestion(ctx, namesParameters, &asked)
	if p != nil {
		s.refuse(ctx, p)
		return
	}
	q, p := asked.nameQuery()
	if p != nil {
		s.refuse(ctx, p)
		return
	}
	h := heading{contentType: jsonType, vary: varyEncoding}
	s.answer(ctx, h, func(a *answer, h *heading) (source, error) {
		if !asked.hours.given() {
			newest, err := s.newestHours(namesHours)
			if err != nil {
				return nil, err
			}
			q.Hours = newest
		}
		names, truncated, err := query.Names(s.engine, &q, query.Options{MaxGroups: s.limits.Groups, Gone: a.gone})
		if err != nil {
			return nil, err
		}
		h.truncated = truncated
		return &list[string]{punctuation: punctuate(jsonFormat, ""), write: writeName, rows: names}, nil
	})
}

// newestHours returns the range of the n newest hours that there are.
func (s *Server) newestHours(n int) (query.Hours, error) {
	labels, err := s.engine.Labels(0, flow.MaxHour+1)
	if err != nil || len(labels) == 0 {
		return query.Hours{}, err
	}
	return query.Hours{From: labels[max(0, len(labels)-n)], To: labels[len(labels)-1] + 1}, nil
}

func writeName(name *string, dst []byte) []byte { return appendJSON(dst, *name) }
