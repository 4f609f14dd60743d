package answer

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"

	"flowd/flow"
	"flowd/httpapi/format"
	"flowd/httpapi/reject"
	"flowd/logs"
	"flowd/query"
)

// Headers of answers, as bytes in the form in which fasthttp keeps them.
var (
	headerVary          = []byte(fasthttp.HeaderVary)
	headerETag          = []byte("Etag")
	headerTruncated     = []byte("Flowd-Truncated")
	headerExpiredBefore = []byte("Flowd-Expired-Before")
	yes                 = []byte("true")
)

// unsentBytes is how much of a long answer may wait in the kernel, unsent.
const unsentBytes = 4 * BlockBytes

// Conn is what an answer needs of the connection that it is written to.
type Conn interface {
	net.Conn
	// Disconnected tells whether the client has closed the connection, or its sending side.
	Disconnected() bool
	// LimitUnsent lets at most most bytes wait in the kernel.
	LimitUnsent(most int)
	// Reset makes Close end the connection by a reset.
	Reset()
	// AddressText names the client's address in log lines.
	AddressText() string
}

// Observer counts an answer by its status, and how long its request took.
type Observer interface {
	Observe(status int, took time.Duration)
}

// Request is the request that an answer is for.
type Request struct {
	Client   string // the client that the answer counts for
	Began    time.Time
	Conn     Conn
	Observer Observer
}

// Options are what a sender is made of. All are required.
type Options struct {
	Max     int // how many answers may be under way at once
	Rejects *reject.Counters
	Lines   *logs.Limiter
	Metrics *metrics.Set // the metrics of answers are registered in it
	// Panicked counts and logs a panic, in a deferred function. Target is that of the request.
	Panicked func(cause any, target []byte)
}

// Sender sends answers, and bounds how many are under way. Its methods may be called by many goroutines at once.
type Sender struct {
	options Options
	max     atomic.Int64
	queries underWay
	epoch   time.Time // what answers count from when to look after their clients

	answers       [len(packers)]*metrics.Counter // by their encoding
	cutAnswers    *metrics.Counter               // not taken whole by the client
	brokenAnswers *metrics.Counter               // not read whole by the engine
	givenUp       *metrics.Counter               // not worked out to their end, for the client had disconnected
}

// NewSender returns a sender, and registers its metrics.
func NewSender(o Options) *Sender {
	s := &Sender{
		options: o, epoch: time.Now(),
		cutAnswers:    o.Metrics.NewCounter(`flowd_http_answers_cut_total`),
		brokenAnswers: o.Metrics.NewCounter(`flowd_http_answers_broken_total`),
		givenUp:       o.Metrics.NewCounter(`flowd_http_queries_given_up_total`),
	}
	s.max.Store(int64(o.Max))
	for e, name := range format.EncodingNames {
		s.answers[e] = o.Metrics.NewCounter(`flowd_http_answers_total{encoding="` + name + `"}`)
	}
	o.Metrics.NewGauge(`flowd_http_queries`, func() float64 { return float64(s.queries.count()) })
	return s
}

// SetMax changes how many answers may be under way at once. Those that are go on.
func (s *Sender) SetMax(most int) { s.max.Store(int64(most)) }

// Answer answers ctx with the result of ask, unless too many are answered already. What is known of
// the answer only then, ask puts into the heading.
func (s *Sender) Answer(ctx *fasthttp.RequestCtx, from Request, h Heading, ask func(*Answer, *Heading) (format.Source, error)) {
	a, p := s.open(ctx, from)
	if p != nil {
		s.options.Rejects.Answer(ctx, p)
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
		s.givenUp.Inc()
		ctx.SetConnectionClose()
	}
	s.options.Rejects.Answer(ctx, Problem(err))
}

// open begins an answer to ctx, or returns why there are too many.
func (s *Sender) open(ctx *fasthttp.RequestCtx, from Request) (*Answer, *reject.Problem) {
	if p := s.queries.begin(from.Client, int(s.max.Load())); p != nil {
		return nil, p
	}
	a := answers.Get().(*Answer)
	a.sender, a.request = s, from
	a.target = append(a.target, ctx.RequestURI()...)
	a.look = time.Since(s.epoch) + lookEvery
	return a, nil
}

// Problem makes a problem of an error of a question.
func Problem(err error) *reject.Problem {
	var tooMany *query.TooManyGroupsError
	var hour *query.HourError
	switch {
	case errors.Is(err, query.ErrGone):
		return clientDisconnected()
	case errors.As(err, &tooMany):
		return &reject.Problem{
			Status: fasthttp.StatusBadRequest, Reason: reject.TooManyGroups,
			Detail: fmt.Sprintf("To add up or to sort what is asked for, more than %d rows would have to be held at once. "+
				"With order_by, ask for the first of them with limit; with group_by, name fewer fields; "+
				"or ask for fewer hours or names, or raise max-groups.", tooMany.MaxGroups),
		}
	case errors.As(err, &hour):
		return rowsProblem(err, hour.Hour)
	}
	return reject.Engine(err, "")
}

// rowsProblem makes a problem of an error of the rows of hour h.
func rowsProblem(err error, h flow.Hour) *reject.Problem {
	if p := reject.Engine(err, ""); p.Reason == reject.Unavailable {
		return p
	}
	return &reject.Problem{
		Status: fasthttp.StatusInternalServerError, Reason: reject.DamagedBlock, Cause: err,
		Detail: fmt.Sprintf("Hour %d cannot be answered: its file on the server's disk is damaged or cannot be read. "+
			"The operator should run flowd verify, which tells what is damaged; other hours are not concerned.", h),
	}
}
