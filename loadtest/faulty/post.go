package faulty

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/goccy/go-json"
	"github.com/valyala/fasthttp"
)

// said is the answer to a post.
type said struct {
	Accepted  int  `json:"accepted"`
	Duplicate bool `json:"duplicate"`
}

func (s *Server) post(ctx *fasthttp.RequestCtx) {
	flows, err := decode(ctx)
	if err != nil {
		ctx.Error(err.Error(), fasthttp.StatusBadRequest)
		return
	}
	s.mu.Lock()
	post, answer, duplicate, err := s.commit(ctx, flows)
	s.mu.Unlock()
	switch {
	case err != nil:
		ctx.Error(err.Error(), fasthttp.StatusInternalServerError)
		return
	case answer.status != fasthttp.StatusOK:
		ctx.SetStatusCode(answer.status)
		ctx.SetContentType(answer.contentType)
		ctx.SetBody(answer.body)
		return
	}
	accepted, status := len(flows), fasthttp.StatusOK
	if s.faults.Accepted != nil {
		accepted = s.faults.Accepted(post, accepted)
	}
	if s.faults.Answer != nil {
		status = s.faults.Answer(post)
	}
	switch status {
	case 0:
		ctx.Conn().Close()
	case fasthttp.StatusOK:
		write(ctx, said{accepted, duplicate && !s.faults.SaysNew || !duplicate && s.faults.SaysRepeated})
	default:
		ctx.SetStatusCode(status)
		ctx.SetContentType("application/problem+json")
		ctx.SetBodyString(`{"title":"Refused","status":` + strconv.Itoa(status) + `,"detail":"as the test wants"}`)
	}
}

// commit passes a post on, with what its faults make of its flows. Posts come one after the other.
func (s *Server) commit(ctx *fasthttp.RequestCtx, flows []Row) (post int, answer reply, duplicate bool, err error) {
	s.posts++
	header, name := s.headerOf(ctx)
	answer.status = http.StatusOK
	if s.lost[name] {
		return s.posts, answer, true, nil
	}
	stored := flows
	if known := name != "" && s.names[name]; !known && s.faults.Store != nil {
		stored = s.faults.Store(s.posts, flows)
	}
	if name != "" {
		s.names[name] = true
	}
	if len(stored) == 0 {
		s.lost[name] = name != ""
		return s.posts, answer, false, nil
	}
	r := request{http.MethodPost, "/flows", header, encode(stored)}
	if s.answerFirst > 0 {
		s.waiting = append(s.waiting, r)
		return s.posts, answer, false, s.passOn(s.answerFirst)
	}
	if answer, err = s.ask(r); err != nil || answer.status != http.StatusOK {
		return s.posts, answer, false, err
	}
	var was said
	err = json.Unmarshal(answer.body, &was)
	if err == nil && was.Accepted != len(stored) {
		err = fmt.Errorf("the real server accepted %d flows of %d", was.Accepted, len(stored))
	}
	return s.posts, answer, was.Duplicate, err
}

// headerOf returns the header of a post for the real server, and the name of the batch, empty for one that has none.
func (s *Server) headerOf(ctx *fasthttp.RequestCtx) (header http.Header, name string) {
	header = http.Header{"Content-Type": {"application/json"}}
	if s.faults.Forgets {
		return header, ""
	}
	for _, field := range []string{"Idempotency-Key", "Flowd-Agent", "Flowd-Seq"} {
		value := string(ctx.Request.Header.Peek(field))
		if value == "" {
			continue
		}
		name += field + " " + value + " "
		if field != "Flowd-Seq" {
			value += s.suffix
		}
		header.Set(field, value)
	}
	return header, name
}

func decode(ctx *fasthttp.RequestCtx) ([]Row, error) {
	body, err := ctx.Request.BodyUncompressed()
	if err != nil {
		return nil, err
	}
	var flows []Row
	if string(ctx.Request.Header.ContentType()) == "application/json" {
		err := json.Unmarshal(body, &flows)
		return flows, err
	}
	for line := range bytes.Lines(body) {
		var f Row
		if err := json.Unmarshal(line, &f); err != nil {
			return nil, err
		}
		flows = append(flows, f)
	}
	return flows, nil
}

// encode returns flows as a body. Rows are text and numbers, so nothing can go wrong.
func encode(flows []Row) []byte {
	body, _ := json.Marshal(flows)
	return body
}

// Add counts flows as if they had been posted.
func (s *Server) Add(flows ...Row) {
	r, err := s.ask(request{http.MethodPost, "/flows", http.Header{"Content-Type": {"application/json"}}, encode(flows)})
	if err == nil && r.status != http.StatusOK {
		err = fmt.Errorf("flows of a test: %s", r.body)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = errors.Join(s.failed, err)
}
