package httpapi

import (
	"errors"
	"fmt"

	"github.com/valyala/fasthttp"

	"flowd/query"
)

// Headers of answers, as bytes in the form in which fasthttp keeps them.
var (
	headerVary          = []byte(fasthttp.HeaderVary)
	headerETag          = []byte("Etag")
	headerTruncated     = []byte("Flowd-Truncated")
	headerExpiredBefore = []byte("Flowd-Expired-Before")
	yes                 = []byte("true")

	varyFormat   = []byte("Accept, Accept-Encoding")
	varyEncoding = []byte("Accept-Encoding")
)

// answer answers ctx with the result of ask, unless too many are answered already. What is known of
// the answer only then, ask puts into the heading.
func (s *Server) answer(ctx *fasthttp.RequestCtx, h heading, ask func(*answer, *heading) (source, error)) {
	a, p := s.openAnswer(ctx)
	if p != nil {
		s.refuse(ctx, p)
		return
	}
	defer a.abandon()
	src, err := ask(a, &h)
	if err == nil {
		err = a.send(ctx, h, src)
	}
	if err == nil {
		return
	}
	if errors.Is(err, query.ErrGone) {
		s.metrics.givenUp.Inc()
		ctx.SetConnectionClose()
	}
	s.refuse(ctx, questionProblem(err))
}

// answerWhole answers a question without parameters by what ask returns.
func (s *Server) answerWhole(ctx *fasthttp.RequestCtx, ask func() (source, error)) {
	if p := noParameters(ctx.URI().QueryString()); p != nil {
		s.refuse(ctx, p)
		return
	}
	h := heading{contentType: jsonType, vary: varyEncoding}
	s.answer(ctx, h, func(*answer, *heading) (source, error) { return ask() })
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
func answerTable[Q any](s *Server, ctx *fasthttp.RequestCtx, known []parameter, read func(*question) (Q, *problem),
	over func(*Q) []query.Hours, ask func(*Q, format, query.Options) (source, bool, error),
) {
	var asked question
	p := s.readQuestion(ctx, known, &asked)
	if p != nil {
		s.refuse(ctx, p)
		return
	}
	q, p := read(&asked)
	if p != nil {
		s.refuse(ctx, p)
		return
	}
	in := typeOf(ctx, asked.format)
	h := heading{contentType: in.header, vary: varyFormat}
	s.answer(ctx, h, func(a *answer, h *heading) (src source, err error) {
		h.partial = s.partial(over(&q)...)
		src, h.truncated, err = ask(&q, in.format, query.Options{MaxGroups: s.current.Load().Groups, Gone: a.gone})
		return src, err
	})
}

// questionProblem makes a problem of an error of a question.
func questionProblem(err error) *problem {
	var tooMany *query.TooManyGroupsError
	var hour *query.HourError
	switch {
	case errors.Is(err, query.ErrGone):
		return clientGone()
	case errors.As(err, &tooMany):
		return &problem{
			status: fasthttp.StatusBadRequest, reason: reasonTooManyGroups,
			detail: fmt.Sprintf("To add up or to sort what is asked for, more than %d rows would have to be held at once. "+
				"With order_by, ask for the first of them with limit; with group_by, name fewer fields; "+
				"or ask for fewer hours or names, or raise max-groups.", tooMany.MaxGroups),
		}
	case errors.As(err, &hour):
		return rowsProblem(err, hour.Hour)
	}
	return engineProblem(err, "")
}
