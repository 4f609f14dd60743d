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
)

// memoryServer is POST /flows without a network: it counts flows by their source in a map, and knows
// batches that come again by the server's own windows. It fails as a test wants.
type memoryServer struct {
	// fault is asked for each POST, counted from 1; nil is none.
	fault func(post int, r *http.Request) fault

	mu      sync.Mutex
	windows *dedupe.Windows
	counts  map[string]uint64
	posts   []received
	wrong   []string
}

// received is a POST that came.
type received struct {
	agent  string
	seq    uint64
	flows  int
	status int
	at     time.Time
	header http.Header
	bytes  int
}

// fault is what goes wrong with a POST.
type fault struct {
	// unreached is a POST that finds no connection.
	unreached bool
	// answer is given in place of the server's own, before the batch counts, or after.
	answer *http.Response
	counts bool
	// hangUp ends the connection in place of the answer.
	hangUp bool
	// wait is waited for before anything happens; the POST may be given up meanwhile. With silent that
	// is how it ends.
	wait   <-chan struct{}
	silent bool
}

func newMemoryServer() *memoryServer {
	return &memoryServer{
		windows: dedupe.New(dedupe.Options{Window: 24 * time.Hour, Keys: 1, Agents: 100}),
		counts:  map[string]uint64{},
	}
}

// fails changes what goes wrong from now on.
func (s *memoryServer) fails(f func(post int, r *http.Request) fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// RoundTrip implements http.RoundTripper.
func (s *memoryServer) RoundTrip(r *http.Request) (*http.Response, error) {
	defer r.Body.Close()
	s.mu.Lock()
	n := len(s.posts)
	s.posts = append(s.posts, received{at: time.Now(), header: r.Header})
	ask := s.fault
	s.mu.Unlock()
	var f fault
	if ask != nil {
		f = ask(n+1, r)
	}
	if f.unreached {
		return nil, errors.New("connection refused")
	}
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	if f.wait != nil || f.silent {
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

// count does what a server does with a batch.
func (s *memoryServer) count(n int, h http.Header, body []byte) *http.Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	post := &s.posts[n]
	post.bytes = len(body)
	plain, err := decompress(h.Get("Content-Encoding"), body)
	var batch flow.Batch
	if err == nil {
		err = batch.Decode(plain, flow.JSON, MaxBatchFlows)
	}
	post.agent = h.Get("Flowd-Agent")
	post.seq, _ = strconv.ParseUint(h.Get("Flowd-Seq"), 10, 64)
	post.flows = batch.Len()
	origin := flow.Origin{Agent: post.agent, Seq: post.seq}
	if err = errors.Join(err, origin.Check()); err != nil || !origin.Named() {
		s.wrong = append(s.wrong, fmt.Sprintf("%v: %v", h, err))
		return problemAnswer(400, "bad batch")
	}
	duplicate, err := s.windows.Check(&origin, flow.Fingerprint(batch.AppendFlows(nil)), time.Now().UnixMilli())
	switch {
	case errors.Is(err, flow.ErrReused):
		return problemAnswer(422, "reused")
	case errors.Is(err, flow.ErrTooOld):
		return problemAnswer(409, "too old")
	case err != nil:
		s.wrong = append(s.wrong, err.Error())
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

// held returns how often each of the named flows counts, and fails the test if something was wrong with
// what came.
func (s *memoryServer) held(t testing.TB) map[string]uint64 {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, wrong := range s.wrong {
		t.Error(wrong)
	}
	return s.counts
}

// received returns the POSTs that came.
func (s *memoryServer) received() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.posts...)
}

// options are those of tests that send to s: batches of 10 flows, one at a time.
func (s *memoryServer) options() Options {
	o := DefaultOptions()
	o.URL, o.Agent = "http://flowd.test", "web-1"
	o.HTTP = &http.Client{Transport: s}
	o.BatchFlows, o.Connections = 10, 1
	return o
}

// open starts a client, and closes it at the end of the test if that has not done so.
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

// named is a flow of a name.
func named(name string) flow.Flow {
	return flow.Flow{SrcApp: name, DestApp: "db", VPCID: "vpc-0", BytesTx: 1, BytesRx: 2, Hour: 7}
}

// add adds n flows of the names prefix0, prefix1 and so on.
func add(t testing.TB, c *Client, prefix string, n int) {
	t.Helper()
	for i := range n {
		f := named(prefix + strconv.Itoa(i))
		if err := c.Add(&f); err != nil {
			t.Fatal(err)
		}
	}
}

// once is what a server holds that counted n flows of a prefix once each.
func once(prefix string, n int) map[string]uint64 {
	counts := map[string]uint64{}
	for i := range n {
		counts[prefix+strconv.Itoa(i)] = 1
	}
	return counts
}

// mustClose closes a client that can send all it has.
func mustClose(t testing.TB, c *Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Errorf("Close: %v; %+v", err, c.Stats())
	}
}

// balanced fails the test if the account of a client does not come out even.
func balanced(t testing.TB, c *Client) Stats {
	t.Helper()
	s := c.Stats()
	in := s.Added + s.Recovered.Flows
	out := s.Open + s.Pending.Flows + s.Stored.Flows + s.Refused.Flows + s.InDoubt.Flows + s.Dropped.Flows + s.Damaged.Flows
	if in != out {
		t.Errorf("%d flows came in, %d are accounted for: %+v", in, out, s)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	held := int64(0)
	for _, p := range c.queue.parcels {
		if p.saved {
			held += int64(len(p.body))
		}
	}
	if held != c.cached || held > maxCached {
		t.Errorf("%d bytes of saved batches are in memory, noted are %d", held, c.cached)
	}
	return s
}

// patience is how long a test waits for what must happen, on a machine that is busy with much else too.
const patience = 2 * time.Minute

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

func (l *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// forward lets s answer a request that came over a network.
func forward(w http.ResponseWriter, r *http.Request, s *memoryServer) {
	answer, err := s.RoundTrip(r)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body) // who hangs up meanwhile is tested elsewhere
}

// quietLog is for servers whose clients fail on purpose.
func quietLog() *log.Logger { return log.New(io.Discard, "", 0) }
