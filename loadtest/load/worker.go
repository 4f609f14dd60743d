package load

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/goccy/go-json"

	"flowd/flow"
	"flowd/loadtest"
)

// worker sends the requests of one connection.
type worker struct {
	*load
	rec   *recorder
	conn  *loadtest.Conn
	sleep func(time.Duration)
	free  func()

	post *loadtest.Packer
	get  []byte
	// head and body are the request itself: those of post, or get and nil.
	head, body []byte
}

const (
	// lateAfter is from when on a request counts as late: more than the clock's own error.
	lateAfter = time.Millisecond
	// napLimit is the longest sleep that the end of the context does not end.
	napLimit = 50 * time.Millisecond
	// pauseAfterRefusal keeps a server that is gone from being dialed in a busy loop.
	pauseAfterRefusal = 10 * time.Millisecond
)

func newWorker(l *load, rec *recorder) (*worker, error) {
	post, err := loadtest.NewPacker(l.target, l.gen, l.Format, l.Encoding)
	if err != nil {
		return nil, err
	}
	sleep, free, err := l.env.newSleeper()
	if err != nil {
		return nil, err
	}
	c := loadtest.NewConn(l.target, l.env.dial)
	return &worker{load: l, rec: rec, conn: c, sleep: sleep, free: free, post: post}, nil
}

func (w *worker) close() {
	w.conn.Close()
	w.free()
}

// loop takes one request after the other and sends it when it is due, or as soon as it can
// after that. Requests are taken in order by whichever connection is free, so while all are
// busy the next ones wait, and none is left out.
func (w *worker) loop(ctx context.Context) {
	end := w.start.Add(w.For)
	for time.Now().Before(end) {
		k := w.next.Add(1) - 1
		read := w.mix.IsRead(k)
		w.prepare(k, read)
		due := time.Now()
		if w.pacer.Rate > 0 {
			due = w.start.Add(w.pacer.Due(k))
			if !due.Before(end) || !w.waitUntil(ctx, due) {
				return
			}
		}
		now := time.Now()
		if ctx.Err() != nil || !now.Before(end) {
			return
		}
		res := w.exchange(due, now, read)
		w.rec.record(&res)
		if notSent := (*loadtest.NotSentError)(nil); errors.As(res.err, &notSent) {
			w.waitUntil(ctx, time.Now().Add(pauseAfterRefusal))
		}
	}
}

// prepare makes request k. It is done before the request is due, so that it takes no part in
// the latency unless the connection is behind.
func (w *worker) prepare(k uint64, read bool) {
	if read {
		hour := w.FirstHour + flow.Hour(w.moved()) + flow.Hour(k%uint64(w.Hours))
		w.get = loadtest.AppendGet(w.get[:0], w.target, "/flows?hour="+strconv.Itoa(int(hour)))
		w.head, w.body = w.get, nil
		return
	}
	w.post.Pack(k, w.moved(), loadtest.BatchName{})
	w.head, w.body = w.post.Head, w.post.Body
}

// moved returns how many times the hours have moved on by now.
func (w *worker) moved() int {
	if w.HourEvery == 0 {
		return 0
	}
	return min(int(time.Since(w.start)/w.HourEvery), w.Moves)
}

// waitUntil returns at t, or false as soon as ctx ended.
func (w *worker) waitUntil(ctx context.Context, t time.Time) bool {
	for ctx.Err() == nil {
		left := time.Until(t)
		switch {
		case left <= 0:
			return true
		case left <= napLimit:
			w.sleep(left)
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(left - napLimit/2):
		}
	}
	return false
}

// exchange sends the request and reads the answer.
func (w *worker) exchange(due, now time.Time, read bool) result {
	res := result{read: read, late: w.pacer.Rate > 0 && now.Sub(due) > lateAfter}
	a, err := w.conn.RoundTrip(w.head, w.body, now.Add(w.Timeout))
	var detail []byte
	if err == nil {
		res.status = a.Status
		if !read || a.Status != http.StatusOK {
			detail = w.conn.Beginning()
		}
		res.bytes, err = w.conn.Finish()
	}
	res.latency, res.err = time.Since(due), err
	if res.status != http.StatusOK {
		res.detail = detail
	}
	if !read {
		res.flows, res.bytes = len(w.post.Samples), int64(len(w.body))
		w.enter(&res, detail)
	}
	return res
}

// enter enters the batch that was just sent into the account. A 4xx and a 503 say that the
// batch was not accepted. Without an answer, and with any other, it is not known.
func (w *worker) enter(res *result, answer []byte) {
	var notSent *loadtest.NotSentError
	switch {
	case res.err == nil && res.status == http.StatusOK:
		if !acceptedAll(answer, len(w.post.Samples)) {
			w.miscounted.Add(1)
		}
		if w.account != nil {
			w.account.Stored(w.post.Samples)
		}
	case res.err == nil && (res.status/100 == 4 || res.status == http.StatusServiceUnavailable), errors.As(res.err, &notSent):
	default:
		w.unanswered.Add(1)
		if w.account != nil {
			w.account.Unknown(w.post.Samples)
		}
	}
}

// acceptedAll tells whether an answer, where it names a number of accepted flows, names flows.
func acceptedAll(answer []byte, flows int) bool {
	// The usual answer is compared as it stands; to decode each would cost more than the rest
	// of a small request.
	const usual = `{"accepted":`
	if n := len(usual); len(answer) > n && string(answer[:n]) == usual {
		var digits [20]byte
		want := strconv.AppendInt(digits[:0], int64(flows), 10)
		rest := answer[n:]
		if len(rest) > len(want) && string(rest[:len(want)]) == string(want) && (rest[len(want)] == ',' || rest[len(want)] == '}') {
			return true
		}
	}
	var said struct {
		Accepted *int `json:"accepted"`
	}
	return json.Unmarshal(answer, &said) != nil || said.Accepted == nil || *said.Accepted == flows
}
