package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"time"

	"github.com/goccy/go-json"

	"flowd/problem"
)

// poster makes POST requests.
type poster struct {
	url          string
	http         http.Client
	ownTransport *http.Transport // nil with Options.HTTP
	token        func() (string, error)
	timeout      time.Duration
}

// newPoster returns a poster. It uses the standard library's transport, since agents are behind proxies.
func newPoster(o *Options) *poster {
	p := &poster{url: o.URL + "/flows", token: o.Token, timeout: o.Timeout}
	if o.HTTP != nil {
		p.http = *o.HTTP
	} else {
		p.ownTransport = http.DefaultTransport.(*http.Transport).Clone()
		p.ownTransport.MaxConnsPerHost, p.ownTransport.MaxIdleConnsPerHost = o.Connections, o.Connections
		if o.TLS != nil {
			p.ownTransport.TLSClientConfig = o.TLS.Clone()
		}
		p.http.Transport = p.ownTransport
	}
	// A redirect would send flows and the token to a server that the caller did not choose.
	p.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return p
}

// close closes idle connections of the poster's own transport.
func (p *poster) close() {
	if p.ownTransport != nil {
		p.ownTransport.CloseIdleConnections()
	}
}

// outcome is the consequence of one attempt for its batch.
type outcome uint8

const (
	notSent   outcome = iota // the server cannot have seen it
	deferred                 // it does not count yet
	uncertain                // it may count; a retry will tell
	stored                   // it counts
	refused                  // it never counts
	inDoubt                  // it may count; no retry can tell
	damaged                  // it cannot be sent: its file is damaged or missing
)

// result is the result of one POST.
type result struct {
	outcome    outcome
	status     int // 0 without an answer
	duplicate  bool
	reason     string        // empty if stored
	retryAfter time.Duration // as the server asked, 0 without it
}

// maxAnswerBytes bounds the part of an answer that is read. flowd's answers are shorter.
const maxAnswerBytes = 64 << 10

// post sends a batch once. It gives up when ctx ends or after the timeout.
func (p *poster) post(ctx context.Context, batch *sealedBatch, body []byte) result {
	authorization, err := authorizationHeader(p.token)
	if err != nil {
		return result{outcome: notSent, reason: err.Error()}
	}
	connected := false
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected = true }})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return result{outcome: notSent, reason: err.Error()}
	}
	h := request.Header
	h.Set("User-Agent", "flowd-client")
	h.Set("Content-Type", "application/json")
	h.Set("Flowd-Agent", batch.agent)
	h.Set("Flowd-Seq", strconv.FormatUint(batch.seq, 10))
	if batch.encoding != Plain {
		h.Set("Content-Encoding", string(batch.encoding))
	}
	if authorization != "" {
		h.Set("Authorization", authorization)
	}
	response, err := p.http.Do(request)
	switch {
	case err != nil && !connected:
		return result{outcome: notSent, reason: "no connection: " + cause(err)}
	case err != nil:
		return result{outcome: uncertain, reason: "no answer: " + cause(err)}
	}
	defer response.Body.Close()
	// A truncated answer still has its status.
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	if err != nil && response.StatusCode == http.StatusOK {
		return result{outcome: uncertain, reason: "the answer was truncated: " + err.Error()}
	}
	return classify(response, text, batch.flows)
}

// cause strips the method and the URL from an error of an http.Client, since they are always the same.
func cause(err error) string {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return err.Error()
}

const (
	statusConflict = http.StatusConflict
	statusReused   = http.StatusUnprocessableEntity
)

// classify derives a result from the answer to a batch with this number of flows.
func classify(response *http.Response, text []byte, flows int) result {
	refusal, isProblem := problem.Parse(response.Header.Get("Content-Type"), text)
	r := result{
		status: response.StatusCode, outcome: deferred,
		reason:     "the server answered " + strconv.Itoa(response.StatusCode) + refusal.Suffix(),
		retryAfter: parseRetryAfter(response.Header, time.Now()),
	}
	switch r.status {
	case http.StatusOK:
		return classifyOK(text, flows)
	case http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, statusReused:
		r.outcome = refused
	case http.StatusBadRequest:
		// A proxy, or a server that expects TLS, answers so to any batch until it is reconfigured.
		if isProblem {
			r.outcome = refused
		}
	case http.StatusForbidden:
		// With pointers into the batch it concerns these flows; without, a new token may help.
		if isProblem && len(refusal.Errors) > 0 {
			r.outcome = refused
		}
	case statusConflict:
		r.outcome = inDoubt
	case http.StatusServiceUnavailable:
	default:
		if r.status < 300 || r.status >= 500 {
			r.outcome = uncertain
		}
	}
	return r
}

// classifyOK checks the body of a 200, since other servers answer any request so.
func classifyOK(text []byte, flows int) result {
	var answer struct {
		Accepted  *int `json:"accepted"`
		Duplicate bool `json:"duplicate"`
	}
	r := result{status: http.StatusOK}
	switch err := json.Unmarshal(text, &answer); {
	case err != nil || answer.Accepted == nil:
		r.outcome = uncertain
		r.reason = fmt.Sprintf("the server answered 200, but not as flowd does: %q", text[:min(len(text), 80)])
	case *answer.Accepted != flows:
		r.outcome = inDoubt
		r.reason = fmt.Sprintf("the server answered that it accepted %d flows, but the batch has %d", *answer.Accepted, flows)
	default:
		r.outcome, r.duplicate = stored, answer.Duplicate
	}
	return r
}

// parseRetryAfter returns the pause that the server asks for, 0 if it does not. It accepts a number of
// seconds, or a date, which it compares with the Date header to ignore a wrong clock here.
func parseRetryAfter(h http.Header, now time.Time) time.Duration {
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
