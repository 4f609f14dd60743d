package httpapi

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// allowFiles raises the limit of open files towards n, and returns what it is.
func allowFiles(t *testing.T, n uint64) int {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur >= n {
		return int(limit.Cur)
	}
	// Only root may raise the second.
	if unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: max(n, limit.Max)}) != nil {
		limit.Cur = min(n, limit.Max)
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		return int(limit.Cur)
	}
	return int(n)
}

// memory is what the heap and the stacks take.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// Clients that declare much and send little cost little.
func TestDeclaredBodies(t *testing.T) {
	const clients = 1000
	allowFiles(t, 4*clients)
	for _, c := range []struct{ name, head string }{
		{"length", head("POST", "/flows", "Content-Length: 4194304") + "["},
		{"chunk", head("POST", "/flows", "Transfer-Encoding: chunked") + "400000\r\n["},
		{"gzip", head("POST", "/flows", asGzip, "Content-Length: 4194304") + "\x1f"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ts := serve(t, nil, nil)
			before := memory()
			all := make([]*client, clients)
			for i := range all {
				all[i] = ts.dial()
				all[i].write(c.head)
			}
			var held int64
			eventually(t, "all bodies begun", func() bool {
				held = ts.bodyBytes()
				return held > 0 && held%clients == 0
			})
			if grown := memory() - before; grown > 100<<20 {
				t.Errorf("memory grew by %d MiB", grown>>20)
			}
			if held > 32<<20 {
				t.Errorf("%d MiB of bodies counted", held>>20)
			}
			if r := ts.do("POST", "/flows", oneFlow("a", 1)); r.StatusCode != 200 {
				t.Errorf("%d: %s", r.StatusCode, r.body)
			}
			for _, c := range all {
				c.Close()
			}
			eventually(t, "all given back", func() bool { return ts.bodyBytes() == 0 })
		})
	}
}

// Idle connections cost little each, and stay.
func TestIdleConnections(t *testing.T) {
	want := 10_000
	if raceEnabled {
		want = 6_000
	}
	n := min(want, (allowFiles(t, 2*uint64(want)+1000)-1000)/2)
	ts := serve(t, nil, nil)
	before := memory()
	all := make([]net.Conn, n)
	for i := range all {
		nc, err := net.Dial("tcp", ts.addr)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		defer nc.Close()
		all[i] = nc
	}
	answers := func(nc net.Conn) {
		t.Helper()
		if _, err := io.WriteString(nc, head("GET", "/livez")); err != nil {
			t.Fatal(err)
		}
		r, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil || r.StatusCode != 200 {
			t.Fatalf("%v, %v", r, err)
		}
		r.Body.Close()
	}
	for _, nc := range all { // so that each is idle after a request
		answers(nc)
	}
	if got := ts.metric("flowd_http_connections"); got != itoa(n) {
		t.Errorf("%s connections open, want %d", got, n)
	}
	grown := memory() - before
	t.Logf("%d idle connections take %d KiB each, with both ends", n, grown>>10/int64(n))
	if grown/int64(n) > 40<<10 && !raceEnabled {
		t.Errorf("%d idle connections take %d MiB", n, grown>>20)
	}
	for range 100 {
		if r := ts.do("POST", "/flows", oneFlow("a", 1)); r.StatusCode != 200 {
			t.Fatalf("%d: %s", r.StatusCode, r.body)
		}
	}
	for _, nc := range all[:100] {
		answers(nc)
	}
	for _, nc := range all {
		nc.Close()
	}
	eventually(t, "all gone", func() bool { return ts.metric("flowd_http_connections") == "0" })
}

