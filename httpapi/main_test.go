package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/goccy/go-json"
	"github.com/valyala/fasthttp"
	"go.uber.org/goleak"

	"flowd/flow"
	"flowd/httpapi/conn"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// fasthttp keeps one clock for the process, and lets what tidies up its workers sleep on
		// for some seconds after a server has stopped.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

// patience is how long a test waits for what must happen, on a machine that is busy with much else too: it
// ends a test that waits in vain, and says nothing of how fast the server is.
const patience = 2 * time.Minute

// Bounds of the parts of a server, which it is held to from outside.
const (
	rejectors   = 64                   // connections that are answered while they are rejected
	rejectTime  = time.Second          // that each of them may take
	leastBuffer = 4 << 10              // bytes that the smallest body holds
	lookPause   = 5 * time.Millisecond // between two looks after a client
	mostExtra   = 16 << 10             // bytes of chunk extensions and trailers
	filesPause  = 5 * time.Second      // between two looks at the files of certificates
)

// testServer is a server on a real socket.
type testServer struct {
	*Server
	t      testing.TB
	addr   string
	log    *logBuffer
	level  *slog.LevelVar // of what is logged
	logger *slog.Logger   // writes to log
	set    *metrics.Set
	served chan error   // what Serve returned
	tls    *conn.TLS    // nil in clear
	now    atomic.Int64 // of tls in nanoseconds since the epoch, if it is not that of the machine
}

// logBuffer keeps what is logged.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// newServer returns a server over e that serves nothing yet.
func newServer(t testing.TB, e Engine, change func(*Limits)) *testServer {
	t.Helper()
	return newServerOver(t, e, change, nil)
}

// newServerOver is newServer with TLS of these files, unless they are nil.
func newServerOver(t testing.TB, e Engine, change func(*Limits), files *conn.TLSFiles) *testServer {
	t.Helper()
	limits := DefaultLimits()
	if change != nil {
		change(&limits)
	}
	ts := &testServer{t: t, log: &logBuffer{}, level: new(slog.LevelVar), set: metrics.NewSet(), served: make(chan error, 1)}
	ts.logger = slog.New(slog.NewTextHandler(ts.log, &slog.HandlerOptions{Level: ts.level}))
	var secured *conn.TLS
	if files != nil {
		var err error
		if secured, err = conn.LoadTLS(conn.TLSOptions{Files: *files, Logger: ts.logger, Metrics: ts.set, Now: ts.tlsNow}); err != nil {
			t.Fatal(err)
		}
	}
	ts.tls = secured
	ts.Server = New(Options{
		TLS:        secured,
		Engine:     e,
		Limits:     limits,
		Logger:     ts.logger,
		Metrics:    ts.set,
		Version:    Version{Version: "1.2.3", Revision: "abcdef", Go: "go1.26"},
		Durability: "none",
	})
	return ts
}

// tlsNow is the clock of the server's TLS.
func (ts *testServer) tlsNow() time.Time {
	if now := ts.now.Load(); now != 0 {
		return time.Unix(0, now)
	}
	return time.Now()
}

// serve runs a server over e, or over a table if e is nil.
func serve(t testing.TB, e Engine, change func(*Limits)) *testServer {
	t.Helper()
	if e == nil {
		e = newTable(t)
	}
	ts := newServer(t, e, change)
	ts.run()
	return ts
}

// run starts the server, and stops it at the end of the test, when it must have given back all that
// requests held.
func (ts *testServer) run() {
	t := ts.t
	ts.listen()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := ts.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-ts.served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		for name, held := range map[string]int64{
			"body bytes": ts.bodyBytes(), "queries": ts.queries(), "connections": ts.conns.Count(),
		} {
			if held != 0 {
				t.Errorf("%d %s are still held after the stop", held, name)
			}
		}
		if n := ts.clients.Count(); n != 0 {
			t.Errorf("%d clients are still there after the stop", n)
		}
	})
}

