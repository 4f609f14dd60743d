package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/goccy/go-json"
	"github.com/google/go-cmp/cmp"

	"flowd/access"
	"flowd/flow"
	"flowd/httpapi"
	"flowd/local"
)

// flowd is a real server on a socket, with its data in memory.
type flowd struct {
	t      testing.TB
	engine *local.Engine
	url    string
}

func startFlowd(t testing.TB, gate *access.Gate) *flowd {
	t.Helper()
	engine, err := local.New(local.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Open(); err != nil {
		t.Fatal(err)
	}
	server := httpapi.New(httpapi.Options{
		Engine: engine, Gate: gate, Limits: httpapi.DefaultLimits(), Logger: slog.New(slog.DiscardHandler),
		Metrics: metrics.NewSet(), Durability: "none",
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return &flowd{t, engine, "http://" + listener.Addr().String()}
}

// newTokenGate returns a gate with two tokens: the agent's, which may send flows of vpc-* and read, and
// another that may only read.
func newTokenGate(t testing.TB) *access.Gate {
	t.Helper()
	list, err := access.Parse("tokens.yaml", fmt.Appendf(nil, `tokens:
  - {name: desk, sha256: %x, scopes: [ingest, query], vpcs: ["vpc-*"]}
  - {name: reader, sha256: %x, scopes: [query]}
`, sha256.Sum256([]byte(agentToken)), sha256.Sum256([]byte(readerToken))))
	if err != nil {
		t.Fatal(err)
	}
	gate := access.NewGate(access.Options{})
	gate.Replace(list)
	return gate
}

const readerToken = "flowd_reader-token"

// rows returns the server's answer for all hours.
func (s *flowd) rows() []flow.Flow {
	s.t.Helper()
	request, err := http.NewRequest(http.MethodGet, s.url+"/flows?from=0", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+readerToken)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 {
		s.t.Fatalf("%s: %s, %v", response.Status, text, err)
	}
	var rows []struct {
		Src  string    `json:"src_app"`
		Dest string    `json:"dest_app"`
		VPC  string    `json:"vpc_id"`
		Tx   uint64    `json:"bytes_tx"`
		Rx   uint64    `json:"bytes_rx"`
		Hour flow.Hour `json:"hour"`
	}
	if err := json.Unmarshal(text, &rows); err != nil {
		s.t.Fatal(err)
	}
	flows := make([]flow.Flow, len(rows))
	for i, r := range rows {
		flows[i] = flow.Flow{SrcApp: r.Src, DestApp: r.Dest, VPCID: r.VPC, BytesTx: r.Tx, BytesRx: r.Rx, Hour: r.Hour}
	}
	return flows
}

// ledger returns the server's ledger, which must balance.
func (s *flowd) ledger() flow.Ledger {
	s.t.Helper()
	ledger, err := s.engine.Ledger()
	if err != nil {
		s.t.Fatal(err)
	}
	return ledger
}

// flakyProxy is a proxy that fails one POST in oneIn, before or after the server has seen it, as
// networks, proxies and overloaded servers do.
type flakyProxy struct {
	server string
	http   http.Client

	mu        sync.Mutex
	oneIn     int
	onlyFault int // the fault to inject; 0 for all
	rng       *rand.Rand
	coverage  map[string]int
}

// startFlakyProxy returns the proxy and its address.
func startFlakyProxy(t testing.TB, server string, oneIn int) (*flakyProxy, string) {
	n := &flakyProxy{server: server, oneIn: oneIn, rng: rand.New(rand.NewPCG(3, 4)), coverage: map[string]int{}}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	n.http.Transport = transport
	front := httptest.NewUnstartedServer(n)
	front.Config.ErrorLog = quietLog()
	front.Start()
	t.Cleanup(func() {
		front.Close()
		transport.CloseIdleConnections()
	})
	return n, front.URL
}

func (n *flakyProxy) random(most int) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.rng.IntN(most)
}

// set changes the rate of faults, and restricts them to one fault unless onlyFault is 0.
func (n *flakyProxy) set(oneIn, onlyFault int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.oneIn, n.onlyFault = oneIn, onlyFault
}

func (n *flakyProxy) count(what string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.coverage[what]++
}

// ServeHTTP implements http.Handler.
func (n *flakyProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	oneIn, faultKind := n.oneIn, n.onlyFault
	n.mu.Unlock()
	if n.random(oneIn) > 0 {
		n.forward(w, r, false)
		return
	}
	if faultKind == 0 {
		faultKind = n.random(6)
	}
	switch faultKind {
	case 0:
		n.count("hung up before")
		panic(http.ErrAbortHandler)
	case 1:
		n.count("503")
		w.WriteHeader(503)
	case 2:
		n.count("429")
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(429)
	case 3:
		n.forward(nil, r, true)
		n.count("hung up after")
		panic(http.ErrAbortHandler)
	case 4:
		n.forward(nil, r, true)
		n.count("500 after")
		w.WriteHeader(500)
	case 5:
		n.count("answer cut")
		n.forward(w, r, true)
		panic(http.ErrAbortHandler)
	}
}

// forward sends a request to the server and copies the answer: half of it with cut, nothing if w is nil.
func (n *flakyProxy) forward(w http.ResponseWriter, r *http.Request, cut bool) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	forwarded, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, n.server+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	forwarded.Header = r.Header.Clone()
	answer, err := n.http.Do(forwarded)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if w == nil {
		return
	}
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(answer.StatusCode)
	if cut {
		text = text[:len(text)/2]
	}
	_, _ = w.Write(text)
	if cut {
		_ = http.NewResponseController(w).Flush()
	}
}

// TestRealServer holds that over a flaky network the totals of a real server are those of the added
// flows.
func TestRealServer(t *testing.T) {
	server := startFlowd(t, nil)
	proxy, url := startFlakyProxy(t, server.url, 4)
	want := map[flow.Flow]flow.Totals{}
	for i, encoding := range []Encoding{Plain, Gzip, Zstandard} {
		o := DefaultOptions()
		o.URL, o.Agent, o.Encoding, o.minBackoff = url, "web-1", encoding, time.Millisecond
		o.BatchFlows, o.Connections = 20, 8
		if i > 0 {
			o.Dir = t.TempDir()
		}
		c := open(t, o)
		for n := range 4000 {
			f := flow.Flow{
				SrcApp: fmt.Sprintf("app %d \"é\"", n%700), DestApp: "db" + string(encoding), VPCID: "vpc-0",
				BytesTx: uint64(n), BytesRx: 3, Hour: flow.Hour(n % 3),
			}
			if err := c.Add(&f); err != nil {
				t.Fatal(err)
			}
			addTo(want, f)
		}
		mustClose(t, c)
		if stats := checkBalance(t, c); stats.Stored != (Count{200, 4000}) || stats.Duplicate.Batches == 0 || stats.Retries == 0 {
			t.Errorf("%+v", stats)
		}
	}
	got := map[flow.Flow]flow.Totals{}
	for _, row := range server.rows() {
		addTo(got, row)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	if ledger := server.ledger(); ledger.Stored.Flows != 12_000 || ledger.Duplicate.Flows == 0 {
		t.Errorf("%+v", ledger)
	}
	for _, what := range []string{"hung up before", "hung up after", "503", "429", "500 after", "answer cut"} {
		if proxy.coverage[what] == 0 {
			t.Errorf("%q never happened: %v", what, proxy.coverage)
		}
	}
}

// addTo adds a flow to the totals of its tuple and hour.
func addTo(totals map[flow.Flow]flow.Totals, f flow.Flow) {
	tuple := f
	tuple.BytesTx, tuple.BytesRx = 0, 0
	sum := totals[tuple]
	sum.Add(flow.Totals{BytesTx: f.BytesTx, BytesRx: f.BytesRx})
	totals[tuple] = sum
}

// TestRealTokens holds that the client waits for a valid token, and moves a batch aside whose VPC the
// token does not cover.
func TestRealTokens(t *testing.T) {
	server := startFlowd(t, newTokenGate(t))
	tokens := []string{"", "flowd_unknown", readerToken, agentToken}
	var mu sync.Mutex
	var reasons []string
	o := DefaultOptions()
	o.URL, o.Agent, o.minBackoff, o.Connections, o.BatchFlows = server.url, "web-1", time.Millisecond, 1, 10
	o.Token = func() (string, error) {
		mu.Lock()
		defer mu.Unlock()
		return tokens[min(len(reasons), len(tokens)-1)], nil
	}
	o.Retrying = func(a *Attempt) {
		mu.Lock()
		defer mu.Unlock()
		reasons = append(reasons, a.Reason)
	}
	var refused []string
	o.Refused = func(r *RefusedBatch) { refused = append(refused, fmt.Sprintf("%d: %s", r.Status, r.Reason)) }
	c := open(t, o)
	add(t, c, "a", 10)
	foreign := namedFlow("b")
	foreign.VPCID = "test-0"
	if err := c.Add(&foreign); err != nil {
		t.Fatal(err)
	}
	mustFlush(t, c, testTimeout)
	add(t, c, "c", 10)
	mustClose(t, c)
	for i, want := range []string{"answered 401", "answered 401", "answered 403: Forbidden: This takes the scope ingest"} {
		if i >= len(reasons) || !strings.Contains(reasons[i], want) {
			t.Errorf("reasons are %q, number %d must contain %q", reasons, i, want)
		}
	}
	if len(refused) != 1 || !strings.Contains(refused[0], "403") || !strings.Contains(refused[0], "/0/vpc_id") {
		t.Errorf("refused: %q", refused)
	}
	if stats := checkBalance(t, c); stats.Stored != (Count{2, 20}) || stats.Refused != (Count{1, 1}) || len(server.rows()) != 20 {
		t.Errorf("%+v", stats)
	}
}
