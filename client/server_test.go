package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"flowd/dedupe"
	"flowd/flow"
	"flowd/flow/flowjson"
)

// memoryServer is POST /flows without a network. It counts flows by source in a map, and detects
// duplicates with the server's own dedupe windows. Tests inject faults.
type memoryServer struct {
	// fault returns the fault of each POST, counted from 1; nil injects none.
	fault func(post int, r *http.Request) fault

	mu       sync.Mutex
	windows  *dedupe.Windows
	counts   map[string]uint64
	posts    []receivedPost
	problems []string
}

// receivedPost is a POST that the server received.
type receivedPost struct {
	agent  string
	seq    uint64
	flows  int
	status int
	at     time.Time
	header http.Header
	bytes  int
}

// fault is the failure of a POST. The zero value is a POST without failure.
type fault struct {
	// noConnection fails the POST before it connects.
	noConnection bool
	// answer replaces the server's own. With counts the batch counts all the same.
	answer *http.Response
	counts bool
	// hangUp closes the connection instead of answering.
	hangUp bool
	// wait delays the POST until it is closed or the request is canceled. noAnswer waits for the
	// cancellation.
	wait     <-chan struct{}
	noAnswer bool
}

func newMemoryServer() *memoryServer {
	return &memoryServer{
		windows: dedupe.New(dedupe.Options{Window: 24 * time.Hour, Keys: 1, Agents: 100}),
		counts:  map[string]uint64{},
	}
}

// setFault replaces fault.
func (s *memoryServer) setFault(f func(post int, r *http.Request) fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// RoundTrip implements http.RoundTripper.
func (s *memoryServer) RoundTrip(r *http.Request) (*http.Response, error) {
	defer r.Body.Close()
	s.mu.Lock()
	n := len(s.posts)
	s.posts = append(s.posts, receivedPost{at: time.Now(), header: r.Header})
	faultOf := s.fault
	s.mu.Unlock()
	var f fault
	if faultOf != nil {
		f = faultOf(n+1, r)
	}
	if f.noConnection {
		return nil, errors.New("connection refused")
	}
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	if f.wait != nil || f.noAnswer {
		select {
		case <-f.wait:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var answer *http.Response
	if f.answer == nil && !f.hangUp || f.counts {
		answer = s.count(n, r.Header, body)
	}
	if f.hangUp {
		return nil, io.ErrUnexpectedEOF
	}
	if f.answer != nil {
		answer = f.answer
	}
	s.mu.Lock()
	s.posts[n].status = answer.StatusCode
	s.mu.Unlock()
	return answer, nil
}

// count stores a batch like the server.
func (s *memoryServer) count(n int, h http.Header, body []byte) *http.Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	post := &s.posts[n]
	post.bytes = len(body)
	plain, err := decompress(h.Get("Content-Encoding"), body)
	var batch flow.Batch
	if err == nil {
		err = flowjson.Decode(&batch, plain, flowjson.JSON, MaxBatchFlows)
	}
	post.agent = h.Get("Flowd-Agent")
	post.seq, _ = strconv.ParseUint(h.Get("Flowd-Seq"), 10, 64)
	post.flows = batch.Len()
	origin := flow.Origin{Agent: post.agent, Seq: post.seq}
	if err = errors.Join(err, origin.Check()); err != nil || !origin.Named() {
		s.problems = append(s.problems, fmt.Sprintf("%v: %v", h, err))
		return problemAnswer(400, "bad batch")
	}
	duplicate, err := s.windows.Check(&origin, flow.Fingerprint(batch.AppendFlows(nil)), time.Now().UnixMilli())
	switch {
	case errors.Is(err, flow.ErrReused):
		return problemAnswer(422, "reused")
	case errors.Is(err, flow.ErrTooOld):
		return problemAnswer(409, "too old")
	case err != nil:
		s.problems = append(s.problems, err.Error())
		return problemAnswer(503, err.Error())
	}
	if !duplicate {
		for i := range batch.Items {
			src, _, _ := batch.Key(&batch.Items[i]).Names()
			s.counts[string(src)]++
		}
	}
	return textAnswer(200, fmt.Sprintf(`{"accepted":%d,"duplicate":%t}`, batch.Len(), duplicate))
}

func decompress(encoding string, body []byte) ([]byte, error) {
	switch encoding {
	case "gzip":
		r, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	case "zstd":
		r, err := zstd.NewReader(nil)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return r.DecodeAll(body, nil)
	}
	return body, nil
}

func textAnswer(status int, body string, headers ...string) *http.Response {
	h := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

func problemAnswer(status int, detail string, headers ...string) *http.Response {
	return textAnswer(status, fmt.Sprintf(`{"title":%q,"detail":%q}`, http.StatusText(status), detail),
		append(headers, "Content-Type", "application/problem+json")...)
}

// counted returns how often each named flow counts. It fails the test if an invalid POST came.
func (s *memoryServer) counted(t testing.TB) map[string]uint64 {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, wrong := range s.problems {
		t.Error(wrong)
	}
	return s.counts
}

// received returns the POSTs that came.
func (s *memoryServer) received() []receivedPost {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]receivedPost(nil), s.posts...)
}

// options returns options that send to s: batches of 10 flows, one at a time.
func (s *memoryServer) options() Options {
	o := DefaultOptions()
	o.URL, o.Agent = "http://flowd.test", "web-1"
	o.HTTP = &http.Client{Transport: s}
	o.BatchFlows, o.Connections = 10, 1
	return o
}

// open opens a client, and closes it at the end of the test.
func open(t testing.TB, o Options) *Client {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = c.Close(ctx)
	})
	return c
}

