package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/goccy/go-json"

	"flowd/flow"
	"flowd/flow/flowjson"
	"flowd/loadtest"
	"flowd/problem"
)

// PostOptions says which demo goes where.
type PostOptions struct {
	// Target is the server: http or https, host, and perhaps a path its routes are under.
	Target string
	// Token is what the server knows the sender by, empty for nothing.
	Token string
	// Traffic is which flows.
	Traffic Options
	// Timeout is how long one POST may take.
	Timeout time.Duration
	// Trouble, if not nil, is told why a batch has to be sent again, the first time of each batch.
	Trouble func(reason string)
}

// PostResult is the account of a demo, in flows.
type PostResult struct {
	// Stored count now. Repeated counted already, as the same demo was posted before. Differing are
	// flows of hours that a demo with another last hour has posted, which stay as they are.
	Stored, Repeated, Differing uint64
}

// Posted returns how many flows were sent and answered for.
func (r *PostResult) Posted() uint64 { return r.Stored + r.Repeated + r.Differing }

// hourAttempts is how often a batch of the demo's hours is sent before that is given up.
const hourAttempts = 8

func (o *PostOptions) check() (loadtest.Target, error) {
	t, err := loadtest.ParseServer(o.Target, o.Token)
	switch {
	case err != nil:
	case o.Timeout <= 0:
		err = loadtest.Invalid("timeout", "must be over 0, not %v", o.Timeout)
	case o.Traffic.LastHour < Hours-1 || o.Traffic.LastHour > flow.MaxHour:
		err = loadtest.Invalid("last-hour", "must be %d to %d, not %d", Hours-1, flow.MaxHour, o.Traffic.LastHour)
	}
	return t, err
}

// Post posts the hours of a demo, the first one first. Each is one batch, named by the seed and
// the hour, so whatever is posted again counts once, for as long as the server remembers names. An
// hour whose name is in use for other flows is left as it is.
//
// It ends with an error where going on makes no sense; the account is good in every case. Options
// that cannot be used are a *loadtest.InvalidError before anything is sent.
func Post(ctx context.Context, o PostOptions) (PostResult, error) {
	var result PostResult
	p, err := newPoster(&o)
	if err != nil {
		return result, err
	}
	defer p.conn.Close()
	traffic := New(o.Traffic)
	var flows []flow.Flow
	for h := traffic.FirstHour(); h <= traffic.LastHour; h++ {
		flows = traffic.Flows(flows[:0], h)
		name := loadtest.BatchName{Key: fmt.Sprintf("flowload-demo-%d-%d", o.Traffic.Seed, h)}
		outcome, err := p.deliver(ctx, flows, name, hourAttempts)
		if err != nil {
			return result, fmt.Errorf("hour %d: %w", h, err)
		}
		switch n := uint64(len(flows)); outcome {
		case stored:
			result.Stored += n
		case repeated:
			result.Repeated += n
		case differing:
			result.Differing += n
		}
	}
	return result, nil
}

// PostLive posts flows of the present hour at about rate flows per second, 1 to MaxLiveRate, until ctx
// ends, and returns how many count. A batch that is not answered is sent again until it is.
func PostLive(ctx context.Context, o PostOptions, rate float64) (flows uint64, err error) {
	if !(rate >= 1 && rate <= MaxLiveRate) {
		return 0, loadtest.Invalid("rate", "must be 1 to %d, not %v", MaxLiveRate, rate)
	}
	p, err := newPoster(&o)
	if err != nil {
		return 0, err
	}
	defer p.conn.Close()
	live := New(o.Traffic).Live(rate)
	began := time.Now()
	// Live flows are new ones each time, so each run is an agent of its own.
	name := loadtest.BatchName{Agent: "flowload-demo-" + strconv.FormatInt(began.UnixNano(), 10)}
	tick := time.NewTicker(Tick)
	defer tick.Stop()
	var batch []flow.Flow
	for {
		select {
		case <-ctx.Done():
			return flows, nil
		case now := <-tick.C:
			batch = live.Next(batch[:0], flow.Hour(now.Unix()/3600))
		}
		if len(batch) == 0 {
			continue
		}
		name.Seq++
		switch outcome, err := p.deliver(ctx, batch, name, 0); {
		case err != nil && ctx.Err() != nil:
			return flows, nil
		case err != nil:
			return flows, err
		case outcome == differing:
			return flows, fmt.Errorf("%s %d is a name that the server knows for other flows", name.Agent, name.Seq)
		}
		flows += uint64(len(batch))
	}
}