// onConn returns a context for requests to s, which come on a connection of their own.
func onConn(s *Server) *fasthttp.RequestCtx {
	nc, _ := net.Pipe()
	ctx := &fasthttp.RequestCtx{}
	ctx.Init2(accepted(s, nc), nil, false)
	return ctx
}

// accepted returns the connection on nc as a listener of s accepts it.
func accepted(s *Server, nc net.Conn) net.Conn {
	c, err := s.conns.Listen(&failingListener{errs: []error{nil}, conn: nc}).Accept()
	if err != nil {
		panic("it accepts nc at once: " + err.Error())
	}
	return c
}

func (ts *testServer) listen() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		ts.t.Fatal(err)
	}
	ts.addr = ln.Addr().String()
	go func() { ts.served <- ts.Serve(ln) }()
}

// client is one connection to a server.
type client struct {
	*net.TCPConn
	t testing.TB
	r *bufio.Reader
}

func (ts *testServer) dial() *client {
	ts.t.Helper()
	nc, err := net.Dial("tcp", ts.addr)
	if err != nil {
		ts.t.Fatal(err)
	}
	c := &client{TCPConn: nc.(*net.TCPConn), t: ts.t, r: bufio.NewReader(nc)}
	ts.t.Cleanup(func() { c.Close() })
	// What the client does not read soon stays with the server.
	if err := c.SetReadBuffer(64 << 10); err != nil {
		ts.t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		ts.t.Fatal(err)
	}
	return c
}

// write sends text, in which \n stands for itself.
func (c *client) write(text string) {
	c.t.Helper()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatalf("sending: %v", err)
	}
}

// reply is an answer, read to its end.
type reply struct {
	*http.Response
	body string
}

// read reads the answer to a request with this method.
func (c *client) read(method string) reply {
	c.t.Helper()
	res, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("reading the answer: %v", err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatalf("reading the answer's body: %v", err)
	}
	return reply{res, string(body)}
}

// ends fails the test if anything but the end of the connection comes.
func (c *client) ends() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.r); err != nil || len(rest) > 0 {
		c.t.Errorf("the connection should end here; got %q, %v", rest, err)
	}
}

// head makes the head of a request. Each header is "Name: value".
func head(method, target string, headers ...string) string {
	return method + " " + target + " HTTP/1.1\r\nHost: test\r\n" + strings.Join(append(headers, "", ""), "\r\n")
}

// do sends a request with a body of known length on a connection of its own. A GET has none.
func (ts *testServer) do(method, target, body string, headers ...string) reply {
	ts.t.Helper()
	c := ts.dial()
	defer c.Close()
	if method == "POST" || body != "" {
		headers = append(headers, "Content-Length: "+itoa(len(body)))
	}
	c.write(head(method, target, headers...) + body)
	return c.read(method)
}

// problemIn checks that r is a problem of this status, and returns it.
func problemIn(t testing.TB, r reply, status int) (p struct {
	Type, Title, Detail string
	Status              int
	Errors              []flow.FieldError
	Reasons             []string
}) {
	t.Helper()
	if r.StatusCode != status {
		t.Fatalf("status %d, want %d: %s", r.StatusCode, status, r.body)
	}
	if got := r.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type %q", got)
	}
	if err := json.Unmarshal([]byte(r.body), &p); err != nil {
		t.Fatalf("%v: %q", err, r.body)
	}
	if p.Type != "about:blank" || p.Title != http.StatusText(status) || p.Status != status || p.Detail == "" {
		t.Errorf("not a full problem: %s", r.body)
	}
	if (status == 503) != (r.Header.Get("Retry-After") != "") {
		t.Errorf("status %d with Retry-After %q", status, r.Header.Get("Retry-After"))
	}
	return p
}

// eventually polls for what no event tells.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for tick := time.Tick(time.Millisecond); !holds(); <-tick {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}
