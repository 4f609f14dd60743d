package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowd/flow"
	"flowd/flow/flowjson"
	"flowd/loadtest"
)

// firstDelay is the longest first pause.
const firstDelay = 250 * time.Millisecond

// rowSource gives n different flows, then err.
type rowSource struct {
	n, i int
	flow flow.Flow
	err  error
}

func (s *rowSource) Next() bool {
	if s.i == s.n {
		return false
	}
	s.i++
	s.flow = flow.Flow{SrcApp: fmt.Sprint("src", s.i), DestApp: "dest", VPCID: "vpc", BytesTx: uint64(s.i), BytesRx: 1, Hour: 7}
	return true
}

func (s *rowSource) Flow() *flow.Flow { return &s.flow }
func (s *rowSource) Err() error       { return s.err }

// replayServer is a server without a network. Answer makes the answer to request number n,
// counted from 1; nil hangs up without one.
type replayServer struct {
	answer func(n int) *http.Response

	mu       sync.Mutex
	requests int
	dials    int
	refuse   int // so many dials at first
	tx       uint64
	problem  error
}

func (s *replayServer) dial(context.Context, string, string) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dials++
	if s.dials <= s.refuse {
		return nil, errors.New("connection refused")
	}
	client, server := net.Pipe()
	serve := &http.Server{Handler: http.HandlerFunc(s.serve)}
	go func() { _ = serve.Serve(&replayListener{conn: server}) }()
	return client, nil
}

// replayListener is a listener that accepts one connection.
type replayListener struct{ conn net.Conn }

func (l *replayListener) Accept() (net.Conn, error) {
	if l.conn == nil {
		return nil, io.EOF
	}
	c := l.conn
	l.conn = nil
	return c, nil
}
func (l *replayListener) Close() error   { return nil }
func (l *replayListener) Addr() net.Addr { return &net.UnixAddr{} }

func (s *replayServer) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	s.requests++
	n := s.requests
	var batch flow.Batch
	if err == nil {
		err = flowjson.Decode(&batch, body, flowjson.JSON, MaxFlows)
	}
	if err != nil || r.URL.Path != "/api/v1/flows" || r.Header.Get("Content-Type") != "application/json" {
		s.problem = fmt.Errorf("%s with %q: %w", r.URL, r.Header, err)
	}
	answer := replayOK(batch.Len())
	if s.answer != nil {
		answer = s.answer(n)
	}
	if answer != nil && answer.StatusCode == 200 {
		for _, item := range batch.Items {
			s.tx += item.Totals.BytesTx
		}
	}
	s.mu.Unlock()
	if answer == nil {
		panic(http.ErrAbortHandler)
	}
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body)
}

func replayOK(accepted int) *http.Response {
	return replayStatus(200, fmt.Sprintf(`{"accepted":%d,"duplicate":false}`, accepted))
}