// namedFlow returns a flow with this source.
func namedFlow(name string) flow.Flow {
	return flow.Flow{SrcApp: name, DestApp: "db", VPCID: "vpc-0", BytesTx: 1, BytesRx: 2, Hour: 7}
}

// add adds n flows named prefix0, prefix1 and so on.
func add(t testing.TB, c *Client, prefix string, n int) {
	t.Helper()
	for i := range n {
		f := namedFlow(prefix + strconv.Itoa(i))
		if err := c.Add(&f); err != nil {
			t.Fatal(err)
		}
	}
}

// onceEach returns the counts of a server that counted n flows of a prefix once each.
func onceEach(prefix string, n int) map[string]uint64 {
	counts := map[string]uint64{}
	for i := range n {
		counts[prefix+strconv.Itoa(i)] = 1
	}
	return counts
}

// mustClose closes a client, which must send all its batches.
func mustClose(t testing.TB, c *Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Errorf("Close: %v; %+v", err, c.Stats())
	}
}

// checkBalance fails the test if the counters of a client do not balance.
func checkBalance(t testing.TB, c *Client) Stats {
	t.Helper()
	s := c.Stats()
	in := s.Added + s.Recovered.Flows
	out := s.Open + s.Pending.Flows + s.Stored.Flows + s.Refused.Flows + s.InDoubt.Flows + s.Dropped.Flows + s.Damaged.Flows
	if in != out {
		t.Errorf("%d flows were added or recovered, but %d are counted: %+v", in, out, s)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	cached := int64(0)
	for _, p := range c.queue.batches {
		if p.saved {
			cached += int64(len(p.body))
		}
	}
	if cached != c.cached || cached > maxCached {
		t.Errorf("%d bytes of saved batches are in memory, but cached is %d", cached, c.cached)
	}
	return s
}

// testTimeout bounds the waits of tests, generously, since the machine may be busy.
const testTimeout = 2 * time.Minute

// logBuffer stores log lines.
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

func (l *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// forward answers a request over a network by s.
func forward(w http.ResponseWriter, r *http.Request, s *memoryServer) {
	answer, err := s.RoundTrip(r)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body) // other tests cover lost connections
}

// quietLog returns the log of servers whose clients fail on purpose.
func quietLog() *log.Logger { return log.New(io.Discard, "", 0) }
