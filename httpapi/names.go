package httpapi

import (
	"github.com/valyala/fasthttp"

	"flowd/flow"
	"flowd/httpapi/answer"
	"flowd/httpapi/format"
	"flowd/httpapi/params"
	"flowd/query"
)

// namesHours is how many hours names are taken from if none are asked for.
const namesHours = 24

// getNames answers names that begin with a prefix, for completion.
func (s *Server) getNames(ctx *fasthttp.RequestCtx) {
	var asked params.Question
	p := s.readQuestion(ctx, params.Names, &asked)
	if p != nil {
		s.rejects.Answer(ctx, p)
		return
	}
	q, p := asked.Names()
	if p != nil {
		s.rejects.Answer(ctx, p)
		return
	}
	h := answer.Heading{ContentType: format.JSONType, Vary: varyEncoding}
	s.answer(ctx, h, func(a *answer.Answer, h *answer.Heading) (format.Source, error) {
		if !asked.HasHours() {
			newest, err := s.newestHours(params.Within(query.Match{}, asked.VPCs), a.Disconnected, namesHours)
			if err != nil {
				return nil, err
			}
			q.Hours = newest
		}
		names, truncated, err := query.Names(s.engine, &q, query.Options{MaxGroups: s.current.Load().Groups, Gone: a.Disconnected})
		if err != nil {
			return nil, err
		}
		h.Truncated = truncated
		return &format.List[string]{Punctuation: format.Punctuate(format.JSON, ""), Write: writeName, Rows: names}, nil
	})
}

// newestHours returns a range with the n newest hours in which there are flows of VPCs that match. That
// there are others is not to be told from it.
func (s *Server) newestHours(vpcs query.Match, gone func() bool, n int) (query.Hours, error) {
	labels, err := s.engine.Labels(0, flow.MaxHour+1)
	if err != nil || len(labels) == 0 {
		return query.Hours{}, err
	}
	if vpcs.All() {
		return query.Hours{From: labels[max(0, len(labels)-n)], To: labels[len(labels)-1] + 1}, nil
	}
	newest := query.Hours{To: labels[len(labels)-1] + 1}
	for found := 0; found < n && len(labels) > 0; labels = labels[:len(labels)-1] {
		newest.From = labels[len(labels)-1]
		has, err := s.hasFlows(newest.From, vpcs, gone)
		if err != nil {
			return query.Hours{}, err
		}
		if has {
			found++
		}
	}
	return newest, nil
}

// hasFlows reports whether an hour has flows of VPCs that match.
func (s *Server) hasFlows(h flow.Hour, vpcs query.Match, gone func() bool) (bool, error) {
	q := query.Query{From: h, To: h + 1, Limit: 1}
	q.Match[flow.VPCID] = vpcs
	rows, err := query.Run(s.engine, &q, query.Options{MaxGroups: s.current.Load().Groups, Gone: gone})
	if err != nil {
		return false, err
	}
	defer rows.Close()
	var one [1]flow.Row
	return rows.Next(one[:]) > 0, rows.Err()
}

func writeName(name *string, dst []byte) []byte { return format.AppendJSON(dst, *name) }
