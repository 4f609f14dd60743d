package httpapi

import (
	"fmt"
	"log/slog"
	"strconv"

	"github.com/goccy/go-json"
	"github.com/valyala/fasthttp"

	"flowd/flow"
	"flowd/logs"
)

// problem is a refusal on its way to the client. What it says is for the sender: what is
// wrong, where, and what to do; never an error of Go, a stack or a path.
type problem struct {
	status int
	reason reason
	// word is the engine's own for the reason, which then takes the place of reason's name.
	word   string
	detail string
	// cause is for the log alone: an error of the engine behind a 500.
	cause error
	// fields are what is wrong with a batch.
	fields []flow.FieldError
	// reasons name why the server is not ready.
	reasons []string
	// header and value are one more header of the answer, unless header is empty.
	header, value string
}

// headerRetryAfter is the header of a problem that passes by itself, in the form in which fasthttp keeps it.
const headerRetryAfter = "Retry-After"

// retryAfter is how many seconds a client should wait when the server is over its limits. They
// pass quickly: what fills them are requests, and each has a deadline.
const retryAfter = "1"

const problemType = "application/problem+json"

// overloaded makes a problem of a limit that other requests have used up.
func overloaded(r reason, detail string) *problem {
	return &problem{
		status: fasthttp.StatusServiceUnavailable, reason: r, detail: detail,
		header: headerRetryAfter, value: retryAfter,
	}
}

// reasonText returns why p was refused, as metrics and logs name it.
func (p *problem) reasonText() string {
	if p.word != "" {
		return p.word
	}
	return reasonNames[p.reason]
}

// append appends p as JSON by RFC 9457. The type is "about:blank": the status says all that a
// program needs, so the title is the status's own.
func (p *problem) append(dst []byte) []byte {
	body := struct {
		Type    string            `json:"type"`
		Title   string            `json:"title"`
		Status  int               `json:"status"`
		Detail  string            `json:"detail"`
		Errors  []flow.FieldError `json:"errors,omitempty"`
		Reasons []string          `json:"reasons,omitempty"`
	}{"about:blank", fasthttp.StatusMessage(p.status), p.status, p.detail, p.fields, p.reasons}
	text, err := json.MarshalWithOption(&body, json.DisableHTMLEscape())
	if err != nil {
		// The struct above cannot fail to encode; without a body the status still tells.
		return dst
	}
	return append(dst, text...)
}

// raw returns p as a whole answer for a connection that is closed after it.
func (p *problem) raw() []byte {
	body := p.append(nil)
	raw := []byte("HTTP/1.1 " + strconv.Itoa(p.status) + " " + fasthttp.StatusMessage(p.status) + "\r\n")
	if p.header != "" {
		raw = append(raw, p.header+": "+p.value+"\r\n"...)
	}
	raw = append(raw, "Content-Type: "+problemType+"\r\nContent-Length: "+strconv.Itoa(len(body))+
		"\r\nConnection: close\r\n\r\n"...)
	return append(raw, body...)
}

// withFields adds what is wrong, place by place.
func (p *problem) withFields(fields []flow.FieldError, omitted int) *problem {
	p.fields = fields
	if omitted > 0 {
		p.detail += fmt.Sprintf(" %d more are not listed.", omitted)
	}
	return p
}

// attrs says what p is about in a log line, beside its status and reason.
func (p *problem) attrs() []slog.Attr {
	attrs := []slog.Attr{logs.Text("detail", p.detail)}
	if p.cause != nil {
		attrs = append(attrs, logs.Long("error", p.cause.Error()))
	}
	if len(p.fields) > 0 {
		attrs = append(attrs, logs.Text("pointer", p.fields[0].Pointer), logs.Text("error", p.fields[0].Detail))
	}
	return attrs
}
