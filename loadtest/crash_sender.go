package loadtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/goccy/go-json"
)

// sender is one connection of an agent.
type sender struct {
	*crashRun
	*packer
	conn *conn
}

const (
	statusTooMany     = 429
	statusUnavailable = 503
	// resendPause is how long an agent waits before it sends a batch again that was refused, by the
	// server or for want of one.
	resendPause = 5 * time.Millisecond
)

func newSender(r *crashRun) (*sender, error) {
	p, err := newPacker(r.victim.target, r.gen, r.Format, r.Encoding)
	if err != nil {
		return nil, err
	}
	return &sender{crashRun: r, packer: p, conn: newConn(r.victim.target, dialTCP)}, nil
}

// deliver sends a batch blindly again and again until it is answered with 200, and reports whether
// it was. It is not if the server refuses it for good, or ctx ends.
func (s *sender) deliver(ctx context.Context, b *parcel) bool {
	s.pack(b.k, b.moves, b.name)
	for tries := 0; ctx.Err() == nil; tries++ {
		if tries > 0 {
			s.retries.Add(1)
		}
		settled := b.answered()
		res := s.post()
		s.rec.record(&res)
		notSent := (*notSentError)(nil)
		switch {
		case res.err == nil && res.status == statusOK:
			s.take(b, res.detail, settled, tries)
			return true
		case errors.As(res.err, &notSent), res.err == nil && (res.status == statusTooMany || res.status == statusUnavailable):
			pause(ctx, resendPause)
		case res.err == nil && res.status < 500:
			s.complain("%v was refused with status %d: %s", b, res.status, res.detail)
			return false
		default:
			b.doubt()
			pause(ctx, resendPause)
		}
	}
	return false
}

// post sends what is packed once.
func (s *sender) post() result {
	began := time.Now()
	res := result{flows: len(s.samples), bytes: int64(len(s.body))}
	a, err := s.conn.roundTrip(s.head, s.body, began.Add(s.Timeout))
	if err == nil {
		res.status = a.status
		res.detail = append(res.detail, s.conn.beginning()...)
		_, err = s.conn.finish()
	}
	res.latency, res.err = time.Since(began), err
	return res
}

// take enters an answer with 200, and reports what is wrong with it.
func (s *sender) take(b *parcel, text []byte, settled bool, tries int) {
	var said struct {
		Accepted  *int  `json:"accepted"`
		Duplicate *bool `json:"duplicate"`
	}
	err := json.Unmarshal(text, &said)
	if err != nil || said.Accepted == nil || said.Duplicate == nil {
		s.complain("%v was answered with 200 and %q, which does not say whether it is a duplicate", b, text)
		said.Duplicate = new(bool)
	} else if *said.Accepted != len(s.samples) {
		s.miscounted.Add(1)
	}
	if *said.Duplicate && tries > 0 && !settled {
		s.rescued.Add(1)
	}
	if wrong := b.take(*said.Duplicate, settled); wrong != "" {
		s.complain("%s", wrong)
	}
}

// pause returns after d, or when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// complain lists an answer that cannot be right, if it is one of the first.
func (r *crashRun) complain(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.complaintCount++
	if len(r.complaints) < maxDifferences {
		r.complaints = append(r.complaints, oneLine(fmt.Sprintf(format, args...)))
	}
}
