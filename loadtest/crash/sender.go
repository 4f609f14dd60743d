package crash

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"flowd/loadtest"

	"github.com/goccy/go-json"
)

// maxComplaints is how many wrong answers a report lists.
const maxComplaints = 20

// result is the outcome of one request.
type result struct {
	status int    // 0 without an answer
	detail []byte // the beginning of the answer's body
	err    error  // without an answer
}

// sender is one connection of an agent.
type sender struct {
	*testRun
	*loadtest.Packer
	conn *loadtest.Conn
}

const (
	// resendPause is how long an agent waits before it sends a batch again that was refused, by the
	// server or for want of one.
	resendPause = 5 * time.Millisecond
)

func newSender(r *testRun) (*sender, error) {
	p, err := loadtest.NewPacker(r.server.target, r.gen, r.Format, r.Encoding)
	if err != nil {
		return nil, err
	}
	return &sender{testRun: r, Packer: p, conn: loadtest.NewConn(r.server.target, loadtest.DialTCP)}, nil
}

// deliver sends a batch blindly again and again until it is answered with 200, and reports whether
// it was. It is not if the server refuses it for good, or ctx ends.
func (s *sender) deliver(ctx context.Context, b *batch) bool {
	s.Pack(b.k, b.moves, b.name)
	for tries := 0; ctx.Err() == nil; tries++ {
		if tries > 0 {
			s.retries.Add(1)
		}
		settled := b.answered()
		res := s.post()
		s.record(&res)
		notSent := (*loadtest.NotSentError)(nil)
		switch {
		case res.err == nil && res.status == http.StatusOK:
			s.take(b, res.detail, settled, tries)
			return true
		case errors.As(res.err, &notSent), res.err == nil && (res.status == http.StatusTooManyRequests || res.status == http.StatusServiceUnavailable):
			loadtest.Pause(ctx, resendPause)
		case res.err == nil && res.status < 500:
			s.complain("%v was refused with status %d: %s", b, res.status, res.detail)
			return false
		default:
			b.doubt()
			loadtest.Pause(ctx, resendPause)
		}
	}
	return false
}

// post sends what is packed once.
func (s *sender) post() (res result) {
	a, err := s.conn.RoundTrip(s.Head, s.Body, time.Now().Add(s.Timeout))
	if err == nil {
		res.status = a.Status
		res.detail = append(res.detail, s.conn.Beginning()...)
		_, err = s.conn.Finish()
	}
	res.err = err
	return res
}

// record counts a request that was not answered with 200.
func (r *testRun) record(res *result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case res.err != nil:
		r.errors.AddFailure(res.err)
	case res.status != http.StatusOK:
		r.errors.AddStatus(res.status, res.detail)
	}
}

// take enters an answer with 200, and reports what is wrong with it.
func (s *sender) take(b *batch, text []byte, settled bool, tries int) {
	var said struct {
		Accepted  *int  `json:"accepted"`
		Duplicate *bool `json:"duplicate"`
	}
	err := json.Unmarshal(text, &said)
	if err != nil || said.Accepted == nil || said.Duplicate == nil {
		s.complain("%v was answered with 200 and %q, which does not say whether it is a duplicate", b, text)
		said.Duplicate = new(bool)
	} else if *said.Accepted != len(s.Samples) {
		s.miscounted.Add(1)
	}
	if *said.Duplicate && tries > 0 && !settled {
		s.rescued.Add(1)
	}
	if wrong := b.take(*said.Duplicate, settled); wrong != "" {
		s.complain("%s", wrong)
	}
}

// complain lists an answer that cannot be right, if it is one of the first.
func (r *testRun) complain(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.complaintCount++
	if len(r.complaints) < maxComplaints {
		r.complaints = append(r.complaints, loadtest.OneLine(fmt.Sprintf(format, args...)))
	}
}
