// Package httpapi serves flowd over HTTP: it has the routes, what wraps them, and one file for each question. The parts
// that it is made of are packages of their own below it: connections, ingest, parameters, answers and the admin server.
// Everything that a client can make it hold or wait for is bounded, and every rejected request is answered with a problem
// of RFC 9457 that says what to do.
package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"

	"flowd/access"
	"flowd/flow"
	"flowd/httpapi/answer"
	"flowd/httpapi/conn"
	"flowd/httpapi/ingest"
	"flowd/httpapi/reject"
	"flowd/httpapi/reservation"
	"flowd/limit"
	"flowd/logs"
	"flowd/query"
)

// Engine keeps the totals. Its methods may be called by many goroutines at once. An error that
// is a *flow.UnavailableError is told to the client as it is, with 503; those of package flow have
// answers of their own; any other is a fault of the server, whose text is for the log alone.
type Engine interface {
	// Acquire returns an empty batch from the pool, and waits up to wait for one to come free; nil if none did.
	Acquire(wait time.Duration) *flow.Batch
	// Release returns a batch to the pool that will not be appended.
	Release(b *flow.Batch)
	// Append hands b over for good, also when it returns an error. When it returns without one, b
	// counts, once, as durably as the engine promises, and what is read from then on counts its
	// flows. o names b, so that it counts once however often it is sent. An error but
	// flow.ErrInDoubt says that nothing of b counts.
	Append(b *flow.Batch, o flow.Origin) (flow.Receipt, error)
	// Source is where questions are answered. To read holds nothing else up.
	query.Source
	// Version returns a number that changes whenever the rows of an hour do, and is not used again,
	// after a restart either.
	Version(h flow.Hour) (uint64, error)
	// Hours returns what hours there are, in ascending order.
	Hours() ([]flow.HourTotals, error)
	// ExpiredBefore tells whether of the hours from from up to, not including, to, one had expired
	// before the flows came that it has now, so that it is not whole.
	ExpiredBefore(from, to flow.Hour) bool
	// Ledger returns the account of all flows as of now.
	Ledger() (flow.Ledger, error)
	// Room returns how many bytes of memory are left for batches; at 0 and below none should be taken. It is
	// asked several times for every batch, so it must cost next to nothing.
	Room() int64
	// Status returns whether the engine can do its work. It is asked for every request, so it
	// must cost next to nothing, and holds when the engine does nothing else yet.
	Status() flow.Status
}

// Options are what a server is made of. All but TLS, Gate, Lines and Page are required.
type Options struct {
	Engine Engine
	Limits Limits
	// TLS secures connections; without it they are in clear.
	TLS *conn.TLS
	// Gate knows what each client may do; without one every client may do everything.
	Gate   *access.Gate
	Logger *slog.Logger
	// Lines bounds the lines that requests and connections cause; without one they are bounded apart
	// from those of others, and go to Logger.
	Lines   *logs.Limiter
	Metrics *metrics.Set // the server's metrics are registered in it; it is what /metrics shows
	Version Version
	// Durability is what a 200 of POST /flows promises: the value of the header
	// Flowd-Durability.
	Durability string
	// Page is what browsers get at /; without one there is nothing at that path.
	Page *Page
}

// Server serves the HTTP API.
type Server struct {
	engine  Engine
	limits  Limits                 // as they were at the start
	current atomic.Pointer[Limits] // as they are now
	gate    *access.Gate
	buckets *limit.Buckets
	lines   *logs.Limiter
	metrics *counters
	page    *Page
	http    *fasthttp.Server

	versionText []byte

	rejects  *reject.Counters
	clients  reservation.Clients
	conns    *conn.Set
	answers  *answer.Sender
	ingest   *ingest.Ingester
	draining atomic.Bool

	mu        sync.Mutex // held by Shutdown, and by Serve as it begins and ends
	stopped   bool
	listeners []*conn.Listener
}

// cutTime is how long a request may go on after its connection was cut: time to decode a batch
// and to hand it over.
const cutTime = 5 * time.Second