func replayStatus(code int, body string, headers ...string) *http.Response {
	h := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: code, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

// replayTo runs a replay against s in a bubble with its own time, and returns what came of it
// and how long it took.
func replayTo(t *testing.T, ctx context.Context, s *replayServer, src Source, o Options) (r Result, took time.Duration, err error) {
	t.Helper()
	o.Target = "http://flowd.test/api/v1/"
	begin := time.Now()
	r, err = runOver(ctx, src, o, &http.Transport{DialContext: s.dial})
	if s.problem != nil {
		t.Error(s.problem)
	}
	if r.Stored+r.Refused+r.Unknown != r.Sent || r.Sent > r.Read {
		t.Errorf("the account does not add up: %+v", r)
	}
	return r, time.Since(begin), err
}

func TestReplayStoresAll(t *testing.T) {
	for _, test := range []struct{ flows, perPost, connections, posts int }{
		{0, 1000, 4, 0},
		{1, 1000, 4, 1},
		{1000, 1000, 1, 1},
		{2500, 1000, 4, 3},
		{50, 1, 8, 50},
	} {
		synctest.Test(t, func(t *testing.T) {
			var s replayServer
			r, _, err := replayTo(t, t.Context(), &s, &rowSource{n: test.flows},
				Options{FlowsPerPost: test.perPost, Connections: test.connections, Timeout: time.Second, Attempts: 1})
			n := uint64(test.flows)
			if diff := cmp.Diff(Result{Read: n, Sent: n, Stored: n}, r); diff != "" || err != nil {
				t.Errorf("%+v: error %v, result (-want +got):\n%s", test, err, diff)
			}
			if s.tx != n*(n+1)/2 || s.requests != test.posts || s.dials > test.connections {
				t.Errorf("%+v: the server has %d bytes by %d POSTs on %d connections", test, s.tx, s.requests, s.dials)
			}
		})
	}
}

// TestReplayAnswers sends 3 POSTs of 10 flows, one after the other, to servers that answer the
// first request in some way and all others with 200.
func TestReplayAnswers(t *testing.T) {
	soon := time.Date(2000, 1, 1, 0, 1, 30, 0, time.UTC).Format(http.TimeFormat) // bubbles begin at 2000
	for _, test := range []struct {
		name     string
		answer   *http.Response
		want     Result
		requests int
		least    time.Duration
		most     time.Duration
		err      string
	}{
		{"503 in seconds", replayStatus(503, "", "Retry-After", "20"), Result{Sent: 30, Stored: 30, Retries: 1}, 4, 20 * time.Second, 25 * time.Second, ""},
		{"429 until a date", replayStatus(429, "", "Retry-After", soon), Result{Sent: 30, Stored: 30, Retries: 1}, 4, 90 * time.Second, 105 * time.Second, ""},
		{"429 until a date of another clock", replayStatus(429, "", "Retry-After", soon, "Date", "Sat, 01 Jan 2000 00:01:20 GMT"), Result{Sent: 30, Stored: 30, Retries: 1}, 4, 10 * time.Second, 13 * time.Second, ""},
		{"429 until a date that is past", replayStatus(429, "", "Retry-After", "Sat, 01 Jan 2000 00:00:00 GMT"), Result{Sent: 30, Stored: 30, Retries: 1}, 4, firstDelay / 2, firstDelay, ""},
		{"503 without a time", replayStatus(503, ""), Result{Sent: 30, Stored: 30, Retries: 1}, 4, firstDelay / 2, firstDelay, ""},
		{"503 with an odd time", replayStatus(503, "", "Retry-After", "-5"), Result{Sent: 30, Stored: 30, Retries: 1}, 4, firstDelay / 2, firstDelay, ""},
		{"408", replayStatus(408, ""), Result{Sent: 30, Stored: 30, Retries: 1}, 4, firstDelay / 2, firstDelay, ""},
		{"503 for too long", replayStatus(503, "", "Retry-After", "301"), Result{Sent: 10, Refused: 10}, 1, 0, 0,
			"stopped: the server answered 503, to come back after 5m1s, which is too long to wait"},
		{"400", replayStatus(400, `{"title":"Bad flow","detail":"1 field is wrong","errors":[{"pointer":"/3/hour","detail":"must be an integer"}]}`, "Content-Type", "application/problem+json"), Result{Sent: 30, Stored: 20, Refused: 10,
			Problems: []string{"10 flows: the server answered 400: Bad flow: 1 field is wrong: /3/hour must be an integer"}}, 3, 0, 0, ""},
		{"422", replayStatus(422, ""), Result{Sent: 30, Stored: 20, Refused: 10}, 3, 0, 0, ""},
		{"500", replayStatus(500, "oh"), Result{Sent: 30, Stored: 30, Retries: 1}, 4, firstDelay / 2, firstDelay, ""},
		{"502", replayStatus(502, ""), Result{Sent: 30, Stored: 30, Retries: 1}, 4, firstDelay / 2, firstDelay, ""},
		{"401", replayStatus(401, `{"title":"Unauthorized"}`, "Content-Type", "application/problem+json"), Result{Sent: 10, Refused: 10, Problems: []string{"10 flows: the server answered 401: Unauthorized"}},
			1, 0, 0, "stopped: the server answered 401: Unauthorized"},
		{"404", replayStatus(404, `{"title":"Not Found"}`, "Content-Type", "application/problem+json"), Result{Sent: 10, Refused: 10}, 1, 0, 0, "stopped: the server answered 404: Not Found"},
		{"413", replayStatus(413, `{"detail":"at most 5 flows"}`, "Content-Type", "application/problem+json"), Result{Sent: 10, Refused: 10}, 1, 0, 0, "stopped: the server answered 413: at most 5 flows"},
		{"redirect", replayStatus(307, "", "Location", "http://elsewhere.test/"), Result{Sent: 10, Refused: 10}, 1, 0, 0, "stopped: the server answered 307"},
		{"204", replayStatus(204, ""), Result{Sent: 10, Unknown: 10}, 1, 0, 0, "stopped: the server answered 204"},
		{"200 of another server", replayStatus(200, "<html>"), Result{Sent: 10, Unknown: 10}, 1, 0, 0, `stopped: the server answered 200, but not as flowd does: "<html>"`},
		{"200 for fewer flows", replayOK(9), Result{Sent: 10, Unknown: 10}, 1, 0, 0, "stopped: the server answered that it accepted 9 flows, but the batch has 10"},
		{"200 cut short", replayStatus(200, `{"acc`, "Content-Length", "100"), Result{Sent: 30, Stored: 30, Retries: 1}, 4, firstDelay / 2, firstDelay, ""},
		{"no answer", nil, Result{Sent: 30, Stored: 30, Retries: 1}, 4, firstDelay / 2, firstDelay, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := replayServer{answer: func(n int) *http.Response {
					if n == 1 {
						return test.answer
					}
					return replayOK(10)
				}}
				r, took, err := replayTo(t, t.Context(), &s, &rowSource{n: 30},
					Options{FlowsPerPost: 10, Connections: 1, Timeout: time.Second, Attempts: 3})
				if got := fmt.Sprint(err); got != test.err && (err != nil || test.err != "") {
					t.Errorf("error %q, want %q", got, test.err)
				}
				if test.want.Problems == nil {
					r.Problems = nil
				}
				if err != nil { // How far the reader was ahead is open.
					r.Read = 0
				} else {
					test.want.Read = 30
				}
				if diff := cmp.Diff(test.want, r); diff != "" {
					t.Errorf("result (-want +got):\n%s", diff)
				}
				if s.requests != test.requests || took < test.least || took > test.most {
					t.Errorf("%d requests in %v, want %d in %v to %v", s.requests, took, test.requests, test.least, test.most)
				}
			})
		})
	}
}

