package httpapi

import (
	"github.com/valyala/fasthttp"

	"flowd/httpapi/answer"
	"flowd/httpapi/conn"
	"flowd/httpapi/format"
	"flowd/httpapi/params"
	"flowd/httpapi/reject"
	"flowd/query"
)

// varyFormat and varyEncoding are the headers of a request that its answer depends on.
var (
	varyFormat   = []byte("Accept, Accept-Encoding")
	varyEncoding = []byte("Accept-Encoding")
)

// answer answers ctx with the result of ask, unless too many are answered already. What is known of
// the answer only then, ask puts into the heading.
func (s *Server) answer(ctx *fasthttp.RequestCtx, h answer.Heading, ask func(*answer.Answer, *answer.Heading) (format.Source, error)) {
	s.answers.Answer(ctx, answer.Request{
		Client: conn.ClientOf(ctx, grantOf(ctx)).Name, Began: conn.Begun(ctx), Conn: ctx.Conn().(*conn.Conn), Observer: s.metrics.of(routeOf(ctx)),
	}, h, ask)
}

// answerWhole answers a question without parameters by what ask returns.
func (s *Server) answerWhole(ctx *fasthttp.RequestCtx, ask func() (format.Source, error)) {
	if p := params.None(ctx.URI().QueryString()); p != nil {
		s.rejects.Answer(ctx, p)
		return
	}
	h := answer.Heading{ContentType: format.JSONType, Vary: varyEncoding}
	s.answer(ctx, h, func(*answer.Answer, *answer.Heading) (format.Source, error) { return ask() })
}

// partial tells whether an hour among some had expired before the flows came that it has.
func (s *Server) partial(hours ...query.Hours) bool {
	for _, h := range hours {
		if s.engine.ExpiredBefore(h.From, h.To) {
			return true
		}
	}
	return false
}

// answerTable answers a question Q, which read makes of its parameters, by the rows that ask returns and
// whether there would be more. Over returns the hours that Q is about.
func answerTable[Q any](s *Server, ctx *fasthttp.RequestCtx, known []params.Parameter, read func(*params.Question) (Q, *reject.Problem),
	over func(*Q) []query.Hours, ask func(*Q, format.Format, query.Options) (format.Source, bool, error),
) {
	var asked params.Question
	p := s.readQuestion(ctx, known, &asked)
	if p != nil {
		s.rejects.Answer(ctx, p)
		return
	}
	q, p := read(&asked)
	if p != nil {
		s.rejects.Answer(ctx, p)
		return
	}
	in := format.TypeOf(ctx.Request.Header.PeekAll(fasthttp.HeaderAccept), asked.Format)
	h := answer.Heading{ContentType: in.Header, Vary: varyFormat}
	s.answer(ctx, h, func(a *answer.Answer, h *answer.Heading) (src format.Source, err error) {
		h.Partial = s.partial(over(&q)...)
		src, h.Truncated, err = ask(&q, in.Format, query.Options{MaxGroups: s.current.Load().Groups, Gone: a.Disconnected})
		return src, err
	})
}

// readQuestion reads the parameters of ctx into q.
func (s *Server) readQuestion(ctx *fasthttp.RequestCtx, known []params.Parameter, q *params.Question) *reject.Problem {
	q.MaxGroups = s.current.Load().Groups
	q.VPCs = &grantOf(ctx).VPCs
	return params.Read(ctx.URI().QueryString(), known, q)
}
