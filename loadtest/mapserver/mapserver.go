// Package mapserver is the write and read of the contract over a plain map, for the tests of
// what talks to a server: slow, without limits, and wrong on purpose where a test says so. A
// check of totals that never met a wrong server has not been tested.
package mapserver

import (
	"bytes"
	"io"
	"log"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/goccy/go-json"
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
}

// Server is a running server.
type Server struct {
	// URL is its address.
	URL    string
	faults Faults
	server fasthttp.Server
	served sync.WaitGroup

	mu    sync.Mutex
	posts int
	hours map[uint32]map[key]totals
}

type (
	key    struct{ src, dest, vpc string }
	totals struct{ tx, rx uint64 }
)

// Start serves on a free port of the loopback until Close.
func Start(faults Faults) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{URL: "http://" + listener.Addr().String(), faults: faults, hours: make(map[uint32]map[key]totals)}
	s.server = fasthttp.Server{
		Handler: s.handle, MaxRequestBodySize: 64 << 20, CloseOnShutdown: true,
		// Connections closed without an answer are on purpose here.
		Logger: log.New(io.Discard, "", 0),
		// A goroutine of the server's outlives it by this time, and would count as left behind.
		MaxIdleWorkerDuration: 10 * time.Millisecond,
	}
	// Serve ends without an error when Close shuts it down, and a client sees any other end.
	s.served.Go(func() { _ = s.server.Serve(listener) })
	return s, nil
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
	for _, f := range flows {
		if s.hours[f.Hour] == nil {
			s.hours[f.Hour] = make(map[key]totals)
		}
		k := key{f.SrcApp, f.DestApp, f.VPCID}
		t := s.hours[f.Hour][k]
		s.hours[f.Hour][k] = totals{t.tx + f.BytesTx, t.rx + f.BytesRx}
	}
}

func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	switch {
	case string(ctx.Path()) == "/readyz":
	case string(ctx.Path()) != "/flows":
		ctx.Error("no such path", fasthttp.StatusNotFound)
	case ctx.IsPost():
		s.post(ctx)
	default:
		s.get(ctx)
	}
}

func (s *Server) post(ctx *fasthttp.RequestCtx) {
	flows, err := decode(ctx)
	if err != nil {
		ctx.Error(err.Error(), fasthttp.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.posts++
	post := s.posts
	s.mu.Unlock()
	accepted := len(flows)
	if s.faults.Store != nil {
		flows = s.faults.Store(post, flows)
	}
	s.Add(flows...)
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
		ctx.SetBodyString(`{"accepted":` + strconv.Itoa(accepted) + `,"duplicate":false}`)
	default:
		ctx.SetStatusCode(status)
		ctx.SetContentType("application/problem+json")
		ctx.SetBodyString(`{"title":"Refused","status":` + strconv.Itoa(status) + `,"detail":"as the test wants"}`)
	}
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

func (s *Server) get(ctx *fasthttp.RequestCtx) {
	hour, err := ctx.QueryArgs().GetUint("hour")
	if err != nil {
		ctx.Error(err.Error(), fasthttp.StatusBadRequest)
		return
	}
	rows := []Row{}
	s.mu.Lock()
	for k, t := range s.hours[uint32(hour)] {
		rows = append(rows, Row{k.src, k.dest, k.vpc, t.tx, t.rx, uint32(hour)})
	}
	s.mu.Unlock()
	if s.faults.List != nil {
		rows = s.faults.List(rows)
	}
	body, err := json.Marshal(rows)
	if err != nil {
		ctx.Error(err.Error(), fasthttp.StatusInternalServerError)
		return
	}
	ctx.SetContentType("application/json")
	ctx.SetBody(body)
}
