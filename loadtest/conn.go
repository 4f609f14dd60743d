package loadtest

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"time"
)

// Conn is one HTTP/1.1 connection to the target, for one goroutine, with one request under way
// at a time. It is written for this purpose instead of taken from an HTTP client because the
// account needs to know whether a request that failed can have reached the server, because
// nothing may be sent a second time unasked, and because each microsecond that a request
// costs here is missing for the server on the same machine.
type Conn struct {
	target *Target
	dialer DialFunc
	nc     net.Conn
	br     *bufio.Reader
	used   time.Time
	// deadline is the one set on nc, which is worth knowing: to set one is not free.
	deadline time.Time
	parts    [2][]byte
	buffers  net.Buffers
	answer   Answer
	chunks   io.Reader
	small    [512]byte
}

const (
	// idleLimit is how long a connection may rest before it is opened anew. Servers close idle
	// connections, and a request that crosses such a close on its way has no answer: it would
	// be counted as the server's fault.
	idleLimit = 5 * time.Second
	// readBuffer is the memory of a connection for what it reads.
	readBuffer = 16 << 10
)

// NotSentError is a failure before the first byte of a request was written: the server
// cannot have seen it.
type NotSentError struct{ err error }

func (e *NotSentError) Error() string { return e.err.Error() }
func (e *NotSentError) Unwrap() error { return e.err }

// NewConn returns a connection that dialer opens with the first request.
func NewConn(t *Target, dialer DialFunc) *Conn {
	return &Conn{target: t, dialer: dialer}
}

// RoundTrip sends head and body and reads the head of the response, all before the deadline.
// The answer is valid until the next call; Finish must be called before that. An error that
// is not a *NotSentError leaves open whether the server took the request.
func (c *Conn) RoundTrip(head, body []byte, deadline time.Time) (*Answer, error) {
	if err := c.Ready(deadline); err != nil {
		return nil, &NotSentError{err}
	}
	c.parts = [2][]byte{head, body}
	c.buffers = c.parts[:]
	if len(body) == 0 {
		c.buffers = c.parts[:1]
	}
	_, writeErr := c.buffers.WriteTo(c.nc)
	// A server may refuse a request before it read all of it, and close: then the write fails
	// although the answer, which says why, is there to be read.
	if err := c.readHead(); err != nil {
		c.Close()
		return nil, errors.Join(writeErr, err)
	}
	c.answer.close = c.answer.close || writeErr != nil
	return &c.answer, nil
}

// Ready makes sure of an open connection and sets the deadline of all that follows.
func (c *Conn) Ready(deadline time.Time) error {
	if c.nc != nil && time.Since(c.used) > idleLimit {
		c.Close()
	}
	if c.nc == nil {
		nc, err := c.target.dial(c.dialer, deadline)
		if err != nil {
			return err
		}
		c.nc, c.deadline, c.used = nc, time.Time{}, time.Now()
		if c.br == nil {
			c.br = bufio.NewReaderSize(nc, readBuffer)
		} else {
			c.br.Reset(nc)
		}
	}
	return c.Extend(deadline)
}

// Extend moves the deadline of the request under way.
func (c *Conn) Extend(deadline time.Time) error {
	if deadline.Equal(c.deadline) {
		return nil
	}
	c.deadline = deadline
	return c.nc.SetDeadline(deadline)
}

// Close closes the connection; the next request opens another.
func (c *Conn) Close() {
	if c.nc != nil {
		c.nc.Close()
		c.nc = nil
	}
}

// Read reads the body of the answer that RoundTrip returned last.
func (c *Conn) Read(p []byte) (int, error) {
	if c.answer.chunked {
		return c.chunks.Read(p)
	}
	if c.answer.length < 0 {
		return c.br.Read(p)
	}
	if c.answer.length == 0 {
		return 0, io.EOF
	}
	n, err := c.br.Read(p[:min(int64(len(p)), c.answer.length)])
	c.answer.length -= int64(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Beginning returns the first bytes of the body of the answer, valid until the next request.
func (c *Conn) Beginning() []byte {
	n, _ := io.ReadFull(struct{ io.Reader }{c}, c.small[:])
	return c.small[:n]
}

// Finish reads what is left of the body, so that the connection can carry the next request,
// or closes the connection where it cannot. It returns how many bytes were left.
func (c *Conn) Finish() (left int64, err error) {
	if c.answer.chunked || c.answer.length < 0 {
		left, err = io.Copy(io.Discard, struct{ io.Reader }{c})
	} else {
		var n int
		n, err = c.br.Discard(int(c.answer.length))
		left = int64(n)
	}
	if err == nil && c.answer.chunked {
		err = c.readTrailer()
	}
	if err != nil || c.answer.close {
		c.Close()
	}
	c.used = time.Now()
	return left, err
}

// Pause returns after d, or when ctx ends.
func Pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
