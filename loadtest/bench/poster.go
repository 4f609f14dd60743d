package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// poster posts one batch after the other on one connection, at little cost of its own. It belongs
// to one goroutine.
type poster struct {
	server  *server
	conn    net.Conn
	answers *bufio.Reader
	head    string // of a request, up to the length of its body
	request []byte
}

// postWithin is how long an answer may take.
const postWithin = 10 * time.Second

func newPoster(s *server) (*poster, error) {
	host := strings.TrimPrefix(s.url, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return nil, err
	}
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: ", s.path, host, s.contentType)
	return &poster{server: s, conn: conn, answers: bufio.NewReader(conn), head: head}, nil
}

// post sends a batch of so many flows and returns how long it took until it was answered.
func (p *poster) post(body []byte, flows int) (time.Duration, error) {
	p.request = append(p.request[:0], p.head...)
	p.request = strconv.AppendInt(p.request, int64(len(body)), 10)
	p.request = append(p.request, "\r\n\r\n"...)
	p.request = append(p.request, body...)
	began := time.Now()
	if err := p.conn.SetDeadline(began.Add(postWithin)); err != nil {
		return 0, err
	}
	if _, err := p.conn.Write(p.request); err != nil {
		return 0, err
	}
	answer, err := http.ReadResponse(p.answers, nil)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	took := time.Since(began)
	switch {
	case err != nil:
		return 0, err
	case answer.StatusCode != p.server.status:
		return 0, fmt.Errorf("%s answered %s, not %d: %.200q", p.server.name, answer.Status, p.server.status, text)
	}
	p.server.posted += uint64(flows)
	return took, nil
}

func (p *poster) close() error { return p.conn.Close() }

// postAll posts batches of so many flows to s, one after the other.
func postAll(ctx context.Context, s *server, flows int, bodies iter.Seq[[]byte]) (err error) {
	client, err := newPoster(s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.close()) }()
	for body := range bodies {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, err := client.post(body, flows); err != nil {
			return err
		}
	}
	return nil
}
