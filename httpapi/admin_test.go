package httpapi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"flowd/flow"
	"flowd/httpapi/admin"
)

// adminServer is an admin server on a real socket, beside an API that does not listen.
type adminServer struct {
	*admin.Server
	ts     *testServer
	addr   string
	served chan error
}

// serveAdmin starts one, whose reloads fail unless change sets another, and stops it at the end.
func serveAdmin(t *testing.T, ts *testServer, change func(*admin.Options)) *adminServer {
	t.Helper()
	if ts == nil {
		ts = newServer(t, newTable(t), nil)
	}
	o := admin.Options{API: ts.AdminAPI(), Reload: func() (admin.Reloaded, error) { return admin.Reloaded{}, errors.New("no reload here") },
		AcceptClock: func() (admin.AcceptedClock, error) { return admin.AcceptedClock{}, errors.New("no clock here") }}
	if change != nil {
		change(&o)
	}
	as := &adminServer{Server: admin.New(o), ts: ts, served: make(chan error, 1)}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	as.addr = ln.Addr().String()
	go func() { as.served <- as.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := errors.Join(as.Shutdown(ctx), <-as.served); err != nil {
			t.Errorf("the admin server ends: %v", err)
		}
	})
	return as
}

// dial opens a connection.
func (as *adminServer) dial() *client {
	as.ts.t.Helper()
	nc, err := net.Dial("tcp", as.addr)
	if err != nil {
		as.ts.t.Fatal(err)
	}
	as.ts.t.Cleanup(func() { nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		as.ts.t.Fatal(err)
	}
	return &client{TCPConn: nc.(*net.TCPConn), t: as.ts.t, r: bufio.NewReader(nc)}
}

// do sends a request, to this address unless a header says otherwise.
func (as *adminServer) do(method, target string, headers ...string) reply {
	as.ts.t.Helper()
	if !slices.ContainsFunc(headers, func(h string) bool { return strings.HasPrefix(h, "Host:") }) {
		headers = append(headers, "Host: "+as.addr)
	}
	c := as.dial()
	defer c.Close()
	c.write(method + " " + target + " HTTP/1.1\r\n" + strings.Join(headers, "\r\n") + "\r\nConnection: close\r\n\r\n")
	return c.read(method)
}

func TestAdminRoutes(t *testing.T) {
	t.Parallel()
	as := serveAdmin(t, nil, func(o *admin.Options) {
		o.Reload = func() (admin.Reloaded, error) { return admin.Reloaded{}, nil }
		o.AcceptClock = func() (admin.AcceptedClock, error) {
			return admin.AcceptedClock{Before: "b", After: "a", Clock: "c", HoursExpired: 3}, nil
		}
	})
	for _, c := range []struct {
		method, target string
		status         int
		want           string
	}{
		{"GET", "/livez", 200, `{"status":"ok"}`},
		{"GET", "/health", 200, `{"status":"ok"}`},
		{"GET", "/-/healthy", 200, `{"status":"ok"}`},
		{"GET", "/readyz", 200, `{"status":"ready"}`},
		{"GET", "/api/v1/-/ready", 200, `{"status":"ready"}`},
		{"HEAD", "/readyz", 200, ""},
		{"GET", "/metrics", 200, "flowd_http_connections 0\n"},
		{"POST", "/-/reload", 200, `{"changed":[],"restart":[]}`},
		{"POST", "/api/v1/-/reload", 200, `{"changed":[],"restart":[]}`},
		{"POST", "/-/accept-clock", 200, `{"before":"b","after":"a","clock":"c","hours_expired":3}`},
		{"GET", "/-/accept-clock", 405, "does not take this method"},
		{"GET", "/debug/pprof/", 200, "Types of profiles available"},
		{"GET", "/api/v1/debug/pprof/goroutine?debug=2", 200, "admin.(*Server).Serve"},
		{"GET", "/debug/pprof/goroutine?debug=1", 200, "goroutine profile"},
		{"GET", "/debug/pprof/heap", 200, "\x1f\x8b"},
		{"GET", "/debug/pprof/allocs", 200, "\x1f\x8b"},
		{"GET", "/debug/pprof/mutex", 200, "\x1f\x8b"},
		{"GET", "/debug/pprof/block", 200, "\x1f\x8b"},
		{"GET", "/debug/pprof/threadcreate", 200, "\x1f\x8b"},
		{"GET", "/debug/pprof/symbol", 200, "num_symbols"},

		{"GET", "/debug/pprof/cmdline", 404, "nothing at this path of the admin listener"},
		{"GET", "/debug/pprof/nothing", 404, "nothing at this path"},
		{"GET", "/flows?hour=1", 404, "flows at the other listener"},
		{"GET", "/debug/pprof", 404, "nothing at this path"},
		{"GET", "/debug/vars", 404, "nothing at this path"},
		{"OPTIONS", "*", 404, "nothing at this path"},
		{"GET", "/-/reload", 405, "does not take this method"},
		{"POST", "/metrics", 405, "does not take this method"},
		{"DELETE", "/debug/pprof/heap", 405, "does not take this method"},
	} {
		r := as.do(c.method, c.target)
		if r.StatusCode != c.status || !strings.Contains(r.body, c.want) {
			t.Errorf("%s %s: %d: %.300q", c.method, c.target, r.StatusCode, r.body)
		}
		if r.Header.Get("Cache-Control") != "no-store" || r.Header.Get("X-Content-Type-Options") != "nosniff" || r.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s %s: headers %v", c.method, c.target, r.Header)
		}
		if c.status >= 400 {
			problemIn(t, r, c.status)
		}
	}
	if got := as.do("PUT", "/-/reload").Header.Get("Allow"); got != "POST" {
		t.Errorf("Allow %q", got)
	}
	as.ts.Drain()
	if p := problemIn(t, as.do("GET", "/readyz"), 503); !slices.Equal(p.Reasons, []string{"draining"}) {
		t.Errorf("reasons %q", p.Reasons)
	}
	if got := as.ts.metric(`flowd_http_requests_rejected_total{reason="method"}`); got != "5" {
		t.Errorf("%s refusals for the method counted", got)
	}
}

