package load

import (
	"net/http"
	"sync"
	"time"

	"flowd/loadtest"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// recorder keeps the results of the requests of some connections. A run has one for each
// processor, not one for each connection, so that its memory does not grow with those.
type recorder struct {
	mu     sync.Mutex
	writes tally
	reads  tally
	late   uint64
}

// tally is the result of the writes, or of the reads.
type tally struct {
	latency           *hdrhistogram.Histogram // in microseconds, of requests answered with 200
	ok                uint64                  // requests answered with 200
	flows             uint64                  // flows in them
	bytes             uint64                  // bytes of body that those carried
	loadtest.Outcomes                         // of the requests that were not
}

// Latencies are kept from a microsecond to a day, with three digits.
const (
	latencyUnit   = time.Microsecond
	latencyMax    = int64(24 * time.Hour / latencyUnit)
	latencyDigits = 3
)

func newTally() tally {
	return tally{latency: hdrhistogram.New(1, latencyMax, latencyDigits)}
}

func newRecorder() *recorder { return &recorder{writes: newTally(), reads: newTally()} }

// result is the result of one request.
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
		t.AddFailure(res.err)
		return
	}
	if res.status != http.StatusOK {
		t.AddStatus(res.status, res.detail)
		return
	}
	t.ok++
	t.flows += uint64(res.flows)
	t.bytes += uint64(res.bytes)
	// The value is within the range, which is the one thing that can be wrong with it.
	_ = t.latency.RecordValue(min(max(int64(res.latency/latencyUnit), 1), latencyMax))
}

// merge adds from to t.
func (t *tally) merge(from *tally) {
	t.latency.Merge(from.latency)
	t.ok += from.ok
	t.flows += from.flows
	t.bytes += from.bytes
	t.Outcomes.Merge(&from.Outcomes)
}

// requests counts all that were sent, whatever came of them.
func (t *tally) requests() uint64 { return t.ok + t.Count() }
