package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// connection sends a server one request after the other, at little cost of its own. It belongs to one
// goroutine.
type connection struct {
	server  *instance
	host    string
	conn    net.Conn
	answers *bufio.Reader
	request []byte
}

// reply is an answer whose body was read to its end.
type reply struct {
	header http.Header
	bytes  int64         // of the body
	first  time.Duration // until its first byte
	took   time.Duration // until it was read
}

// statusError is an answer with another status than was expected.
type statusError struct {
	server       string
	status, want int
	start        string // of the body
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s answered %d %s, not %d: %q", e.server, e.status, http.StatusText(e.status), e.want, e.start)
}

// answerWithin is how long an answer may take.
const answerWithin = 10 * time.Second

func connect(p *instance) (*connection, error) {
	host := strings.TrimPrefix(p.url, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return nil, err
	}
	return &connection{server: p, host: host, conn: conn, answers: bufio.NewReaderSize(conn, 64<<10)}, nil
}

// exchange sends the request and returns the answer, which must have this status.
func (c *connection) exchange(status int) (reply, error) {
	began := time.Now()
	if err := c.conn.SetDeadline(began.Add(answerWithin)); err != nil {
		return reply{}, err
	}
	if _, err := c.conn.Write(c.request); err != nil {
		return reply{}, err
	}
	if _, err := c.answers.Peek(1); err != nil {
		return reply{}, err
	}
	first := time.Since(began)
	answer, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		return reply{}, err
	}
	start, err := io.ReadAll(io.LimitReader(answer.Body, 200))
	rest, more := io.Copy(io.Discard, answer.Body)
	took := time.Since(began)
	if err = errors.Join(err, more, answer.Body.Close()); err != nil {
		return reply{}, err
	}
	if answer.StatusCode != status {
		return reply{}, &statusError{c.server.name, answer.StatusCode, status, string(start)}
	}
	return reply{header: answer.Header, bytes: int64(len(start)) + rest, first: first, took: took}, nil
}

// ask gets a path, with more lines of the head, each with its end, or none.
func (c *connection) ask(path, head string, status int) (reply, error) {
	c.request = fmt.Appendf(c.request[:0], "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", path, c.host, head)
	r, err := c.exchange(status)
	if err != nil {
		return r, fmt.Errorf("GET %s: %w", path, err)
	}
	return r, nil
}

func (c *connection) close() error { return c.conn.Close() }