func TestReplayGivesUp(t *testing.T) {
	for _, test := range []struct {
		name     string
		server   *replayServer
		want     Result
		requests int
		dials    int
		err      string
	}{
		{"overloaded for good", &replayServer{answer: func(int) *http.Response { return replayStatus(429, "", "Retry-After", "1") }},
			Result{Sent: 30, Refused: 30, Retries: 1}, 4, 1, "stopped: the server answered 429; gave up at attempt 4"},
		{"never there", &replayServer{refuse: 99}, Result{Retries: 1}, 0, 4, "stopped: no connection: connection refused; gave up at attempt 4"},
		{"there in the end", &replayServer{refuse: 3}, Result{Sent: 30, Stored: 30, Retries: 3}, 3, 4, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, took, err := replayTo(t, t.Context(), test.server, &rowSource{n: 30},
					Options{FlowsPerPost: 10, Connections: 1, Timeout: time.Second, Attempts: 4})
				if got := fmt.Sprint(err); got != test.err && (err != nil || test.err != "") {
					t.Errorf("error %q, want %q", got, test.err)
				}
				r.Read, r.Problems = 0, nil
				if diff := cmp.Diff(test.want, r); diff != "" {
					t.Errorf("result (-want +got):\n%s", diff)
				}
				if test.server.requests != test.requests || test.server.dials != test.dials || took > time.Minute {
					t.Errorf("%d requests on %d connections in %v", test.server.requests, test.server.dials, took)
				}
			})
		})
	}
}

