// Package faulty puts a server that goes wrong on purpose in front of a real one, for tests of the programs that talk to a
// server: it loses flows, doubles them, and answers what is not so. A check of totals that never met a wrong server has
// not been tested.
//
// It runs in two ways: Start serves from this process, and Main is a process of its own that keeps its batches in a
// folder, and can be killed.
package faulty

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/goccy/go-json"
	"github.com/valyala/fasthttp"

	"flowd/httpapi"
	"flowd/local"
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
	front  fasthttp.Server
	served sync.WaitGroup

	// The real server.
	engine *local.Engine
	back   *httpapi.Server
	client http.Client
	inner  string // its address

	// answerFirst is how many posts are answered before they are passed on; a kill loses them.
	answerFirst int
	// suffix is added to the names of batches, and forgotten are expired flows that the ledger does not have.
	suffix    string
	forgotten amount

	mu      sync.Mutex
	posts   int
	names   map[string]bool // of the batches that came
	lost    map[string]bool // of those of them that were not passed on
	waiting []request
	gone    map[uint32]*hour // what Expire let go
	expired amount           // of that, by the ledger
	failed  error            // what a test asked for and could not get
}

// request is one to the real server.
type request struct {
	method, path string
	header       http.Header
	body         []byte
}

// reply is an answer of the real server.
type reply struct {
	status      int
	contentType string
	body        []byte
}

// Start serves on a free port of the loopback until Close.
func Start(faults Faults) (*Server, error) {
	s := &Server{faults: faults}
	return s, s.start("127.0.0.1:0", local.DefaultOptions())
}

// start opens the real server, and serves in front of it.
func (s *Server) start(addr string, o local.Options) error {
	s.names, s.lost, s.gone = make(map[string]bool), make(map[string]bool), make(map[uint32]*hour)
	var err error
	if s.engine, err = local.New(o); err == nil {
		err = s.engine.Open()
	}
	if err != nil {
		return err
	}
	s.back = httpapi.New(httpapi.Options{
		Engine: s.engine, Limits: httpapi.DefaultLimits(), Logger: slog.New(slog.DiscardHandler), Metrics: metrics.NewSet(), Durability: "none",
	})
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.inner, s.client.Transport = "http://"+inner.Addr().String(), &http.Transport{MaxIdleConnsPerHost: 100}
	// Serve ends when Close shuts it down, and a client sees any other end.
	s.served.Go(func() { _ = s.back.Serve(inner) })
	if s.forgotten != (amount{}) {
		l, err := s.ledger()
		if err != nil {
			return err
		}
		s.forgotten = l.Expired
	}
	s.front = fasthttp.Server{
		Handler: s.handle, MaxRequestBodySize: 64 << 20, CloseOnShutdown: true,
		// Connections closed without an answer are on purpose here.
		Logger: log.New(io.Discard, "", 0),
		// A goroutine of the server's outlives it by this time, and would count as left behind.
		MaxIdleWorkerDuration: 10 * time.Millisecond,
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	s.URL = "http://" + listener.Addr().String()
	s.served.Go(func() { _ = s.front.Serve(listener) })
	return nil
}

// Close ends both servers and waits for their goroutines.
func (s *Server) Close() error {
	err := errors.Join(s.front.Shutdown(), s.failed, s.passOn(0))
	s.client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err = errors.Join(err, s.back.Shutdown(ctx))
	s.served.Wait()
	return errors.Join(err, s.engine.Close())
}

// Posts returns how many posts came.
func (s *Server) Posts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.posts
}

// ask sends the real server a request.
func (s *Server) ask(r request) (reply, error) {
	q, err := http.NewRequest(r.method, s.inner+r.path, strings.NewReader(string(r.body)))
	if err != nil {
		return reply{}, err
	}
	if r.header != nil {
		q.Header = r.header
	}
	answer, err := s.client.Do(q)
	if err != nil {
		return reply{}, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return reply{answer.StatusCode, answer.Header.Get("Content-Type"), body}, err
}

// read asks for a path and decodes the answer.
func (s *Server) read(path string, to any) error {
	r, err := s.ask(request{method: http.MethodGet, path: path})
	if err == nil && r.status != http.StatusOK {
		err = errors.New(string(r.body))
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(r.body, to)
}

// passOn passes on the requests that wait, but for the last ones of them.
func (s *Server) passOn(leave int) error {
	for ; len(s.waiting) > leave; s.waiting = s.waiting[1:] {
		if _, err := s.ask(s.waiting[0]); err != nil {
			return err
		}
	}
	return nil
}