func TestAdminReload(t *testing.T) {
	t.Parallel()
	var next atomic.Pointer[func() (admin.Reloaded, error)]
	set := func(f func() (admin.Reloaded, error)) { next.Store(&f) }
	as := serveAdmin(t, nil, func(o *admin.Options) { o.Reload = func() (admin.Reloaded, error) { return (*next.Load())() } })

	set(func() (admin.Reloaded, error) {
		return admin.Reloaded{Changed: []admin.Change{{Key: "rate-flows", From: "0", To: "1000"}}, Restart: []admin.Change{{Key: "listen", From: ":1", To: ":2"}}}, nil
	})
	r := as.do("POST", "/-/reload", "Content-Length: 0")
	const want = `{"changed":[{"key":"rate-flows","from":"0","to":"1000"}],"restart":[{"key":"listen","from":":1","to":":2"}]}`
	if r.StatusCode != 200 || r.body != want || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%d, %s: %s", r.StatusCode, r.Header.Get("Content-Type"), r.body)
	}
	set(func() (admin.Reloaded, error) {
		return admin.Reloaded{}, fmt.Errorf("reload: %w", &admin.ReloadError{Problems: []flow.FieldError{
			{Pointer: "flowd.yaml:7", Detail: "is no number"}, {Pointer: "tokens.yaml:2", Detail: "is no scope"},
		}})
	})
	p := problemIn(t, as.do("POST", "/-/reload"), 400)
	if len(p.Errors) != 2 || p.Errors[0] != (flow.FieldError{Pointer: "flowd.yaml:7", Detail: "is no number"}) || !strings.Contains(p.Detail, "stay") {
		t.Errorf("%+v", p)
	}
	set(func() (admin.Reloaded, error) { return admin.Reloaded{}, errors.New("the key of a.key is of another") })
	if p := problemIn(t, as.do("POST", "/-/reload"), 400); !strings.Contains(p.Detail, "a.key is of another") || p.Errors != nil {
		t.Errorf("%+v", p)
	}
	set(func() (admin.Reloaded, error) { panic("a fault") })
	problemIn(t, as.do("POST", "/-/reload"), 500)
	if got := as.ts.metric("flowd_http_panics_total"); got != "1" {
		t.Errorf("%s panics counted", got)
	}
	set(func() (admin.Reloaded, error) { return admin.Reloaded{}, nil })
	if r := as.do("POST", "/-/reload"); r.StatusCode != 200 {
		t.Errorf("%d after a panic", r.StatusCode)
	}
}