// TestReplayTimeout sends to a server that takes connections and says nothing.
func TestReplayTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			client, server := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, server) }()
			return client, nil
		}}
		r, err := runOver(t.Context(), &rowSource{n: 20}, Options{Target: "http://flowd.test",
			FlowsPerPost: 10, Connections: 2, Timeout: 3 * time.Second, Attempts: 4}, transport)
		want := Result{Read: 20, Sent: 20, Unknown: 20, Retries: 3}
		want.Problems = []string{"20 flows: no answer: context deadline exceeded"}
		r.Retries = 3 // or 2, as the two batches took turns
		if diff := cmp.Diff(want, r); diff != "" || fmt.Sprint(err) != "stopped: no answer: context deadline exceeded; gave up at attempt 4" {
			t.Errorf("error %v, result (-want +got):\n%s", err, diff)
		}
	})
}

// TestReplayInterrupted ends while the server asks for patience.
func TestReplayInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		s := replayServer{answer: func(int) *http.Response { return replayStatus(503, "", "Retry-After", "60") }}
		r, took, err := replayTo(t, ctx, &s, &rowSource{n: 1000},
			Options{FlowsPerPost: 10, Connections: 2, Timeout: time.Second, Attempts: 9})
		if !errors.Is(err, context.DeadlineExceeded) || r.Refused < 10 || r.Refused > 20 || took != 30*time.Second {
			t.Errorf("after %v: error %v, %+v", took, err, r)
		}
	})
}

func TestReplaySourceError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s replayServer
		src := &rowSource{n: 15, err: errors.New("line 16: disk on fire")}
		r, _, err := replayTo(t, t.Context(), &s, src, Options{FlowsPerPost: 10, Connections: 2, Timeout: time.Second, Attempts: 1})
		if err != src.err || r.Stored != 15 {
			t.Errorf("error %v, %+v; want what was read before it to be stored", err, r)
		}
	})
}

func TestReplayLongNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s replayServer
		long := strings.Repeat(`"`, flow.MaxName) // each byte takes two in JSON
		src := &sameSource{n: 10_000, flow: flow.Flow{SrcApp: long, DestApp: long, VPCID: long, BytesTx: 1}}
		r, _, err := replayTo(t, t.Context(), &s, src, Options{FlowsPerPost: MaxFlows, Connections: 1, Timeout: time.Minute, Attempts: 1})
		if err != nil || r.Stored != 10_000 || s.requests != 6 {
			t.Errorf("error %v, %d stored by %d POSTs", err, r.Stored, s.requests)
		}
	})
}

// sameSource gives one flow n times.
type sameSource struct {
	n    int
	flow flow.Flow
}

func (s *sameSource) Next() bool       { s.n--; return s.n >= 0 }
func (s *sameSource) Flow() *flow.Flow { return &s.flow }
func (s *sameSource) Err() error       { return nil }

func TestReplayOptions(t *testing.T) {
	good := Options{Target: "http://127.0.0.1:1", FlowsPerPost: 1, Connections: 1, Timeout: time.Second, Attempts: 1}
	for _, test := range []struct {
		name  string
		spoil func(*Options)
	}{
		{"no target", func(o *Options) { o.Target = "" }},
		{"a query in the target", func(o *Options) { o.Target += "/?a=b" }},
		{"no flows", func(o *Options) { o.FlowsPerPost = 0 }},
		{"too many flows", func(o *Options) { o.FlowsPerPost = MaxFlows + 1 }},
		{"no connections", func(o *Options) { o.Connections = 0 }},
		{"too many connections", func(o *Options) { o.Connections = MaxConnections + 1 }},
		{"a token with a line end", func(o *Options) { o.Token = "flowd_\r\nX: y" }},
		{"no time", func(o *Options) { o.Timeout = 0 }},
		{"no attempts", func(o *Options) { o.Attempts = 0 }},
	} {
		o := good
		test.spoil(&o)
		var invalid *loadtest.InvalidError
		if r, err := Run(t.Context(), &rowSource{n: 1}, o); !errors.As(err, &invalid) || r.Read > 0 {
			t.Errorf("%s: error %v after %d flows, want a *loadtest.InvalidError before the first", test.name, err, r.Read)
		}
	}
}
