package load

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"flowd/flow/flowjson"
	"flowd/loadtest"
)

// pipeServer answers requests over pipes, in the time of a synctest bubble.
type pipeServer struct {
	// before is called with the number of each request, from 1, and whether it is a read, before
	// it is answered. At false the connection is closed instead.
	before func(request int, read bool) bool
	// busy lets one request in at a time.
	busy    chan struct{}
	request int
}

func newPipeServer(before func(request int, read bool) bool) *pipeServer {
	return &pipeServer{before: before, busy: make(chan struct{}, 1)}
}

func (s *pipeServer) environment() environment {
	return environment{
		dial: func(context.Context, string) (net.Conn, error) {
			near, far := net.Pipe()
			go s.serve(far)
			return near, nil
		},
		newSleeper: func() (func(time.Duration), func(), error) { return time.Sleep, func() {}, nil },
	}
}

func (s *pipeServer) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		head, err := r.Peek(len("GET /readyz"))
		if err != nil || !readRequest(r) {
			return
		}
		if string(head) != "GET /readyz" {
			s.busy <- struct{}{}
			s.request++
			ok := s.before(s.request, string(head) == "GET /flows?")
			<-s.busy
			if !ok {
				return
			}
		}
		if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"); err != nil {
			return
		}
	}
}

// take is a server's time for a request.
func take(d time.Duration) { <-time.After(d) }

// bubbleRun is a second of one connection at 1,000 posts a second.
func bubbleRun() Options {
	return Options{
		Target: "http://192.0.2.1", Connections: 1, Format: flowjson.JSON, Encoding: loadtest.Plain,
		Workload: loadtest.Workload{Tuples: 10, FirstHour: 7, Hours: 1, Skew: loadtest.Uniform, FlowsPerPost: 1, Seed: 1},
		Rate:     1000, For: time.Second, Timeout: 10 * time.Second, ServerPID: os.Getpid(),
	}
}

func near(got float64, want, tolerance time.Duration) bool {
	return math.Abs(got-want.Seconds()) <= tolerance.Seconds()
}

// A server that stalls once is felt by all that was due meanwhile. Counted from when the
// requests were sent, one in a thousand would have been slow.
func TestStallShowsInRequestsDueMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newPipeServer(func(request int, read bool) bool {
			if request == 100 {
				take(200 * time.Millisecond)
			}
			return true
		})
		r, err := runIn(t.Context(), server.environment(), bubbleRun())
		if err != nil {
			t.Fatal(err)
		}
		if r.Due != 1000 || r.Writes.OK != 1000 || r.Unsent != 0 {
			t.Errorf("%d due, %d answered, %d unsent", r.Due, r.Writes.OK, r.Unsent)
		}
		// 198 requests became due more than a millisecond before the stall was over.
		if r.Late != 198 {
			t.Errorf("%d late", r.Late)
		}
		l := r.Writes.Latency
		if !near(l.P99, 191*time.Millisecond, time.Millisecond) || !near(l.P90, 101*time.Millisecond, time.Millisecond) ||
			!near(l.Max, 200*time.Millisecond, time.Millisecond) || l.P50 > 1e-5 {
			t.Errorf("latencies %+v", l)
		}
	})
}

// A server at a tenth of the offered rate: what was due and never sent is told.
func TestOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newPipeServer(func(int, bool) bool { take(10 * time.Millisecond); return true })
		r, err := runIn(t.Context(), server.environment(), bubbleRun())
		if err != nil {
			t.Fatal(err)
		}
		if r.Due != 1000 || r.Writes.OK != 100 || r.Unsent != 900 || !near(r.Elapsed, time.Second, 0) {
			t.Errorf("%d due, %d answered, %d unsent in %v s", r.Due, r.Writes.OK, r.Unsent, r.Elapsed)
		}
		if !near(r.Writes.Latency.Max, 901*time.Millisecond, time.Millisecond) {
			t.Errorf("latencies %+v", r.Writes.Latency)
		}
	})
}

func TestClosedLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newPipeServer(func(int, bool) bool { take(10 * time.Millisecond); return true })
		o := bubbleRun()
		o.Rate = 0
		r, err := runIn(t.Context(), server.environment(), o)
		if err != nil {
			t.Fatal(err)
		}
		if r.Due != 0 || r.Late != 0 || r.Unsent != 0 || r.Writes.OK != 100 || r.Writes.PerSecond != 100 {
			t.Errorf("%d due, %d late, %d unsent, %d answered", r.Due, r.Late, r.Unsent, r.Writes.OK)
		}
		if l := r.Writes.Latency; !near(l.P50, 10*time.Millisecond, time.Microsecond*10) || l.P50 != l.Max {
			t.Errorf("latencies %+v", l)
		}
	})
}

func TestInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		server := newPipeServer(func(request int, read bool) bool {
			if request == 300 {
				cancel()
				take(5 * time.Millisecond)
			}
			return true
		})
		r, err := runIn(ctx, server.environment(), bubbleRun())
		if err != nil {
			t.Fatal(err)
		}
		// The request under way is finished, and no other is begun.
		if !r.Interrupted || r.Writes.OK != 300 || !near(r.Elapsed, 304*time.Millisecond, 0) {
			t.Errorf("interrupted: %v, %d answered in %v s", r.Interrupted, r.Writes.OK, r.Elapsed)
		}
	})
}

func TestRequestsWithoutAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newPipeServer(func(request int, read bool) bool {
			if request == 3 {
				take(11 * time.Second)
			}
			return request != 1
		})
		o := bubbleRun()
		o.Rate, o.For = 1, 20*time.Second
		r, err := runIn(t.Context(), server.environment(), o)
		if err != nil {
			t.Fatal(err)
		}
		if r.Due != 20 || r.Writes.OK != 18 {
			t.Errorf("%d due, %d answered", r.Due, r.Writes.OK)
		}
		kinds := map[string]uint64{}
		for _, e := range r.Writes.Errors {
			kinds[e.Kind] += e.Count
		}
		if kinds["connection closed"] != 1 || kinds["timeout"] != 1 || len(kinds) != 2 {
			t.Errorf("errors %+v", r.Writes.Errors)
		}
	})
}

// A connection that rested for long is opened anew instead of tried.
func TestIdleConnectionIsReopened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newPipeServer(func(int, bool) bool { return true })
		env, dials := server.environment(), 0
		dial := env.dial
		env.dial = func(ctx context.Context, addr string) (net.Conn, error) {
			dials++
			return dial(ctx, addr)
		}
		o := bubbleRun()
		o.Rate, o.For = 0.1, time.Minute
		r, err := runIn(t.Context(), env, o)
		if err != nil {
			t.Fatal(err)
		}
		// One to ask whether the server is ready, one opened before the start and used at once,
		// and five after ten seconds each.
		if r.Writes.OK != 6 || dials != 7 {
			t.Errorf("%d answered over %d connections", r.Writes.OK, dials)
		}
	})
}

func TestRunErrors(t *testing.T) {
	env := newPipeServer(nil).environment()
	for _, c := range []struct {
		option string
		change func(*Options)
	}{
		{"target", func(o *Options) { o.Target = "flowd:8080" }},
		{"target", func(o *Options) { o.Target += "/?hour=1" }},
		{"connections", func(o *Options) { o.Connections = 0 }},
		{"connections", func(o *Options) { o.Connections = MaxConnections + 1 }},
		{"rate", func(o *Options) { o.Rate = -1 }},
		{"rate", func(o *Options) { o.Rate = math.NaN() }},
		{"reads", func(o *Options) { o.Reads = 1 }},
		{"for", func(o *Options) { o.For = 0 }},
		{"timeout", func(o *Options) { o.Timeout = 0 }},
		{"encoding", func(o *Options) { o.Encoding = "br" }},
		{"ndjson", func(o *Options) { o.Format = 7 }},
		{"tuples", func(o *Options) { o.Tuples, o.Hours, o.Verify = 1<<20, 1<<10, true }},
		{"flows", func(o *Options) { o.FlowsPerPost = 0 }},
	} {
		o := bubbleRun()
		c.change(&o)
		_, err := runIn(t.Context(), env, o)
		if err == nil || !strings.HasPrefix(err.Error(), "--"+c.option+" ") {
			t.Errorf("error %v, want one of --%s", err, c.option)
		}
	}
}

// script answers on one connection after the other; after its last one no server listens.
type script []string

func (s *script) dial(context.Context, string) (net.Conn, error) {
	if len(*s) == 0 {
		return nil, errors.New("no server listens")
	}
	near, far := net.Pipe()
	answer := (*s)[0]
	*s = (*s)[1:]
	go func() {
		defer far.Close()
		if r := bufio.NewReader(far); readRequest(r) && answer != "" {
			_, _ = io.WriteString(far, answer)
			_, _ = r.Peek(1) // until the client closes
		}
	}()
	return near, nil
}

func TestServerThatIsNotReady(t *testing.T) {
	const busy = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 10\r\n\r\nrecovering"
	const ready = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	for name, c := range map[string]struct {
		script script
		want   string
	}{
		"refuses":    {script{}, "no server listens"},
		"is busy":    {script{busy}, "is not ready: recovering"},
		"goes away":  {script{""}, "EOF"},
		"then gone":  {script{ready}, "connection 1 of 1: no server listens"},
		"reads fail": {script{ready, busy}, "before the load: GET /ledger: status 503: recovering"},
	} {
		t.Run(name, func(t *testing.T) {
			o := bubbleRun()
			o.Verify = name == "reads fail"
			_, err := runIn(t.Context(), environment{dial: c.script.dial, newSleeper: newSleeper}, o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func readRequest(r *bufio.Reader) bool {
	request, err := http.ReadRequest(r)
	if err == nil {
		_, err = io.Copy(io.Discard, request.Body)
	}
	return err == nil
}
