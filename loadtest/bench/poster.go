package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"
)

// poster posts one batch after the other on one connection. It belongs to one goroutine.
type poster struct {
	*connection
	to   *server
	head string // of a request, up to the length of its body
}

func newPoster(s *server) (*poster, error) {
	conn, err := connect(s.instance)
	if err != nil {
		return nil, err
	}
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: ", s.path, conn.host, s.contentType)
	return &poster{connection: conn, to: s, head: head}, nil
}

// post sends a batch of so many flows and returns how long it took until the answer began to arrive: it comes as a
// whole, and to read it is the client's time.
func (p *poster) post(body []byte, flows int) (time.Duration, error) {
	p.request = append(p.request[:0], p.head...)
	p.request = strconv.AppendInt(p.request, int64(len(body)), 10)
	p.request = append(p.request, "\r\n\r\n"...)
	p.request = append(p.request, body...)
	answer, err := p.exchange(p.to.status)
	if err != nil {
		return 0, err
	}
	p.to.posted += uint64(flows)
	return answer.first, nil
}

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
