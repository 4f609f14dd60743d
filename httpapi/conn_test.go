package httpapi

import (
	"bytes"
	"testing"
	"time"
)

// countedConn counts the deadlines that are set.
type countedConn struct {
	feed
	reads, writes int
}

func (c *countedConn) SetReadDeadline(time.Time) error  { c.reads++; return nil }
func (c *countedConn) SetWriteDeadline(time.Time) error { c.writes++; return nil }

// A busy connection moves its deadlines now and then, not at every request.
func TestDeadlinesAreCheap(t *testing.T) {
	t.Parallel()
	s := newServer(t, &nullEngine{}, nil)
	const requests = 5000
	nc := &countedConn{feed: feed{request: []byte(head("GET", "/livez")), left: requests}}
	if err := s.http.ServeConn(accepted(s.Server, nc)); err != nil {
		t.Fatal(err)
	}
	if nc.reads == 0 || nc.reads > 50 || nc.writes == 0 || nc.writes > 50 {
		t.Errorf("%d read and %d write deadlines set for %d requests", nc.reads, nc.writes, requests)
	}
}

// FuzzConnection sends the server anything at all. It must not panic, hold anything afterwards,
// or answer with a fault of its own.
func FuzzConnection(f *testing.F) {
	body := "[" + jsonFlow + "]"
	for _, seed := range []string{
		head("GET", "/flows?hour=1"),
		head("GET", "/hours") + head("HEAD", "/version") + head("OPTIONS", "*"),
		head("POST", "/flows", "Content-Length: "+itoa(len(body))) + body,
		head("POST", "/api/v1/flows", "Transfer-Encoding: chunked") + chunks(body, 20),
		head("POST", "/flows", asGzip, "Content-Length: "+itoa(len(gzipped(body)))) + gzipped(body),
		head("POST", "/flows", asZstd, "Content-Length: "+itoa(len(zstdOf(body)))) + zstdOf(body),
		head("POST", "/flows", "Expect: 100-continue", "Content-Length: 2") + "[]",
		"GET /livez HTTP/1.0\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	s := newServer(f, &nullEngine{}, func(l *Limits) { l.BodyBytes, l.DecodedBytes = 1<<16, 1<<17 })
	f.Fuzz(func(t *testing.T, raw []byte) {
		nc := &recordedConn{feed: feed{request: raw, left: 1}}
		// The error is that of the connection, which the answer tells too.
		_ = s.http.ServeConn(accepted(s.Server, nc))
		if bytes.Contains(nc.wrote.Bytes(), []byte("HTTP/1.1 500")) || s.metrics.panics.Get() > 0 {
			t.Errorf("a fault: %s", nc.wrote.String())
		}
		if s.bodyBytes() != 0 || s.queries() != 0 {
			t.Errorf("%d bytes and %d queries are held", s.bodyBytes(), s.queries())
		}
	})
}

// recordedConn keeps what is written to it.
type recordedConn struct {
	feed
	wrote bytes.Buffer
}

func (c *recordedConn) Write(p []byte) (int, error) { return c.wrote.Write(p) }
