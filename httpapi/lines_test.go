package httpapi

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"flowd/flow"
	"flowd/logs"
)

// longestLine is the most bytes that a line has which is not about a panic.
const longestLine = 1600

var moreLines = regexp.MustCompile(` more=(\d+)`)

// told returns how many lines of a message were written, and how many were summed up, after the window's
// end.
func (ts *testServer) told(message string) (written, summed int) {
	ts.t.Helper()
	ts.lines.Flush()
	for line := range strings.Lines(ts.log.String()) {
		if len(line) > longestLine && !strings.Contains(line, "stack=") {
			ts.t.Errorf("a line of %d bytes: %s", len(line), line)
		}
		if !strings.Contains(line, "msg="+message) && !strings.Contains(line, `msg="`+message) {
			continue
		}
		if found := moreLines.FindStringSubmatch(line); found != nil {
			n, _ := strconv.Atoi(found[1])
			summed += n
		} else {
			written++
		}
	}
	return written, summed
}

// wantTold checks that as many events were logged, in a few lines for each window that the test may have had.
func (ts *testServer) wantTold(message string, events, first int, began time.Time) {
	ts.t.Helper()
	written, summed := ts.told(message)
	windows := int(time.Since(began)/logs.Window) + 1
	if written+summed != events || written < min(first, events) || written > first*windows {
		ts.t.Errorf("%q: %d lines and %d summed up, want %d of %d in each of at most %d windows",
			message, written, summed, first, events, windows)
	}
}

// pipeline sends a request n times without waiting, and returns how often each status was answered. It looks
// for status lines alone, as these requests are many; one follows the body before it without a line's end.
func (c *client) pipeline(request string, n int) map[int]int {
	c.t.Helper()
	sent := make(chan error, 1)
	go func() {
		w := bufio.NewWriter(c.TCPConn)
		for range n {
			_, _ = w.WriteString(request) // Flush tells
		}
		sent <- w.Flush()
	}()
	got := map[int]int{}
	for answers := 0; answers < n; {
		line, err := c.r.ReadString('\n')
		if err != nil {
			c.t.Fatalf("after %d answers: %v", answers, err)
		}
		if _, status, found := strings.Cut(line, "HTTP/1.1 "); found {
			code, _ := strconv.Atoi(status[:3])
			got[code]++
			answers++
		}
	}
	if err := <-sent; err != nil {
		c.t.Fatal(err)
	}
	return got
}