// Over the limit of connections a client is told so, even in a flood.
func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, func(l *Limits) { l.Connections, l.ConnectionsPerAddress = 2, 3 })
	first, second := ts.dial(), ts.dial()
	for _, c := range []*client{first, second} {
		c.write(head("GET", "/livez"))
		c.read("GET")
	}
	for range 2 * rejectors {
		c := ts.dial()
		c.write(head("POST", "/flows", "Content-Length: 4") + "body")
		if p := problemIn(t, c.read("POST"), 503); !strings.Contains(p.Detail, "max-connections") {
			t.Fatalf("%q", p.Detail)
		}
		c.ends()
		c.Close()
	}
	if got := ts.metric(`flowd_http_requests_rejected_total{reason="too_many_connections"}`); got != itoa(2*rejectors) {
		t.Errorf("%s counted", got)
	}
	// Those that say nothing keep the rejectors busy; the answer comes at once then.
	var silent []*client
	for range rejectors {
		silent = append(silent, ts.dial())
	}
	c := ts.dial()
	problemIn(t, c.read("GET"), 503)
	for _, c := range silent {
		c.Close()
	}

	first.Close()
	eventually(t, "a place is free", func() bool { return ts.metric("flowd_http_connections") == "1" })
	if r := ts.do("GET", "/livez", ""); r.StatusCode != 200 {
		t.Errorf("%d with a place free", r.StatusCode)
	}
}

// Bodies together are bounded, and those of a client by what is left for others; what is refused for it
// passes when there is memory again.
func TestInflightBytes(t *testing.T) {
	t.Parallel()
	ts := newServer(t, newTable(t), func(l *Limits) { l.InflightBytes = 128 << 10 })
	ts.gate = gateOf(t)
	ts.run()
	hog := ts.dial()
	another := bearing(everyToken)
	body := string(flowsBody(700)) // 60 KiB, which take 64
	hog.write(head("POST", "/flows", bearing(writeToken), "Content-Length: "+itoa(len(body))) + cut(body, 1))
	eventually(t, "the first body is held", func() bool { return ts.metric("flowd_http_inflight_body_bytes") == "65536" })
	for name, r := range map[string]reply{
		"length":  ts.do("POST", "/flows", body, another),
		"chunked": ts.post(chunks(body, 1000), another),
		"gzip":    ts.do("POST", "/flows", gzipped(body), asGzip, another),
		"zstd":    ts.do("POST", "/flows", zstdOf(body), asZstd, another),
		"its own": ts.do("POST", "/flows", oneFlow("a", 1), bearing(writeToken)),
	} {
		if p := problemIn(t, r, 503); !strings.Contains(p.Detail, "max-inflight-bytes") || !strings.Contains(p.Detail, "128 KiB") {
			t.Errorf("%s: %q", name, p.Detail)
		}
	}
	if r := ts.do("POST", "/flows", oneFlow("a", 1), another); r.StatusCode != 200 {
		t.Errorf("a small body: %d", r.StatusCode)
	}
	if got := ts.metric(`flowd_batches_total{outcome="overloaded"}`); got != "5" {
		t.Errorf("%s overloaded, want 5", got)
	}
	hog.write(body[len(body)-1:])
	if r := hog.read("POST"); r.StatusCode != 200 {
		t.Errorf("%d: %s", r.StatusCode, r.body)
	}
	for _, r := range []reply{ts.do("POST", "/flows", body, another), ts.do("POST", "/flows", zstdOf(body), asZstd, another)} {
		if r.StatusCode != 200 {
			t.Errorf("%d with memory free: %s", r.StatusCode, r.body)
		}
	}
}

// A lack of file descriptors passes, and the server with it goes on accepting.
func TestAcceptGoesOn(t *testing.T) {
	t.Parallel()
	ts := newServer(t, &nullEngine{}, nil)
	inner := &failingListener{errs: []error{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED, errors.New("broken")}}
	ln := ts.conns.Listen(inner)
	began := time.Now()
	if _, err := ln.Accept(); err == nil || !strings.HasSuffix(err.Error(), "broken") {
		t.Errorf("Accept returned %v", err)
	}
	if took := time.Since(began); took < 35*time.Millisecond {
		t.Errorf("three failures were tried again within %s", took)
	}
	if got := strings.Count(ts.log.String(), "cannot accept connections"); got != 1 {
		t.Errorf("logged %d times", got)
	}
}

type failingListener struct {
	net.Listener
	errs []error
	conn net.Conn // accepted where there is no error
}

func (l *failingListener) Accept() (net.Conn, error) {
	err := l.errs[0]
	l.errs = l.errs[1:]
	if err == nil {
		return l.conn, nil
	}
	return nil, &net.OpError{Op: "accept", Err: err}
}