// New returns a server that serves nothing yet.
func New(o Options) *Server {
	s := &Server{
		engine:      o.Engine,
		limits:      o.Limits,
		gate:        o.Gate,
		buckets:     limit.NewBuckets(o.Limits.Rates, o.Limits.RateClients),
		lines:       o.Lines,
		page:        o.Page,
		versionText: versionText(o.Version),
	}
	s.current.Store(&o.Limits)
	if s.lines == nil {
		s.lines = logs.New(o.Logger)
	}
	if s.gate == nil {
		s.gate = access.NewGate(access.Options{})
	}
	s.rejects = reject.NewCounters(o.Metrics, accessWords()...)
	s.assemble(&o)
	s.metrics = newCounters(o.Metrics, s, o.Version)
	s.http = &fasthttp.Server{
		Handler:       s.recovering(conn.Checking(s.measuring(s.logging(s.newRouter().Handler)), s.protocolError)),
		ErrorHandler:  s.protocolError,
		ExpectHandler: s.expectation,
		ConnState:     s.conns.Follow,
		Logger:        transportLog{s.lines},

		// The handler reads the body, into memory that is counted. What fasthttp reads ahead of
		// it is the smaller of this size and 8 KiB, and 1 is the least it takes.
		StreamRequestBody:            true,
		MaxRequestBodySize:           1,
		DisablePreParseMultipartForm: true,

		ReadBufferSize: o.Limits.HeaderBytes,
		// The listener keeps the limit. fasthttp frees a connection's place a moment later, so
		// its own limit must not come first.
		Concurrency: 2*o.Limits.Connections + 1,

		CloseOnShutdown:       true,
		NoDefaultServerHeader: true,
		NoDefaultContentType:  true,
		SecureErrorLogMessage: true,
	}
	return s
}

// assemble makes the parts that take connections and batches, and send answers.
func (s *Server) assemble(o *Options) {
	l := &o.Limits
	s.conns = conn.NewSet(conn.Options{
		Timeouts: conn.Timeouts{Read: l.ReadTimeout, Write: l.WriteTimeout, Idle: l.IdleTimeout},
		Max:      l.Connections, PerAddress: l.ConnectionsPerAddress, HeaderBytes: l.HeaderBytes,
		TLS: o.TLS, Clients: &s.clients, Rejects: s.rejects, Lines: s.lines,
	})
	s.answers = answer.NewSender(answer.Options{
		Max: l.Queries, Rejects: s.rejects, Lines: s.lines, Metrics: o.Metrics, Panicked: s.panicked,
	})
	s.ingest = ingest.New(ingest.Options{
		Limits: ingest.Limits{
			BodyBytes: l.BodyBytes, DecodedBytes: l.DecodedBytes, InflightBytes: l.InflightBytes, Slots: l.Slots,
			Current: ingest.Current{Flows: l.Flows, QueueWait: l.QueueWait},
		},
		Engine: o.Engine, Buckets: s.buckets, Conns: s.conns, Rejects: s.rejects, Metrics: o.Metrics, Durability: o.Durability,
	})
}

// SetLimits changes those limits that may change while the server runs: Flows, Queries, Groups,
// QueueWait, ConnectionsPerAddress and Rates. The others stay as they were at the start. A request that
// is under way may still see the old ones.
func (s *Server) SetLimits(l Limits) {
	now := s.limits
	now.Flows, now.Queries, now.Groups, now.QueueWait = l.Flows, l.Queries, l.Groups, l.QueueWait
	now.ConnectionsPerAddress, now.Rates = l.ConnectionsPerAddress, l.Rates
	s.current.Store(&now)
	s.conns.SetPerAddress(now.ConnectionsPerAddress)
	s.answers.SetMax(now.Queries)
	s.ingest.SetCurrent(ingest.Current{Flows: now.Flows, QueueWait: now.QueueWait})
	s.buckets.SetRates(l.Rates)
}

// Serve serves the connections of ln, which it closes. It returns nil when Shutdown is called,
// which may still be waiting for requests then.
func (s *Server) Serve(ln net.Listener) error {
	l := s.conns.Listen(ln)
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return l.Close()
	}
	s.listeners = append(s.listeners, l)
	s.mu.Unlock()
	return s.http.Serve(l)
}

// Drain makes /readyz answer 503, so that no more requests are sent here. Those that come are
// served as before.
func (s *Server) Drain() { s.draining.Store(true) }

// Shutdown drains, stops accepting connections, and returns when the requests under way are
// answered. If ctx ends before, it cuts them off and returns ctx's error. Either way nothing
// uses the engine any more, unless the error says so. The server cannot be used again.
func (s *Server) Shutdown(ctx context.Context) error {
	defer s.lines.Flush()
	s.Drain()
	s.mu.Lock()
	s.stopped = true
	listeners := s.listeners
	s.mu.Unlock()
	for _, l := range listeners {
		_ = l.Close() // it ends Serve; an error would say that it is closed already
	}
	_ = s.http.ShutdownWithContext(ctx) // its errors are ctx's, which is looked at below
	return s.waitForConns(ctx)
}

// waitForConns waits for the end of all connections until ctx ends. Then it cuts them off, which
// ends whatever reads from or writes to one.
func (s *Server) waitForConns(ctx context.Context) error {
	none := s.conns.Empty()
	select {
	case <-none:
		return nil
	case <-ctx.Done():
	}
	s.conns.CloseAll()
	select {
	case <-none:
		return ctx.Err()
	case <-time.After(s.current.Load().QueueWait + cutTime):
		return fmt.Errorf("httpapi: %d connections are still in use: %w", s.conns.Count(), ctx.Err())
	}
}
