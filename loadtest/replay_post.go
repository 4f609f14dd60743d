package loadtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-json"
)

// poster makes the POSTs of a replay. Unlike the connections of a load it goes through the
// standard library's transport: a replay crosses proxies and networks, and that transport
// notices while a connection rests that the server closed it, which without an answer would
// leave flows unknown. It never repeats a POST of which a byte was written, and follows no
// redirect.
type poster struct {
	url     string
	client  http.RoundTripper
	timeout time.Duration
}

// verdict is what an answer, or none, means to the flows of a POST.
type verdict uint8

const (
	refused verdict = iota // they do not count
	stored                 // they count
	unknown                // nobody can say
	again                  // they do not count yet, and may be sent again
)

// reply is what came of one POST.
type reply struct {
	verdict verdict
	// left tells that a connection was there to send on, so the server may have seen it.
	left bool
	// hopeless tells that the next POST would fare no better.
	hopeless bool
	// reason is what to tell the user, unless the flows are stored.
	reason string
	// after is the wait that the server asked for, 0 for none.
	after time.Duration
}

// maxAnswer is how much of an answer's body is read. Longer ones are no answer of flowd.
const maxAnswer = 64 << 10

// do makes one POST. Once begun it is finished even if ctx ends, so that its flows do not
// become unknown.
func (p *poster) do(ctx context.Context, batch *portion) reply {
	var left bool
	ctx = httptrace.WithClientTrace(context.WithoutCancel(ctx), &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { left = true },
	})
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(batch.body))
	if err != nil {
		return reply{hopeless: true, reason: err.Error()}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "flowload")
	resp, err := p.client.RoundTrip(req)
	if err != nil && !left {
		return reply{verdict: again, reason: err.Error()}
	}
	if err != nil {
		return reply{verdict: unknown, left: true, reason: "no answer: " + err.Error()}
	}
	defer resp.Body.Close()
	// An answer cut short still has its status, which says all but whether flowd wrote it.
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil && resp.StatusCode == http.StatusOK {
		return reply{verdict: unknown, left: true, reason: "the answer was cut: " + err.Error()}
	}
	return judge(resp, body, batch.flows)
}

// judge tells what an answer means.
func judge(resp *http.Response, body []byte, flows int) reply {
	status := resp.StatusCode
	r := reply{left: true, reason: "the server answered " + strconv.Itoa(status) + explain(body)}
	switch {
	case status == http.StatusOK:
		return judgeOK(body, flows)
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		r.verdict = again
		r.after = retryAfter(resp.Header, time.Now())
	case status == http.StatusBadRequest, status == http.StatusUnprocessableEntity:
		r.verdict = refused
	case status >= 500:
		// Whoever answered does not say how far the flows had come.
		r.verdict = unknown
	default:
		r.verdict = refused
		r.hopeless = true
	}
	return r
}

// judgeOK looks into a 200: other servers answer so too, to whatever they are sent.
func judgeOK(body []byte, flows int) reply {
	var answer struct {
		Accepted *int `json:"accepted"`
	}
	err := json.Unmarshal(body, &answer)
	switch {
	case err != nil || answer.Accepted == nil:
		return reply{verdict: unknown, left: true, hopeless: true,
			reason: fmt.Sprintf("the server answered 200, but not as flowd does: %q", body[:min(len(body), 80)])}
	case *answer.Accepted != flows:
		return reply{verdict: unknown, left: true, hopeless: true,
			reason: fmt.Sprintf("the server answered that it accepted %d flows of %d", *answer.Accepted, flows)}
	}
	return reply{verdict: stored, left: true}
}

// explain returns what an error's body says, if it is a problem document.
func explain(body []byte) string {
	var problem struct {
		Title, Detail string
		Errors        []struct{ Pointer, Detail string }
	}
	if json.Unmarshal(body, &problem) != nil {
		return ""
	}
	var s strings.Builder
	for _, text := range []string{problem.Title, problem.Detail} {
		if text != "" {
			fmt.Fprintf(&s, ": %s", text)
		}
	}
	if len(problem.Errors) > 0 {
		fmt.Fprintf(&s, ": %s: %s", problem.Errors[0].Pointer, problem.Errors[0].Detail)
	}
	return s.String()
}

// retryAfter reads how long the server asks to wait: a number of seconds, or a date, which is
// measured on the server's own clock if the answer tells its time. 0 means that it does not ask.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return max(at.Sub(now), 0)
}

const (
	firstDelay = 250 * time.Millisecond
	maxDelay   = 15 * time.Second
	// maxAfter is the longest wait that a server can ask for.
	maxAfter = 5 * time.Minute
)

// delay returns how long to wait after the given attempt, counted from 1. A server's own word
// is the least; chance spreads the connections, so that they do not come back as one. Without
// its word the wait doubles from one attempt to the next.
func delay(attempt int, after time.Duration) time.Duration {
	backoff := min(firstDelay<<min(attempt-1, 16), maxDelay)
	if after > 0 {
		return after + rand.N(min(after/4, maxDelay)+1)
	}
	return backoff/2 + rand.N(backoff/2)
}
