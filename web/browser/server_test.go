package browser

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/VictoriaMetrics/metrics"
	"github.com/goccy/go-json"

	"flowd/access"
	"flowd/flow"
	"flowd/httpapi"
	"flowd/local"
)

// server is flowd in this process, on a real socket, with the page. It forgets all at its end.
type server struct {
	t       *testing.T
	engine  *engine
	page    *httpapi.Page
	gate    *access.Gate
	token   string // what post and get show, if anything
	address string // stays the same when it is stopped and started
	front   string // what stands before it, if anything does: the address that is opened
	http    *httpapi.Server
	served  chan error
}

// engine is one that can be made to say that it is not ready.
type engine struct {
	*local.Engine
	status atomic.Pointer[flow.Status] // nil for its own
}

func (e *engine) Room() int64 { return math.MaxInt64 }

func (e *engine) Status() flow.Status {
	if s := e.status.Load(); s != nil {
		return *s
	}
	return e.Engine.Status()
}

// start starts a server with these files as its page.
func start(t *testing.T, page fs.FS) *server {
	t.Helper()
	s := &server{t: t, gate: access.NewGate(access.Options{}), address: "127.0.0.1:0"}
	var err error
	if s.page, err = httpapi.NewPage(page); err != nil {
		t.Fatal(err)
	}
	s.engine = &engine{}
	if s.engine.Engine, err = local.New(local.DefaultOptions()); err != nil {
		t.Fatal(err)
	}
	if err := s.engine.Open(); err != nil {
		t.Fatal(err)
	}
	s.listen()
	t.Cleanup(func() {
		s.stop()
		if err := s.engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// listen begins to serve, again after stop.
func (s *server) listen() {
	s.t.Helper()
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.served == nil { // the first time; tabs read the address from then on
		s.address = listener.Addr().String()
	}
	s.http = httpapi.New(httpapi.Options{
		Engine: s.engine, Limits: httpapi.DefaultLimits(), Gate: s.gate, Logger: slog.New(slog.DiscardHandler),
		Metrics: metrics.NewSet(), Version: httpapi.Version{Version: "1.2.3"}, Durability: "none", Page: s.page,
	})
	s.served = make(chan error, 1)
	go func(h *httpapi.Server, served chan<- error) { served <- h.Serve(listener) }(s.http, s.served)
}

// stop cuts all connections, and takes none any more.
func (s *server) stop() {
	if s.http == nil {
		return
	}
	now, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.http.Shutdown(now) // what is under way is cut, which is the error that it returns
	<-s.served
	s.http = nil
}

func (s *server) url(target string) string {
	if s.front != "" {
		return s.front + target
	}
	return "http://" + s.address + target
}

// row is a flow as it is posted.
type row struct {
	Source  string `json:"src_app"`
	Dest    string `json:"dest_app"`
	VPC     string `json:"vpc_id"`
	BytesTx uint64 `json:"bytes_tx"`
	BytesRx uint64 `json:"bytes_rx"`
	Hour    int    `json:"hour"`
}

// post posts flows, as many in a batch as the server takes.
func (s *server) post(rows ...row) {
	s.t.Helper()
	most := min(httpapi.DefaultLimits().Flows, 20_000)
	for len(rows) > 0 {
		n := min(most, len(rows))
		body, err := json.Marshal(rows[:n])
		if err != nil {
			s.t.Fatal(err)
		}
		s.do("POST", "/flows", bytes.NewReader(body))
		rows = rows[n:]
	}
}

// get returns the body of what the server answers, which must be a 200.
func (s *server) get(target string) string {
	s.t.Helper()
	return s.do("GET", target, nil)
}

// do asks the server itself, whatever stands before it.
func (s *server) do(method, target string, body io.Reader) string {
	s.t.Helper()
	request, err := http.NewRequest(method, "http://"+s.address+target, body)
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if s.token != "" {
		request.Header.Set("Authorization", "Bearer "+s.token)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		s.t.Fatalf("%s %s: %d %s, %v", method, target, answer.StatusCode, text, err)
	}
	return string(text)
}
