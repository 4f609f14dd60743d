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
	"strings"
	"time"

	"github.com/goccy/go-json"
)

// poster makes POSTs.
type poster struct {
	url     string
	http    http.Client
	own     *http.Transport // nil if it is somebody else's
	token   func() (string, error)
	timeout time.Duration
}

// newPoster uses the standard library's transport, since agents are behind proxies and networks.
func newPoster(o *Options) *poster {
	p := &poster{url: o.URL + "/flows", token: o.Token, timeout: o.Timeout}
	if o.HTTP != nil {
		p.http = *o.HTTP
	} else {
		p.own = http.DefaultTransport.(*http.Transport).Clone()
		p.own.MaxConnsPerHost, p.own.MaxIdleConnsPerHost = o.Connections, o.Connections
		if o.TLS != nil {
			p.own.TLSClientConfig = o.TLS.Clone()
		}
		p.http.Transport = p.own
	}
	// A redirect would send flows and token where nobody said that they should go.
	p.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return p
}

// close closes connections that rest.
func (p *poster) close() {
	if p.own != nil {
		p.own.CloseIdleConnections()
	}
}

// verdict is what an answer, or none, means to a batch.
type verdict uint8

const (
	notSent verdict = iota // the server cannot have seen it
	putOff                 // it does not count yet
	unclear                // nobody can say
	stored                 // it counts
	refused                // it does not count, and never will
	inDoubt                // nobody will ever say
	damaged                // it cannot be sent: its file is not what was written
)

// reply is what came of one POST.
type reply struct {
	verdict   verdict
	status    int // 0 without an answer
	duplicate bool
	reason    string        // unless it is stored
	after     time.Duration // that the server asked to wait, 0 for none
}

// maxAnswer is how much of an answer's body is read. Longer ones are no answer of flowd.
const maxAnswer = 64 << 10

// post sends a batch once. When ctx ends, it waits no longer.
func (p *poster) post(ctx context.Context, batch *parcel, body []byte) reply {
	authorization, err := header(p.token)
	if err != nil {
		return reply{verdict: notSent, reason: err.Error()}
	}
	left := false
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { left = true }})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return reply{verdict: notSent, reason: err.Error()}
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
	case err != nil && !left:
		return reply{verdict: notSent, reason: "no connection: " + cause(err)}
	case err != nil:
		return reply{verdict: unclear, reason: "no answer: " + cause(err)}
	}
	defer response.Body.Close()
	// An answer that is cut short still has its status.
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil && response.StatusCode == http.StatusOK {
		return reply{verdict: unclear, reason: "the answer was cut: " + err.Error()}
	}
	return judge(response, text, batch.flows)
}

// cause returns an error of an http.Client without the method and the address, which are always the same.
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

// judge tells what an answer means to a batch of so many flows.
func judge(response *http.Response, text []byte, flows int) reply {
	said := readProblem(response, text)
	r := reply{
		status: response.StatusCode, verdict: putOff,
		reason: "the server answered " + strconv.Itoa(response.StatusCode) + said.text(),
		after:  retryAfter(response.Header, time.Now()),
	}
	switch r.status {
	case http.StatusOK:
		return judgeOK(text, flows)
	case http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, statusReused:
		r.verdict = refused
	case http.StatusBadRequest:
		// A proxy, or a server that expects TLS, says so of any batch, until somebody mends that.
		if said.flowd {
			r.verdict = refused
		}
	case http.StatusForbidden:
		// With places in the batch it is about these flows; without, the token may be replaced.
		if said.flowd && len(said.Errors) > 0 {
			r.verdict = refused
		}
	case statusConflict:
		r.verdict = inDoubt
	case http.StatusServiceUnavailable:
	default:
		if r.status < 300 || r.status >= 500 {
			r.verdict = unclear
		}
	}
	return r
}

// judgeOK looks into a 200: other servers answer so too, to whatever they are sent.
func judgeOK(text []byte, flows int) reply {
	var answer struct {
		Accepted  *int `json:"accepted"`
		Duplicate bool `json:"duplicate"`
	}
	r := reply{status: http.StatusOK}
	switch err := json.Unmarshal(text, &answer); {
	case err != nil || answer.Accepted == nil:
		r.verdict = unclear
		r.reason = fmt.Sprintf("the server answered 200, but not as flowd does: %q", text[:min(len(text), 80)])
	case *answer.Accepted != flows:
		r.verdict = inDoubt
		r.reason = fmt.Sprintf("the server answered that it accepted %d flows of %d", *answer.Accepted, flows)
	default:
		r.verdict, r.duplicate = stored, answer.Duplicate
	}
	return r
}

// problem is the body of a refusal.
type problem struct {
	Title, Detail string
	Errors        []struct{ Pointer, Detail string }

	flowd bool // it is a problem document
}

func readProblem(response *http.Response, text []byte) (p problem) {
	mediaType, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
	if strings.TrimSpace(mediaType) == "application/problem+json" && json.Unmarshal(text, &p) == nil {
		p.flowd = true
		return p
	}
	return problem{}
}

// text returns what p says, as the end of a sentence.
func (p *problem) text() string {
	var s strings.Builder
	for _, part := range []string{p.Title, p.Detail} {
		if part != "" {
			s.WriteString(": " + part)
		}
	}
	if len(p.Errors) > 0 {
		fmt.Fprintf(&s, ": %s %s", p.Errors[0].Pointer, p.Errors[0].Detail)
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
