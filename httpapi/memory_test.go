package httpapi

import (
	"strings"
	"sync/atomic"
	"testing"
)

// roomEngine has as much room for batches as it is told.
type roomEngine struct {
	*tableEngine
	room atomic.Int64
}

func (e *roomEngine) Room() int64 { return e.room.Load() }

// Where the process has no memory left, batches are refused before their bodies are read, and those that
// would not fit while they are; reads go on.
func TestNoMemory(t *testing.T) {
	t.Parallel()
	engine := &roomEngine{tableEngine: newTable(t)}
	ts := serve(t, engine, nil)
	large := string(flowsBody(700)) // 60 KiB, which take 64
	for _, test := range []struct {
		name, body string
		headers    []string
		room       int64
		status     int
	}{
		{"no room", oneFlow("a", 1), nil, 0, 503},
		{"less than none", oneFlow("a", 1), nil, -1 << 40, 503},
		{"for a small one", oneFlow("a", 1), nil, 3 * leastBuffer, 200},
		{"for no large one", large, nil, 3*64<<10 - 1, 503},
		{"for no compressed one", gzipped(large), []string{asGzip}, 3*64<<10 - 1, 503},
		{"for a large one", large, nil, 3 * (64 + 16) << 10, 200},
		{"for any", large, nil, 1 << 40, 200},
	} {
		engine.room.Store(test.room)
		r := ts.do("POST", "/flows", test.body, test.headers...)
		if r.StatusCode != test.status {
			t.Errorf("%s: %d: %s", test.name, r.StatusCode, r.body)
		}
		if r.StatusCode != 503 {
			continue
		}
		if p := problemIn(t, r, 503); !strings.Contains(p.Detail, "memory") || r.Header.Get("Retry-After") != "1" {
			t.Errorf("%s: %q, Retry-After %q", test.name, p.Detail, r.Header.Get("Retry-After"))
		}
	}
	if got := ts.metric(`flowd_http_requests_rejected_total{reason="memory"}`); got != "4" {
		t.Errorf("%s refused for memory, want 4", got)
	}
	if held := ts.bodyBytes(); held != 0 {
		t.Errorf("%d bytes are held", held)
	}

	engine.room.Store(0)
	c := ts.dial()
	c.write(head("POST", "/flows", "Expect: 100-continue", "Content-Length: 100"))
	if r := c.read("POST"); r.StatusCode != 503 {
		t.Errorf("a head that expects 100: %d", r.StatusCode)
	}
	if r := ts.do("GET", "/flows?hour=1", ""); r.StatusCode != 200 {
		t.Errorf("a read: %d", r.StatusCode)
	}
}