// MaxLiveRate is the most flows per second that PostLive posts.
const MaxLiveRate = 10_000

// outcome is the outcome of a batch.
type outcome uint8

const (
	stored outcome = iota
	repeated
	differing
)

// poster posts one batch after the other. All have names, so each may be sent again.
type poster struct {
	*PostOptions
	target     loadtest.Target
	conn       *loadtest.Conn
	reached    bool // the server has answered
	head, body []byte
}

func newPoster(o *PostOptions) (*poster, error) {
	p := &poster{PostOptions: o}
	var err error
	if p.target, err = o.check(); err != nil {
		return nil, err
	}
	p.conn = loadtest.NewConn(&p.target, loadtest.DialTCP)
	return p, nil
}

// deliver sends a batch until it is answered, at most attempts times, or without end if that is 0. A
// server that was never there is an error at once.
func (p *poster) deliver(ctx context.Context, flows []flow.Flow, name loadtest.BatchName, attempts int) (outcome, error) {
	separator := byte('[')
	p.body = p.body[:0]
	for i := range flows {
		p.body = flowjson.AppendFlow(append(p.body, separator), &flows[i])
		separator = ','
	}
	p.body = append(p.body, ']')
	p.head = loadtest.AppendPost(p.head[:0], &p.target, loadtest.PostHead{
		Route: "/flows", ContentType: loadtest.ContentType(flowjson.JSON), Length: len(p.body), Name: name,
	})
	for attempt := 1; ctx.Err() == nil; attempt++ {
		outcome, err := p.post(len(flows))
		var later *laterError
		if !errors.As(err, &later) {
			return outcome, err
		}
		if attempt == attempts || !p.reached {
			return 0, later.reason
		}
		if attempt == 1 && p.Trouble != nil {
			p.Trouble(later.reason.Error())
		}
		loadtest.Pause(ctx, pauseAfter(attempt))
	}
	return 0, cmp.Or(context.Cause(ctx), ctx.Err())
}

const (
	firstPause = 250 * time.Millisecond
	maxPause   = 15 * time.Second
)

// pauseAfter returns how long to wait after the given attempt, counted from 1. It doubles from one to
// the next, and a random part spreads the clients.
func pauseAfter(attempt int) time.Duration {
	longest := min(firstPause<<min(attempt-1, 16), maxPause)
	return longest/2 + rand.N(longest/2)
}

// laterError says why a batch may be sent again.
type laterError struct{ reason error }

func (e *laterError) Error() string { return e.reason.Error() }

// post sends what is packed once.
func (p *poster) post(flows int) (outcome, error) {
	a, err := p.conn.RoundTrip(p.head, p.body, time.Now().Add(p.Timeout))
	if err != nil {
		return 0, &laterError{fmt.Errorf("no answer from %s: %w", p.Target, err)}
	}
	p.reached = true
	status := a.Status
	text, err := io.ReadAll(io.LimitReader(p.conn, problem.MaxBytes))
	_, finishErr := p.conn.Finish()
	if err := errors.Join(err, finishErr); err != nil {
		return 0, &laterError{fmt.Errorf("the answer of %s was cut: %w", p.Target, err)}
	}
	switch {
	case status == http.StatusOK:
		return readAnswer(text, flows)
	case status == http.StatusUnprocessableEntity: // the name is in use for other flows
		return differing, nil
	}
	said, _ := problem.Parse(problem.MediaType, text)
	err = fmt.Errorf("the server answered %d%s", status, said.Suffix())
	if status == http.StatusTooManyRequests || status >= 500 {
		err = &laterError{err}
	}
	return 0, err
}

// readAnswer reads the body of a 200.
func readAnswer(text []byte, flows int) (outcome, error) {
	var said struct {
		Accepted  *int `json:"accepted"`
		Duplicate bool `json:"duplicate"`
	}
	switch err := json.Unmarshal(text, &said); {
	case err != nil || said.Accepted == nil:
		return 0, fmt.Errorf("the server answered 200, but not as flowd does: %q", text[:min(len(text), 80)])
	case *said.Accepted != flows:
		return 0, fmt.Errorf("the server answered that it accepted %d flows of %d", *said.Accepted, flows)
	case said.Duplicate:
		return repeated, nil
	}
	return stored, nil
}
