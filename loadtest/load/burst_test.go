package load

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"flowd/flow/flowjson"
	"flowd/loadtest"
	"flowd/loadtest/faulty"
)

// enoughPosts is how many posts a server gets before the burst ends.
const enoughPosts = 20

// startServer starts a server, with a context that ends when it has got enough posts, so that a burst takes as long as
// those need on any machine.
func startServer(t *testing.T, enough int, faults faulty.Faults) (*faulty.Server, context.Context) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	store := faults.Store
	faults.Store = func(post int, flows []faulty.Row) []faulty.Row {
		if post == enough {
			cancel()
		}
		if store != nil {
			flows = store(post, flows)
		}
		return flows
	}
	s, err := faulty.Start(faults)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, ctx
}

func newGenerator(t *testing.T) *loadtest.Generator {
	t.Helper()
	g, err := loadtest.NewGenerator(loadtest.Workload{Tuples: 10, FirstHour: 7, Hours: 3, Skew: loadtest.Uniform, FlowsPerPost: 5, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// bodies are prepared posts of the workload's flows.
func bodies(g *loadtest.Generator, n int) [][]byte {
	var list [][]byte
	for k := range n {
		list = append(list, g.Encode(nil, g.Draw(nil, uint64(k)), flowjson.JSON))
	}
	return list
}

func TestBurst(t *testing.T) {
	s, ctx := startServer(t, enoughPosts, faulty.Faults{Answer: func(post int) int {
		switch post {
		case 3:
			return 503
		case 5:
			return 0
		}
		return 200
	}})
	g := newGenerator(t)
	r, err := Burst(ctx, BurstOptions{
		URL: s.URL + "/flows", Bodies: bodies(g, 7), ContentType: "application/json", Connections: 3, For: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	if posts := uint64(s.Posts()); r.Requests != posts-1 || posts < enoughPosts || r.Failed != 1 || r.FirstFailure == nil {
		t.Errorf("%d posts came, the result is %+v", posts, r)
	}
	if r.Status[503] != 1 || r.Status[200] != r.Requests-1 || len(r.Status) != 2 {
		t.Errorf("statuses %v of %d answers", r.Status, r.Requests)
	}
	if perBody := r.BodyBytes / r.Requests; r.Elapsed <= 0 || perBody < 5*80 || perBody > 5*140 {
		t.Errorf("%d bytes in %d bodies in %v", r.BodyBytes, r.Requests, r.Elapsed)
	}
}

// All bodies are sent about as often as each other.
func TestBurstRotates(t *testing.T) {
	seen := make(map[uint64]int)
	var mu sync.Mutex
	s, ctx := startServer(t, enoughPosts, faulty.Faults{Store: func(_ int, flows []faulty.Row) []faulty.Row {
		mu.Lock()
		defer mu.Unlock()
		seen[flows[0].BytesTx]++
		return flows
	}})
	g := newGenerator(t)
	o := BurstOptions{URL: s.URL + "/flows", Bodies: bodies(g, 5), ContentType: "application/json", Connections: 2, For: time.Minute}
	if _, err := Burst(ctx, o); err != nil {
		t.Fatal(err)
	}
	for k := range uint64(5) {
		if n := seen[uint64(g.Draw(nil, k)[0].Tx)]; n < enoughPosts/5-2 {
			t.Errorf("body %d was sent %d times of %d", k, n, s.Posts())
		}
	}
}

func TestBurstErrors(t *testing.T) {
	good := BurstOptions{URL: "http://127.0.0.1:1/", Bodies: [][]byte{{}}, Connections: 1, For: time.Second}
	for _, c := range []struct {
		want   string
		change func(*BurstOptions)
	}{
		{"refused", func(*BurstOptions) {}},
		{"must look like", func(o *BurstOptions) { o.URL = "localhost" }},
		{"not 0, 1 and 1s", func(o *BurstOptions) { o.Bodies = nil }},
		{"not 1, 0 and 1s", func(o *BurstOptions) { o.Connections = 0 }},
		{"not 1, 1 and 0s", func(o *BurstOptions) { o.For = 0 }},
	} {
		o := good
		c.change(&o)
		if _, err := Burst(context.Background(), o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
}
