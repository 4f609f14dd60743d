// Package reject has what the HTTP server answers to requests that it rejects: problems of RFC 9457, which say what is
// wrong, where, and what to do. It counts them by their reason.
package reject

import (
	"fmt"
	"log/slog"
	"strconv"

	"github.com/goccy/go-json"
	"github.com/valyala/fasthttp"

	"flowd/flow"
	"flowd/logs"
)

// Problem is the answer to a rejected request. What it says is for the sender: what is
// wrong, where, and what to do; never an error of Go, a stack or a path.
type Problem struct {
	Status int
	Reason Reason
	// Word is the engine's own for the reason, which then takes the place of reason's name.
	Word   string
	Detail string
	// Cause is for the log alone: an error of the engine behind a 500.
	Cause error
	// Fields are what is wrong with a batch.
	Fields []flow.FieldError
	// Reasons name why the server is not ready.
	Reasons []string
	// Header and value are one more header of the answer, unless header is empty.
	Header, Value string
}

// RetryAfter is the header of a problem that passes by itself, in the form in which fasthttp keeps it.
const RetryAfter = "Retry-After"

// retryAfter is how many seconds a client should wait when the server is over its limits. They
// pass quickly: what fills them are requests, and each has a deadline.
const retryAfter = "1"

// ContentType is the media type of a problem.
const ContentType = "application/problem+json"

// Overloaded makes a problem of a limit that other requests have used up.
func Overloaded(r Reason, detail string) *Problem {
	return &Problem{
		Status: fasthttp.StatusServiceUnavailable, Reason: r, Detail: detail,
		Header: RetryAfter, Value: retryAfter,
	}
}

// Name returns why the request was rejected, as metrics and logs name it.
func (p *Problem) Name() string {
	if p.Word != "" {
		return p.Word
	}
	return reasonNames[p.Reason]
}

// Append appends p as JSON by RFC 9457. The type is "about:blank": the status says all that a
// program needs, so the title is the status's own.
func (p *Problem) Append(dst []byte) []byte {
	body := struct {
		Type    string            `json:"type"`
		Title   string            `json:"title"`
		Status  int               `json:"status"`
		Detail  string            `json:"detail"`
		Errors  []flow.FieldError `json:"errors,omitempty"`
		Reasons []string          `json:"reasons,omitempty"`
	}{"about:blank", fasthttp.StatusMessage(p.Status), p.Status, p.Detail, p.Fields, p.Reasons}
	text, err := json.MarshalWithOption(&body, json.DisableHTMLEscape())
	if err != nil {
		// The struct above cannot fail to encode; without a body the status still tells.
		return dst
	}
	return append(dst, text...)
}

// Raw returns p as a whole answer for a connection that is closed after it.
func (p *Problem) Raw() []byte {
	body := p.Append(nil)
	raw := []byte("HTTP/1.1 " + strconv.Itoa(p.Status) + " " + fasthttp.StatusMessage(p.Status) + "\r\n")
	if p.Header != "" {
		raw = append(raw, p.Header+": "+p.Value+"\r\n"...)
	}
	raw = append(raw, "Content-Type: "+ContentType+"\r\nContent-Length: "+strconv.Itoa(len(body))+
		"\r\nConnection: close\r\n\r\n"...)
	return append(raw, body...)
}

// WithFields adds what is wrong, place by place.
func (p *Problem) WithFields(fields []flow.FieldError, omitted int) *Problem {
	p.Fields = fields
	if omitted > 0 {
		p.Detail += fmt.Sprintf(" %d more are not listed.", omitted)
	}
	return p
}

// Attrs says what p is about in a log line, beside its status and reason.
func (p *Problem) Attrs() []slog.Attr {
	attrs := []slog.Attr{logs.Text("detail", p.Detail)}
	if p.Cause != nil {
		attrs = append(attrs, logs.Long("error", p.Cause.Error()))
	}
	if len(p.Fields) > 0 {
		attrs = append(attrs, logs.Text("pointer", p.Fields[0].Pointer), logs.Text("error", p.Fields[0].Detail))
	}
	return attrs
}