// Reloads come one after the other, are finished though nobody waits for them, and end with the server.
func TestAdminReloadsTakeTurns(t *testing.T) {
	// Alone, since it looks at all goroutines.
	var under, most, done atomic.Int64
	entered, leave := make(chan struct{}, 20), make(chan struct{})
	as := serveAdmin(t, nil, func(o *admin.Options) {
		o.Reload = func() (admin.Reloaded, error) {
			if n := under.Add(1); n > most.Load() {
				most.Store(n)
			}
			entered <- struct{}{}
			<-leave
			under.Add(-1)
			done.Add(1)
			return admin.Reloaded{}, nil
		}
	})
	gone := as.dial()
	gone.write("POST /-/reload HTTP/1.1\r\nHost: localhost\r\n\r\n")
	<-entered
	gone.Close()
	var others sync.WaitGroup
	statuses := make(chan int, 8)
	for range 8 {
		others.Go(func() { statuses <- as.do("POST", "/-/reload").StatusCode })
	}
	for range 5 {
		leave <- struct{}{}
		<-entered
	}
	eventually(t, "three wait behind the one that is under way", func() bool {
		var all [1 << 18]byte
		return strings.Count(string(all[:runtime.Stack(all[:], true)]), "admin.(*Server).reload(") == 4
	})
	// They learn that they wait in vain.
	stopped := make(chan error, 1)
	go func() { stopped <- as.Shutdown(context.Background()) }()
	got := map[int]int{}
	for range 4 + 3 {
		select {
		case status := <-statuses:
			got[status]++
		case <-time.After(patience):
			t.Fatalf("who waits is not told: %v", got)
		}
	}
	if got[200] != 4 || got[503] != 3 {
		t.Errorf("%v", got)
	}
	select {
	case err := <-stopped:
		t.Fatalf("%v with a reload under way", err)
	default:
	}
	leave <- struct{}{}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	others.Wait()
	if most.Load() != 1 || done.Load() != 6 {
		t.Errorf("%d at once, %d in all", most.Load(), done.Load())
	}
}

// What clients can hold is bounded: connections, the head and a body that does not come.
func TestAdminLimits(t *testing.T) {
	t.Parallel()
	as := serveAdmin(t, nil, nil)
	c := as.dial()
	c.write("GET /livez HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("a", 2*16<<10) + "\r\n\r\n")
	if r, err := http.ReadResponse(c.r, nil); err != nil || r.StatusCode != 431 {
		t.Errorf("a long head: %v, %v", r, err)
	}
	c.Close()
	c = as.dial()
	c.write("GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n")
	if r := c.read("GET"); r.StatusCode != 200 {
		t.Errorf("%d before the body", r.StatusCode)
	}
	c.Close()

	var held []*client
	for range 64 {
		c := as.dial()
		c.write("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
		held = append(held, c)
	}
	eventually(t, "all places are taken", func() bool {
		one := as.dial()
		defer one.Close()
		_ = one.SetReadDeadline(time.Now().Add(5 * time.Second)) // those with a place are cut off later
		_, err := one.r.ReadByte()
		return err == io.EOF || errors.Is(err, net.ErrClosed)
	})
	for _, c := range held[1:] {
		c.Close()
	}
	eventually(t, "there are places again", func() bool {
		one := as.dial()
		defer one.Close()
		if _, err := io.WriteString(one, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			return false
		}
		res, err := http.ReadResponse(one.r, nil)
		return err == nil && res.StatusCode == 200
	})
}

// A profile that takes long ends with its client, and with the server.
func TestAdminProfileEnds(t *testing.T) {
	t.Parallel()
	as := serveAdmin(t, nil, nil)
	const trace = "GET /debug/pprof/trace?seconds=600 HTTP/1.1\r\nHost: localhost\r\n\r\n"
	gone := as.dial()
	gone.write(trace)
	if _, err := gone.r.Peek(1); err != nil {
		t.Fatal(err)
	}
	gone.Close()
	next := as.dial()
	eventually(t, "the trace of the one who is gone has ended", func() bool {
		next = as.dial()
		next.write(trace)
		res, err := http.ReadResponse(next.r, nil)
		return err == nil && res.StatusCode == 200 // one at a time
	})
	began := time.Now()
	if err := as.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > patience { // a trace takes ten minutes
		t.Errorf("the stop took %s", took)
	}
}
