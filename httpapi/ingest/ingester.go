package ingest

import (
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"flowd/flow"
	"flowd/httpapi/conn"
	"flowd/httpapi/reject"
	"flowd/httpapi/reservation"
	"flowd/limit"
)

// Engine is what a batch needs of the engine. Errors of Append are those of package flow, or a
// *flow.UnavailableError, which is told to the client as it is.
type Engine interface {
	// Acquire returns an empty batch from the pool, and waits up to wait for one to come free; nil if none did.
	Acquire(wait time.Duration) *flow.Batch
	// Release returns a batch to the pool that will not be appended.
	Release(b *flow.Batch)
	// Append hands b over for good, also when it returns an error.
	Append(b *flow.Batch, o flow.Origin) (flow.Receipt, error)
	// Room returns how many bytes of memory are left for batches.
	Room() int64
	// Status returns whether the engine can take batches.
	Status() flow.Status
}

// Limits bound what batches can make the server hold or wait for. All must be positive, but QueueWait,
// which may be 0.
type Limits struct {
	// BodyBytes is the largest body as it was sent, DecodedBytes the largest once it is decompressed.
	BodyBytes, DecodedBytes int
	// InflightBytes is the most memory for bodies, as sent and decompressed, over all requests at once.
	InflightBytes int64
	// Slots is the number of batches that requests can hold at once. Where they become scarce each client gets its share.
	Slots int
	// Current is what may change while the server runs.
	Current Current
}

// Current are the limits that may change while the server runs.
type Current struct {
	// Flows is the most flows of one batch.
	Flows int
	// QueueWait is how long a batch may wait for its turn.
	QueueWait time.Duration
}

// Options are what an ingester is made of. All are required.
type Options struct {
	Limits
	Engine  Engine
	Buckets *limit.Buckets // the rates of clients
	Conns   *conn.Set
	Rejects *reject.Counters
	Metrics *metrics.Set // the metrics of batches are registered in it
	// Durability is what a 200 promises: the value of the header Flowd-Durability.
	Durability string
}

// Ingester takes batches. Its methods may be called by many goroutines at once.
type Ingester struct {
	options    Options
	current    atomic.Pointer[Current]
	shares     *limit.Shares
	drain      limit.Drain
	bodies     reservation.Memory
	durability []byte

	flows        *metrics.Counter // accepted
	duplicates   *metrics.Counter // flows of batches that counted already
	batches      [outcomes]*metrics.Counter
	bodyBytes    *metrics.Counter
	decodedBytes *metrics.Counter

	limitedFlows, limitedBytes *metrics.Counter // requests that were rejected for a rate
}

// New returns an ingester, and registers its metrics.
func New(o Options) *Ingester {
	set := o.Metrics
	s := &Ingester{
		options:    o,
		shares:     limit.NewShares(o.Slots),
		bodies:     reservation.Memory{Limit: o.InflightBytes, Room: o.Engine.Room},
		durability: []byte(o.Durability),

		flows:        set.NewCounter(`flowd_flows_received_total{outcome="accepted"}`),
		duplicates:   set.NewCounter(`flowd_flows_received_total{outcome="duplicate"}`),
		bodyBytes:    set.NewCounter(`flowd_http_request_body_bytes_total`),
		decodedBytes: set.NewCounter(`flowd_http_request_decompressed_bytes_total`),

		limitedFlows: set.NewCounter(`flowd_rate_limited_total{what="flows"}`),
		limitedBytes: set.NewCounter(`flowd_rate_limited_total{what="bytes"}`),
	}
	s.current.Store(&o.Current)
	for o, name := range outcomeNames {
		s.batches[o] = set.NewCounter(`flowd_batches_total{outcome="` + name + `"}`)
	}
	set.NewGauge(`flowd_queue_waiting`, func() float64 { return float64(s.shares.Waiting()) })
	set.NewGauge(`flowd_http_inflight_body_bytes`, func() float64 { return float64(s.bodies.Held()) })
	return s
}

// SetCurrent changes the limits that may change while the server runs. A request under way may still see the old.
func (s *Ingester) SetCurrent(l Current) { s.current.Store(&l) }

// Rejected counts a batch whose client was rejected before its body was read.
func (s *Ingester) Rejected(p *reject.Problem) { s.batches[outcomeOf(p)].Inc() }
