package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"time"

	"flowd/loadtest"
)

// client sends a server one request after the other on one connection. It belongs to one goroutine.
type client struct {
	name   string // of the server
	target loadtest.Target
	conn   *loadtest.Conn
	head   []byte
}

// reply is an answer whose body was read to its end.
type reply struct {
	bytes int64         // of the body
	first time.Duration // until its head had arrived
	took  time.Duration // until it was read
}

// answerWithin is how long an answer may take.
const answerWithin = 10 * time.Second

func connect(s *server) (*client, error) {
	t, err := loadtest.ParseServer(s.url, s.token)
	if err != nil {
		return nil, err
	}
	c := &client{name: s.name, target: t}
	c.conn = loadtest.NewConn(&c.target, loadtest.DialTCP)
	return c, c.conn.Ready(time.Now().Add(answerWithin))
}

// exchange sends the head with a body and reads the answer, which must have this status.
func (c *client) exchange(body []byte, status int) (reply, error) {
	began := time.Now()
	a, err := c.conn.RoundTrip(c.head, body, began.Add(answerWithin))
	if err != nil {
		return reply{}, err
	}
	r, got, start := reply{first: time.Since(began)}, a.Status, ""
	if got != status {
		start = string(c.conn.Beginning())
	}
	r.bytes, err = c.conn.Finish()
	r.took = time.Since(began)
	if err == nil && got != status {
		err = fmt.Errorf("%s answered %d %s, not %d: %q", c.name, got, http.StatusText(got), status, start)
	}
	return r, err
}

// ask gets a path, with a further line of the head, or none.
func (c *client) ask(path, line string, status int) (reply, error) {
	c.head = loadtest.AppendGet(c.head[:0], &c.target, path)
	if line != "" {
		c.head = append(c.head[:len(c.head)-len("\r\n")], line+"\r\n\r\n"...)
	}
	r, err := c.exchange(nil, status)
	if err != nil {
		return r, fmt.Errorf("GET %s: %w", path, err)
	}
	return r, nil
}

// post sends s a batch with that number of flows and returns how long it took until the head of the answer had arrived: the
// answer comes as a whole, and to read it is the client's time.
func (c *client) post(s *server, body []byte, flows int) (time.Duration, error) {
	c.head = loadtest.AppendPost(c.head[:0], &c.target, loadtest.PostHead{Route: s.path, ContentType: s.contentType, Length: len(body)})
	r, err := c.exchange(body, s.status)
	if err == nil {
		s.posted += uint64(flows)
	}
	return r.first, err
}

func (c *client) close() error {
	c.conn.Close()
	return nil
}

// postAll posts batches with that number of flows each to s, one after the other.
func postAll(ctx context.Context, s *server, flows int, bodies iter.Seq[[]byte]) error {
	c, err := connect(s)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	for body := range bodies {
		if _, err := c.post(s, body, flows); err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
	}
	return nil
}
