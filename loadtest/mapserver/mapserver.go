// Package mapserver is the contract's writes, reads and account over a plain map, for the tests
// of what talks to a server: slow, without limits, and wrong on purpose where a test says so. A
// check of totals that never met a wrong server has not been tested.
//
// There are two of it: Start serves from this process, and Main is a process of its own that keeps
// its batches in a file, and can be killed.
package mapserver

import (
	"io"
	"log"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// Row is a flow as it comes in, and a line of an answer.
type Row struct {
	SrcApp  string `json:"src_app"`
	DestApp string `json:"dest_app"`
	VPCID   string `json:"vpc_id"`
	BytesTx uint64 `json:"bytes_tx"`
	BytesRx uint64 `json:"bytes_rx"`
	Hour    uint32 `json:"hour"`
}

// Faults is what the server does wrong. Posts are counted from 1.
type Faults struct {
	// Store returns what is stored of the flows of a post; nil stores them as they are.
	Store func(post int, flows []Row) []Row
	// Answer returns the status of the answer to a post, 0 for closing the connection without
	// one; nil answers 200. What was stored is stored whatever it says.
	Answer func(post int) int
	// Accepted returns the number of flows that the answer names; nil tells the truth.
	Accepted func(post, flows int) int
	// List returns the rows of an answer; nil returns them as they are.
	List func(rows []Row) []Row
	// Ledger changes the account as it is answered; nil leaves it as it is.
	Ledger func(*Ledger)
	// NoLedger is a server that keeps no account.
	NoLedger bool
	// SaysNew answers a repeated batch as if it were new, although it does not count again.
	SaysNew bool
	// SaysRepeated answers a new batch as if it were repeated, although it counts.
	SaysRepeated bool
	// Forgets takes a repeated batch for a new one.
	Forgets bool
}

// Server is a running server.
type Server struct {
	// URL is its address.
	URL    string
	faults Faults
	server fasthttp.Server
	served sync.WaitGroup

	mu      sync.Mutex
	posts   int
	table   table
	names   map[string]bool
	journal *journal // nil keeps all in memory
	ready   bool
}

// Start serves on a free port of the loopback until Close.
func Start(faults Faults) (*Server, error) {
	s := newServer(faults)
	s.ready = true
	return s, s.listen("127.0.0.1:0")
}

func newServer(faults Faults) *Server {
	s := &Server{faults: faults, names: make(map[string]bool), table: table{hours: make(map[uint32]*hour)}}
	s.server = fasthttp.Server{
		Handler: s.handle, MaxRequestBodySize: 64 << 20, CloseOnShutdown: true,
		// Connections closed without an answer are on purpose here.
		Logger: log.New(io.Discard, "", 0),
		// A goroutine of the server's outlives it by this time, and would count as left behind.
		MaxIdleWorkerDuration: 10 * time.Millisecond,
	}
	return s
}

func (s *Server) listen(addr string) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	s.URL = "http://" + listener.Addr().String()
	// Serve ends without an error when Close shuts it down, and a client sees any other end.
	s.served.Go(func() { _ = s.server.Serve(listener) })
	return nil
}

// Close ends the server and waits for its goroutines.
func (s *Server) Close() error {
	err := s.server.Shutdown()
	s.served.Wait()
	return err
}

// Posts returns how many posts came.
func (s *Server) Posts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.posts
}

// Add counts flows as if they had been posted.
func (s *Server) Add(flows ...Row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table.received.add(amountOf(flows))
	s.table.add(flows)
}

// Expire lets an hour go, as retention does; by the ledger or, if it is a fault, silently.
func (s *Server) Expire(hour uint32, silently bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.table.expired
	s.table.expire(hour)
	if silently {
		s.table.expired = before
	}
}

func (s *Server) post(ctx *fasthttp.RequestCtx) {
	flows, err := decode(ctx)
	if err != nil {
		ctx.Error(err.Error(), fasthttp.StatusBadRequest)
		return
	}
	accepted := len(flows)
	post, duplicate, err := s.commit(nameOf(&ctx.Request.Header), flows)
	if err != nil {
		ctx.Error(err.Error(), fasthttp.StatusInternalServerError)
		return
	}
	if s.faults.Accepted != nil {
		accepted = s.faults.Accepted(post, accepted)
	}
	status := fasthttp.StatusOK
	if s.faults.Answer != nil {
		status = s.faults.Answer(post)
	}
	switch status {
	case 0:
		ctx.Conn().Close()
	case fasthttp.StatusOK:
		ctx.SetContentType("application/json")
		ctx.SetBodyString(`{"accepted":` + strconv.Itoa(accepted) + `,"duplicate":` + strconv.FormatBool(duplicate) + `}`)
	default:
		ctx.SetStatusCode(status)
		ctx.SetContentType("application/problem+json")
		ctx.SetBodyString(`{"title":"Refused","status":` + strconv.Itoa(status) + `,"detail":"as the test wants"}`)
	}
}

// nameOf returns the name of a batch, empty for one that has none.
func nameOf(h *fasthttp.RequestHeader) string {
	if key := h.Peek("Idempotency-Key"); len(key) > 0 {
		return "key " + string(key)
	}
	if agent := h.Peek("Flowd-Agent"); len(agent) > 0 {
		return "agent " + string(agent) + " " + string(h.Peek("Flowd-Seq"))
	}
	return ""
}

// commit counts a batch, unless one of its name counts already.
func (s *Server) commit(name string, flows []Row) (post int, duplicate bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posts++
	if name != "" && s.names[name] && !s.faults.Forgets {
		s.table.received.add(amountOf(flows))
		s.table.duplicate.add(amountOf(flows))
		return s.posts, !s.faults.SaysNew, nil
	}
	if s.faults.Store != nil {
		flows = s.faults.Store(s.posts, flows)
	}
	if s.journal != nil {
		if err := s.journal.append(&record{name, flows}); err != nil {
			return s.posts, false, err
		}
	}
	s.count(&record{name, flows})
	return s.posts, s.faults.SaysRepeated, nil
}

// count counts a batch that is in the journal.
func (s *Server) count(r *record) {
	if r.Name != "" {
		s.names[r.Name] = true
	}
	s.table.received.add(amountOf(r.Flows))
	s.table.add(r.Flows)
}

// FirstHour returns the lowest hour that there is; there must be one.
func (s *Server) FirstHour() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.table.sorted()[0]
}
