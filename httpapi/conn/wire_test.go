package conn

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"

	"flowd/httpapi/certtest"
	"flowd/httpapi/reject"
	"flowd/httpapi/reservation"
	"flowd/logs"
)

// patience is how long a test waits for what must happen, on a machine that is busy.
const patience = 2 * time.Minute

// secureSet serves connections with TLS.
type secureSet struct {
	*Set
	t      testing.TB
	ca     *certtest.Authority
	addr   string
	http   *fasthttp.Server
	served chan error // what Serve returned
}

// serveSecureSet starts one that answers everything with 200. Clients may show certificates of clients, if it
// is not nil.
func serveSecureSet(t testing.TB, clientCA *certtest.Authority) *secureSet {
	t.Helper()
	ca, dir := certtest.New(t, "servers"), t.TempDir()
	files := TLSFiles{Certificate: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}
	ca.Issue("flowd", nil).Write(t, files.Certificate, files.Key)
	if clientCA != nil {
		files.ClientCA = filepath.Join(dir, "ca.crt")
		certtest.Put(t, files.ClientCA, clientCA.PEM())
	}
	set, logger := metrics.NewSet(), slog.New(slog.DiscardHandler)
	secured, err := LoadTLS(TLSOptions{Files: files, Logger: logger, Metrics: set})
	if err != nil {
		t.Fatal(err)
	}
	// A connection that is held up waits for one of these, and so longer than a test has connPatience.
	s := &secureSet{t: t, ca: ca, served: make(chan error, 1), Set: NewSet(Options{
		Timeouts: Timeouts{Read: 5 * patience, Write: 5 * patience, Idle: 5 * patience}, Max: 10, TLS: secured,
		Clients: &reservation.Clients{}, Rejects: reject.NewCounters(set), Lines: logs.New(logger),
	})}
	s.http = &fasthttp.Server{
		Handler:   func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("ok") },
		ConnState: s.Follow, CloseOnShutdown: true,
	}
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = inner.Addr().String()
	ln := s.Listen(inner)
	go func() { s.served <- s.http.Serve(ln) }()
	t.Cleanup(func() { _ = ln.Close() })
	return s
}

// open returns a connection on which a request was answered: the client's end, with the socket below it, and
// the server's.
func (s *secureSet) open(show ...tls.Certificate) (*tls.Conn, *net.TCPConn, *Conn) {
	s.t.Helper()
	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { nc.Close() })
	c := tls.Client(nc, &tls.Config{RootCAs: s.ca.Pool(), ServerName: "127.0.0.1", Certificates: show})
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
	request, _ := http.NewRequest("GET", "https://127.0.0.1/", nil)
	if err := request.Write(c); err != nil {
		s.t.Fatal(err)
	}
	answer := make([]byte, 4096)
	if _, err := c.Read(answer); err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for served := range s.Set.open {
		return c, nc.(*net.TCPConn), served
	}
	s.t.Fatal("there is no connection")
	return nil, nil, nil
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

// A client that is to see a connection break off is not told that it ends as it should.
func TestBrokenOffInTLS(t *testing.T) {
	t.Parallel()
	c, _, served := serveSecureSet(t, nil).open()
	served.Reset()
	served.tls.end()
	if n, err := served.tls.wire.Write([]byte("leave")); n != 0 || err == nil {
		t.Errorf("%d bytes written, %v", n, err)
	}
	served.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v", err)
	}
}

// The end of an answer is waited for where the client is slow to take what comes before it.
func TestEndOfAnswerIsPatient(t *testing.T) {
	t.Parallel()
	_, socket, served := serveSecureSet(t, nil).open()
	eventually(t, "it is idle", func() bool { return !served.tls.wire.answering.Load() })
	served.tls.wire.answering.Store(true)
	before := served.fill()
	ended := make(chan struct{})
	go func() { served.tls.end(); close(ended) }()
	eventually(t, "it is about to end", func() bool { return served.tls.wire.mode.Load() != wireOpen })
	// What stands for the answer is not TLS, so it is read below it.
	if n, err := io.CopyN(io.Discard, socket, int64(before)+1); err != nil {
		t.Errorf("%d bytes, and no end behind them: %v", n-int64(before), err)
	}
	<-ended
}

// fill writes to a client that reads nothing as much as can be, and returns how much that was.
func (c *Conn) fill() (total int) {
	// Between the two ends of the connection it takes a moment until nothing moves any more.
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for full := 0; full < 20; full++ {
		n, err := writeAtOnce(c.Conn, make([]byte, 1<<16))
		if total += n; n > 0 {
			full = 0
		}
		if err != nil {
			<-tick.C
		}
	}
	return total
}

// A stop is not held up by idle clients that read nothing, to whom not even a leave can be written, nor by
// those that have not finished a handshake.
func TestStopIsNotHeldUp(t *testing.T) {
	t.Parallel()
	s := serveSecureSet(t, nil)
	_, _, deaf := s.open()
	deaf.fill()
	half, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	if _, err := half.Write([]byte("\x16\x03\x01\x01\x00\x01")); err != nil { // a part of a first message
		t.Fatal(err)
	}
	eventually(t, "it is served", func() bool { return s.Count() == 2 })
	began := time.Now()
	if n, err := deaf.tls.wire.Write([]byte("a")); n != 0 || err == nil { // as TLS does for new keys
		t.Errorf("%d bytes written, %v", n, err)
	}
	if err := deaf.Close(); err != nil {
		t.Error(err)
	}
	if err := s.http.ShutdownWithContext(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-s.served; err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > patience {
		t.Errorf("stopped in %s", took)
	}
}

// A certificate that expires while its connection is open holds no longer.
func TestClientCertificateExpires(t *testing.T) {
	t.Parallel()
	clientCA := certtest.New(t, "clients")
	s := serveSecureSet(t, clientCA)
	agent := clientCA.Issue("agent", nil)
	_, _, served := s.open(agent.Pair())
	known := s.options.TLS.current.Load().authorities
	if got := served.tls.holds(known, agent.Leaf.NotAfter); !got.Equal(agent.Leaf) {
		t.Errorf("%v until it expires", got)
	}
	if got := served.tls.holds(known, agent.Leaf.NotAfter.Add(time.Second)); got != nil {
		t.Errorf("%v after it expired", got.Subject)
	}
}