// However often a client is refused, the log has a few lines of it and their number, and the metrics have
// all; at level debug, where each answer and what the HTTP library says are lines too, it is no different.
func TestRefusalsAreFewLines(t *testing.T) {
	t.Parallel()
	for _, level := range []slog.Level{slog.LevelInfo, slog.LevelDebug} {
		t.Run(level.String(), func(t *testing.T) {
			t.Parallel()
			ts := serve(t, nil, nil)
			ts.level.Set(level)
			began := time.Now()
			const n = 20_000
			c := ts.dial()
			// A target of what takes most room in a log.
			hostile := "/" + strings.Repeat(`"\`, 20) + strings.Repeat("%00\xff", 60)
			if got := c.pipeline(head("GET", hostile), n); got[404] != n {
				t.Fatalf("%v", got)
			}
			ts.wantTold("refused", n, 5, began)
			if got := ts.metric(`flowd_http_requests_rejected_total{reason="unknown_path"}`); got != itoa(n) {
				t.Errorf("%s counted", got)
			}
			if got := ts.metric(`flowd_http_request_duration_seconds_count{route="other",code="404"}`); got != itoa(n) {
				t.Errorf("%s measured", got)
			}
			answered := 0
			if level == slog.LevelDebug {
				const n = 5_000
				if got := c.pipeline(head("GET", "/livez"), n); got[200] != n {
					t.Fatalf("%v", got)
				}
				ts.wantTold("answered", n, 10, began)
				_, answered = ts.told("answered")
			}
			_, refused := ts.told("refused")
			if got := ts.metric("flowd_logging_suppressed_lines_total"); got != itoa(refused+answered) {
				t.Errorf("%s lines counted as summed up, want %d", got, refused+answered)
			}
		})
	}
}

// A sum names the client; where there are many, how many at least.
func TestManyAddressesAreFewLines(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, nil)
	began := time.Now()
	const clients = 300
	for i := range clients {
		from := &net.TCPAddr{IP: net.IPv4(127, 1, byte(i>>8), byte(i))}
		nc, err := (&net.Dialer{LocalAddr: from}).Dial("tcp", ts.addr)
		if err != nil {
			t.Skipf("this machine has no address %s: %v", from.IP, err)
		}
		c := &client{TCPConn: nc.(*net.TCPConn), t: t, r: bufio.NewReader(nc)}
		if got := c.pipeline(head("GET", "/nowhere"), 10); got[404] != 10 {
			t.Errorf("%v", got)
		}
		c.Close()
	}
	written, summed := ts.told("refused")
	if written+summed != 10*clients {
		t.Errorf("%d lines and %d summed up", written, summed)
	}
	seconds := int(time.Since(began)/time.Second) + 1
	if lines := strings.Count(ts.log.String(), "\n"); lines > 100*seconds || lines > 22+5*seconds+16*(seconds/10+1) {
		t.Errorf("%d lines in %d seconds", lines, seconds)
	}
	if text := ts.log.String(); !regexp.MustCompile(`msg="refused, more of the same" status=404 reason=unknown_path clients=\d+ more=`).MatchString(text) ||
		!regexp.MustCompile(`more of the same" status=404 reason=unknown_path client=127\.1\.\d+\.\d+ more=`).MatchString(text) {
		t.Errorf("no clients are summed up: %s", text)
	}
}

// A client is its token where it has one.
func TestTokensAreClientsInTheLog(t *testing.T) {
	t.Parallel()
	ts := guarded(t)
	began := time.Now()
	const n = 100
	request := head("POST", "/flows", bearing(writeToken), "Content-Length: 2") + "[1"
	if got := ts.dial().pipeline(request, n); got[400] != n {
		t.Fatalf("%v", got)
	}
	ts.wantTold("refused", n, 5, began)
	if text := ts.log.String(); !strings.Contains(text, `more of the same" status=400 reason=invalid_batch client=write more=`) {
		t.Errorf("the token is not named: %s", text)
	}
}

// Panics of one place are a few lines, those of another are seen beside them, and each is counted.
func TestPanicsAreFewLines(t *testing.T) {
	t.Parallel()
	ts := serve(t, &hookEngine{
		Engine: newTable(t),
		hours:  func() ([]flow.HourTotals, error) { panic("a fault " + strings.Repeat("x", 100_000)) },
		ledger: func() (flow.Ledger, error) { var none []int; return flow.Ledger{}, fmt.Errorf("%d", none[3]) },
	}, nil)
	began := time.Now()
	const n = 1000
	if got := ts.dial().pipeline(head("GET", "/hours"), n); got[500] != n {
		t.Fatalf("%v", got)
	}
	ts.wantTold("panic while answering a request", n, 5, began)
	if r := ts.do("GET", "/ledger", ""); r.StatusCode != 500 {
		t.Errorf("%d", r.StatusCode)
	}
	text := ts.log.String()
	for _, want := range []string{"reason=flowd/httpapi.TestPanicsAreFewLines.func1:", "reason=flowd/httpapi.TestPanicsAreFewLines.func2:", "index out of range", "stack="} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %q", want)
		}
	}
	if most := 8 * (4096 + 4096 + longestLine) * (int(time.Since(began)/logs.Window) + 1); len(text) > most {
		t.Errorf("%d bytes, more than %d", len(text), most)
	}
	if got := ts.metric("flowd_http_panics_total"); got != itoa(n+1) {
		t.Errorf("%s panics counted", got)
	}
}

// What is not TLS, and what cannot be accepted, are a few lines too.
func TestConnectionsAreFewLines(t *testing.T) {
	t.Parallel()
	ss := serveSecured(t, nil, nil, nil)
	ss.level.Set(slog.LevelDebug)
	began := time.Now()
	const n = 200
	for range n {
		c := ss.dial()
		c.write("GET / HTTP/1.1\r\n\r\n")
		c.read("GET")
		c.Close()
	}
	eventually(t, "all are counted", func() bool { return ss.failuresOf("plain_http") == itoa(n) })
	eventually(t, "all are over", func() bool { return ss.conns.Count() == 0 })
	ss.wantTold("no secure connection", n, 5, began)

	plain := serve(t, nil, nil)
	plain.level.Set(slog.LevelDebug)
	began = time.Now()
	for range n {
		c := plain.dial()
		c.write("nonsense\r\n\r\n")
		c.read("GET")
		c.Close()
	}
	eventually(t, "all are over", func() bool { return plain.conns.Count() == 0 })
	plain.wantTold("refused", n, 5, began)
	plain.wantTold("said by the HTTP library", n, 10, began)

	// A client that opens and closes connections at the limit of open files makes accepts fail and succeed.
	ts := newServer(t, &nullEngine{}, nil)
	began = time.Now()
	const flaps = 30
	for range flaps {
		near, far := net.Pipe()
		far.Close()
		ln := ts.conns.Listen(&failingListener{errs: []error{syscall.EMFILE, nil}, conn: near})
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		ts.conns.Follow(c, fasthttp.StateClosed)
		c.Close()
	}
	ts.wantTold("cannot accept connections", flaps, 5, began)
}

// The admin listener is as quiet.
func TestAdminRefusalsAreFewLines(t *testing.T) {
	t.Parallel()
	as := serveAdmin(t, nil, nil)
	as.ts.level.Set(slog.LevelDebug)
	began := time.Now()
	const n = 1000
	request := "GET /" + strings.Repeat("%ff", 1000) + " HTTP/1.1\r\nHost: localhost\r\n\r\n"
	if got := as.dial().pipeline(request, n); got[404] != n {
		t.Fatalf("%v", got)
	}
	as.ts.wantTold("refused an admin request", n, 5, began)
	if got := as.ts.metric(`flowd_http_requests_rejected_total{reason="unknown_path"}`); got != itoa(n) {
		t.Errorf("%s counted", got)
	}
}
