package loadtest

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// recorder keeps what came of the requests of some connections. A run has one for each
// processor, not one for each connection, so that its memory does not grow with those.
type recorder struct {
	mu     sync.Mutex
	writes tally
	reads  tally
	late   uint64
}

// tally is what came of the writes, or of the reads.
type tally struct {
	latency  *hdrhistogram.Histogram // in microseconds, of requests answered with 200
	ok       uint64                  // requests answered with 200
	flows    uint64                  // flows in them
	bytes    uint64                  // bytes of body that those carried
	statuses map[int]*outcome        // by status of the answer
	failures map[string]*outcome     // requests without an answer, by kind
}

// outcome counts one way in which requests ended, with the first text that came with it.
type outcome struct {
	count   uint64
	example string
}

// Latencies are kept from a microsecond to a day, with three digits.
const (
	latencyUnit   = time.Microsecond
	latencyMax    = int64(24 * time.Hour / latencyUnit)
	latencyDigits = 3
)

func newTally() tally {
	return tally{
		latency:  hdrhistogram.New(1, latencyMax, latencyDigits),
		statuses: make(map[int]*outcome),
		failures: make(map[string]*outcome),
	}
}

func newRecorder() *recorder { return &recorder{writes: newTally(), reads: newTally()} }

// result is what came of one request.
type result struct {
	read    bool
	late    bool
	latency time.Duration
	status  int    // 0 without an answer
	detail  []byte // of an answer that is not 200: the beginning of its body
	err     error  // without an answer
	flows   int
	bytes   int64
}

func (r *recorder) record(res *result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := &r.writes
	if res.read {
		t = &r.reads
	}
	if res.late {
		r.late++
	}
	if res.err != nil {
		count(t.failures, failureKind(res.err), 1, res.err.Error())
		return
	}
	if res.status != statusOK {
		count(t.statuses, res.status, 1, string(res.detail))
		return
	}
	t.ok++
	t.flows += uint64(res.flows)
	t.bytes += uint64(res.bytes)
	// The value is within the range, which is the one thing that can be wrong with it.
	_ = t.latency.RecordValue(min(max(int64(res.latency/latencyUnit), 1), latencyMax))
}

func count[K comparable](m map[K]*outcome, key K, n uint64, example string) {
	if m[key] == nil {
		m[key] = &outcome{example: example}
	}
	m[key].count += n
}

// merge adds from to t.
func (t *tally) merge(from *tally) {
	t.latency.Merge(from.latency)
	t.ok += from.ok
	t.flows += from.flows
	t.bytes += from.bytes
	for status, o := range from.statuses {
		count(t.statuses, status, o.count, o.example)
	}
	for kind, o := range from.failures {
		count(t.failures, kind, o.count, o.example)
	}
}

// requests counts all that were sent, whatever came of them.
func (t *tally) requests() uint64 { return t.ok + t.failed() }

// failed counts those that were not answered with 200.
func (t *tally) failed() uint64 {
	var n uint64
	for _, o := range t.statuses {
		n += o.count
	}
	for _, o := range t.failures {
		n += o.count
	}
	return n
}

// The kinds of failure.
const (
	failedConnect = "connect"
	failedTimeout = "timeout"
	failedClosed  = "connection closed"
	failedAnswer  = "not HTTP"
	failedOther   = "other"
)

func failureKind(err error) string {
	var notSent *notSentError
	var answer *answerError
	switch {
	case errors.As(err, &notSent):
		return failedConnect
	case errors.As(err, &answer):
		return failedAnswer
	case errors.Is(err, os.ErrDeadlineExceeded):
		return failedTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe),
		errors.Is(err, net.ErrClosed), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return failedClosed
	}
	return failedOther
}
