package httpapi

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/valyala/fasthttp"

	"flowd/flow"
)

// begun counts the requests that have begun: from its first byte on a stop waits for one, where it would
// close a connection that is idle. It is to be called before ts serves.
func (ts *testServer) begun() *atomic.Int64 {
	n := new(atomic.Int64)
	told := ts.http.ConnState
	ts.http.ConnState = func(nc net.Conn, state fasthttp.ConnState) {
		told(nc, state)
		if state == fasthttp.StateActive {
			n.Add(1)
		}
	}
	return n
}

// stop shuts ts down in the background and returns where the error will be.
func (ts *testServer) stop(ctx context.Context) <-chan error {
	done := make(chan error, 1)
	go func() { done <- ts.Shutdown(ctx) }()
	return done
}

func TestDrain(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, nil)
	ts.Drain()
	ts.Drain()
	for _, path := range []string{"/readyz", "/-/ready", "/api/v1/readyz", "/api/v1/-/ready"} {
		if p := problemIn(t, ts.do("GET", path, ""), 503); !slices.Equal(p.Reasons, []string{"draining"}) {
			t.Errorf("%s: reasons %q", path, p.Reasons)
		}
	}
	if r := ts.do("HEAD", "/readyz", ""); r.StatusCode != 503 {
		t.Errorf("HEAD: %d", r.StatusCode)
	}
	for _, r := range []reply{
		ts.do("GET", "/livez", ""), ts.do("POST", "/flows", oneFlow("a", 1)), ts.do("GET", "/flows?hour=1", ""),
	} {
		if r.StatusCode != 200 {
			t.Errorf("%s: %d while draining", r.Request.Method, r.StatusCode)
		}
	}
}

// Requests under way are finished, in whatever state they are; no others are taken.
func TestShutdownFinishes(t *testing.T) {
	t.Parallel()
	table := newTable(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	many := newMany(20_000)
	e := &hookEngine{
		Engine: table,
		append: func(b *flow.Batch, o flow.Origin) (flow.Receipt, error) {
			if b.Items[0].Hour == 9 {
				close(entered)
				<-leave
			}
			return table.Append(b, o)
		},
		rows: many.Rows,
	}
	ts := newServer(t, e, nil)
	begun := ts.begun()
	ts.run()
	body := oneFlow("a", 1)

	idle := ts.dial()
	idle.write(head("GET", "/livez"))
	idle.read("GET")

	inHead, inBody, inEngine, inAnswer := ts.dial(), ts.dial(), ts.dial(), ts.dial()
	inHead.write("GET /livez HTTP/1.1\r\nHo")
	inBody.write(head("POST", "/flows", "Content-Length: "+itoa(len(body))) + cut(body, 1))
	inEngine.write(head("POST", "/flows", "Content-Length: "+itoa(len(body))) + oneFlow("b", 9))
	inAnswer.write(head("GET", "/flows?hour=5"))
	<-entered
	eventually(t, "all are under way", func() bool {
		return ts.bodyBytes() == 2*leastBuffer && ts.queries() == 1 && begun.Load() == 5
	})

	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	done := ts.stop(ctx)
	idle.ends()
	eventually(t, "no new connections", func() bool {
		nc, err := net.Dial("tcp", ts.addr)
		if err == nil {
			nc.Close()
		}
		return err != nil
	})
	inHead.write("st: a\r\n\r\n")
	if r := inHead.read("GET"); r.StatusCode != 200 || !r.Close {
		t.Errorf("in the header: %d, close %t", r.StatusCode, r.Close)
	}
	inBody.write(body[len(body)-1:])
	if r := inBody.read("POST"); r.StatusCode != 200 || !r.Close {
		t.Errorf("in the body: %d, close %t", r.StatusCode, r.Close)
	}
	wantRows(t, inAnswer.read("GET").body, 20_000)
	select {
	case err := <-done:
		t.Fatalf("Shutdown returned %v with a request under way", err)
	default:
	}
	close(leave)
	if r := inEngine.read("POST"); r.StatusCode != 200 || !r.Close {
		t.Errorf("in the engine: %d, close %t", r.StatusCode, r.Close)
	}
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// When the time is over, what is still under way is cut off, and nothing uses the engine after
// Shutdown has returned.
func TestShutdownCutsOff(t *testing.T) {
	t.Parallel()
	ts := newServer(t, newMany(1_000_000), nil)
	ts.listen()
	inBody, inAnswer := ts.dial(), ts.dial()
	inBody.write(head("POST", "/flows", "Content-Length: 100") + "[")
	inAnswer.write(head("GET", "/flows?hour=5"))
	eventually(t, "both are under way", func() bool { return ts.bodyBytes() > 0 && ts.queries() == 1 })

	ctx, cancel := context.WithCancel(context.Background())
	done := ts.stop(ctx)
	if err := <-ts.served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	if ts.bodyBytes() != 0 || ts.queries() != 0 || ts.conns.Count() != 0 {
		t.Errorf("%d bytes, %d queries, %d connections after Shutdown",
			ts.bodyBytes(), ts.queries(), ts.conns.Count())
	}
}

// A server that is stopped before it serves, or twice, just ends.
func TestShutdownEarlyAndTwice(t *testing.T) {
	t.Parallel()
	ts := newServer(t, &nullEngine{}, nil)
	for range 2 {
		if err := ts.Shutdown(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	ts.listen()
	if err := <-ts.served; err != nil {
		t.Errorf("Serve after Shutdown: %v", err)
	}
	if _, err := net.Dial("tcp", ts.addr); err == nil {
		t.Error("it still listens")
	}
}

// Serve tells when its listener breaks.
func TestServeFails(t *testing.T) {
	t.Parallel()
	ts := newServer(t, &nullEngine{}, nil)
	err := ts.Serve(&failingListener{Listener: deafListener{}, errs: []error{errors.New("broken")}})
	if err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("Serve: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := ts.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

type deafListener struct{ net.Listener }

func (deafListener) Close() error { return nil }
