package query

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"flowd/humanize"
	"flowd/problem"
)

// client asks a server questions, one after the other.
type client struct {
	server  string // without a trailing slash
	token   string // sent, and never shown
	timeout time.Duration
	http    *http.Client
}

func newClient(server, token string, timeout time.Duration) *client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true // the client decodes answers itself, including zstd
	return &client{
		server: strings.TrimSuffix(server, "/"), token: token, timeout: timeout,
		http: &http.Client{
			Transport: transport,
			// A redirect would send the token to another server than the one that the user named.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// reply is an answer with status 200 whose body is still to be read. Read returns an error, not io.EOF, for
// a body that is truncated, or that is silent for longer than the timeout.
type reply struct {
	io.Reader
	truncated bool
	close     func()
}

// errSilent is the cause when a request ends because its answer does not come or does not continue.
var errSilent = errors.New("no answer for too long")

// get requests a route, and accepts only an answer of one of the media types. ctx ends the request, also
// while the body is read.
func (c *client) get(ctx context.Context, route string, parameters url.Values, types ...string) (*reply, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	r := &reply{close: func() { cancel(nil) }}
	silence := time.AfterFunc(c.timeout, func() { cancel(errSilent) })
	response, err := c.send(ctx, route, parameters, types[0])
	if err != nil {
		err = c.explain(ctx, err)
		r.close()
		return nil, err
	}
	silence.Stop()
	r.close = func() {
		response.Body.Close()
		cancel(nil)
	}
	body := &patientBody{client: c, ctx: ctx, body: response.Body, silence: silence}
	if response.StatusCode != http.StatusOK {
		defer r.close()
		return nil, c.refused(response, body)
	}
	if got, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type")); !slices.Contains(types, got) {
		defer r.close()
		return nil, fmt.Errorf("%s answered with %q, not as flowd does: is it the address of a flowd server?", c.server, got)
	}
	decoded, free, err := decode(response.Header.Get("Content-Encoding"), body)
	if err != nil {
		defer r.close()
		return nil, err
	}
	closeBody := r.close
	r.close = func() {
		free()
		closeBody()
	}
	r.Reader, r.truncated = decoded, response.Header.Get("Flowd-Truncated") == "true"
	return r, nil
}

func (c *client) send(ctx context.Context, route string, parameters url.Values, accept string) (*http.Response, error) {
	target := c.server + route
	if len(parameters) > 0 {
		target += "?" + parameters.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", accept)
	request.Header.Set("Accept-Encoding", "zstd, gzip")
	request.Header.Set("User-Agent", "flowd-query")
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	return c.http.Do(request)
}

// explain returns an error that tells what to do about a request without an answer.
func (c *client) explain(ctx context.Context, err error) error {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err // without the URL, which may be long, as it contains names
	}
	unknown := (*net.DNSError)(nil)
	switch {
	case errors.Is(context.Cause(ctx), errSilent):
		return &absentError{fmt.Sprintf("%s does not answer within %v: give it longer with --timeout", c.server, c.timeout)}
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, syscall.ECONNREFUSED):
		return &absentError{fmt.Sprintf("no server listens at %s: start one with flowd serve, or name another with --server", c.server)}
	case errors.As(err, &unknown):
		return &absentError{fmt.Sprintf("%s cannot be found (%s): name another with --server", c.server, humanize.Printable(unknown.Error()))}
	}
	return &absentError{fmt.Sprintf("no answer from %s: %s", c.server, humanize.Printable(err.Error()))}
}

// absentError is the error of a request without an answer. The same request may succeed later.
type absentError struct{ text string }

func (e *absentError) Error() string { return e.text }

// refusedError is the error of an answer with a status other than 200.
type refusedError struct {
	status int
	text   string
}

func (e *refusedError) Error() string { return e.text }

// maySucceedLater reports whether the same request may succeed later.
func maySucceedLater(err error) bool {
	if refused := (*refusedError)(nil); errors.As(err, &refused) {
		return refused.status >= 500 || refused.status == http.StatusTooManyRequests
	}
	absent := (*absentError)(nil)
	return errors.As(err, &absent)
}

// refused returns the error for a response that is not an answer.
func (c *client) refused(response *http.Response, body io.Reader) error {
	e := &refusedError{status: response.StatusCode}
	reason := fmt.Sprintf("%d %s", e.status, http.StatusText(e.status))
	var said problem.Problem
	decoded, free, err := decode(response.Header.Get("Content-Encoding"), body)
	if err == nil {
		defer free()
		said, _ = problem.Read(response.Header.Get("Content-Type"), decoded)
	}
	location := response.Header.Get("Location")
	switch {
	case said.Text() != "":
		e.text = fmt.Sprintf("%s: %s", reason, humanize.Printable(said.Text()))
	case location != "":
		e.text = fmt.Sprintf("%s answered %s and points to %s: give the address of the server itself with --server",
			c.server, reason, humanize.Printable(location))
	default:
		e.text = fmt.Sprintf("%s answered %s, not as flowd does: is it the address of a flowd server?", c.server, reason)
	}
	if e.status == http.StatusUnauthorized {
		e.text += "\nGive a token with --token-file or FLOWD_TOKEN."
	}
	return e
}

// patientBody reads a body of any duration, but bounds the silence of the server. Time between reads, when
// the reader is slow, does not count as silence.
type patientBody struct {
	*client
	ctx     context.Context
	body    io.Reader
	silence *time.Timer
	read    int64
}

func (b *patientBody) Read(p []byte) (int, error) {
	b.silence.Reset(b.timeout)
	n, err := b.body.Read(p)
	b.silence.Stop()
	b.read += int64(n)
	switch {
	case err == nil || err == io.EOF:
		return n, err
	case errors.Is(context.Cause(b.ctx), errSilent):
		return n, &absentError{fmt.Sprintf("the answer is cut: %s sent nothing for %v after %d bytes; give it longer with --timeout", b.server, b.timeout, b.read)}
	case b.ctx.Err() != nil:
		return n, b.ctx.Err()
	}
	return n, &absentError{fmt.Sprintf("the answer is cut: it ended after %d bytes: %s", b.read, humanize.Printable(err.Error()))}
}

// maxWindow is the most memory for the window of a zstd answer (RFC 9659).
const maxWindow = 8 << 20

// decode returns the decoded form of a body with an encoding. The caller must call free after reading.
func decode(encoding string, body io.Reader) (decoded io.Reader, free func(), err error) {
	switch encoding {
	case "", "identity":
		return body, func() {}, nil
	case "gzip":
		r, err := gzip.NewReader(body)
		if err != nil {
			return nil, nil, undecoded(encoding, err)
		}
		return &decodedBody{encoding, r}, func() { _ = r.Close() }, nil
	case "zstd":
		r, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, nil, undecoded(encoding, err)
		}
		return &decodedBody{encoding, r}, r.Close, nil
	}
	return nil, nil, fmt.Errorf("the answer is encoded as %q, which was not asked for", encoding)
}

// decodedBody adds the encoding to errors of decoding.
type decodedBody struct {
	encoding string
	io.Reader
}

func (b *decodedBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = undecoded(b.encoding, err)
	}
	return n, err
}

// undecoded wraps an error of decoding; errors of reading stay unchanged.
func undecoded(encoding string, err error) error {
	if absent := (*absentError)(nil); errors.As(err, &absent) {
		return absent
	}
	return fmt.Errorf("the answer is cut or damaged: decoding %s: %w", encoding, err)
}
