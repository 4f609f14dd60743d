package loadtest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"flowd/flow/flowjson"
	"flowd/loadtest/mapserver"
)

// bodies are prepared posts of the workload's flows.
func bodies(g *Generator, n int) [][]byte {
	var list [][]byte
	for k := range n {
		list = append(list, g.Encode(nil, g.Draw(nil, uint64(k)), flowjson.JSON))
	}
	return list
}

func TestBlast(t *testing.T) {
	s := serve(t, mapserver.Faults{Answer: func(post int) int {
		switch post {
		case 3:
			return 503
		case 5:
			return 0
		}
		return 200
	}})
	g := newGenerator(t, s.smallRun().Workload)
	r, err := Blast(s.ctx, BlastOptions{
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
func TestBlastRotates(t *testing.T) {
	seen := make(map[uint64]int)
	var mu sync.Mutex
	s := serve(t, mapserver.Faults{Store: func(_ int, flows []mapserver.Row) []mapserver.Row {
		mu.Lock()
		defer mu.Unlock()
		seen[flows[0].BytesTx]++
		return flows
	}})
	g := newGenerator(t, s.smallRun().Workload)
	o := BlastOptions{URL: s.URL + "/flows", Bodies: bodies(g, 5), ContentType: "application/json", Connections: 2, For: time.Minute}
	if _, err := Blast(s.ctx, o); err != nil {
		t.Fatal(err)
	}
	for k := range uint64(5) {
		if n := seen[uint64(g.Draw(nil, k)[0].tx)]; n < enoughPosts/5-2 {
			t.Errorf("body %d was sent %d times of %d", k, n, s.Posts())
		}
	}
}

func TestBlastErrors(t *testing.T) {
	good := BlastOptions{URL: "http://127.0.0.1:1/", Bodies: [][]byte{{}}, Connections: 1, For: time.Second}
	for _, c := range []struct {
		want   string
		change func(*BlastOptions)
	}{
		{"refused", func(*BlastOptions) {}},
		{"must look like", func(o *BlastOptions) { o.URL = "localhost" }},
		{"not 0, 1 and 1s", func(o *BlastOptions) { o.Bodies = nil }},
		{"not 1, 0 and 1s", func(o *BlastOptions) { o.Connections = 0 }},
		{"not 1, 1 and 0s", func(o *BlastOptions) { o.For = 0 }},
	} {
		o := good
		c.change(&o)
		if _, err := Blast(context.Background(), o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
}

func TestRequestHeads(t *testing.T) {
	const post = "POST / HTTP/1.1\r\nHost: test\r\nUser-Agent: flowload\r\nContent-Type: a/b\r\nContent-Encoding: gzip\r\nContent-Length: 12\r\n\r\n"
	if got := string(appendPostHead(nil, &testTarget, postHead{contentType: "a/b", encoding: "gzip", length: 12})); got != post {
		t.Errorf("post:\n%s", got)
	}
	below := testTarget
	below.path = "/api/v1"
	const get = "GET /api/v1/flows?hour=3 HTTP/1.1\r\nHost: test\r\nUser-Agent: flowload\r\n\r\n"
	if got := string(appendGetHead(nil, &below, "/flows?hour=3")); got != get {
		t.Errorf("get:\n%s", got)
	}
}
