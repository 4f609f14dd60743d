package httpapi

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"
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
	s := newServer(t, &nullEngine{}, nil).Server
	const requests = 5000
	nc := &countedConn{feed: feed{request: []byte(head("GET", "/livez")), left: requests}}
	if err := s.http.ServeConn(newConn(nc, &s.limits, s.epoch)); err != nil {
		t.Fatal(err)
	}
	if nc.reads == 0 || nc.reads > 50 || nc.writes == 0 || nc.writes > 50 {
		t.Errorf("%d read and %d write deadlines set for %d requests", nc.reads, nc.writes, requests)
	}
}

// The deadlines themselves come when they should, a sixteenth of the shortest early at most.
func TestDeadlines(t *testing.T) {
	limits := DefaultLimits()
	limits.ReadTimeout, limits.WriteTimeout, limits.IdleTimeout = 16*time.Second, 32*time.Second, 48*time.Second
	for _, c := range []struct {
		name string
		run  func(*conn, net.Conn) error
		want time.Duration
	}{
		{"nothing sent", func(c *conn, _ net.Conn) error { return read(c) }, 16 * time.Second},
		{"request begun", func(c *conn, peer net.Conn) error {
			go func() { _, _ = peer.Write([]byte("xyz")) }()
			_ = read(c)
			time.Sleep(9 * time.Second)
			c.state(fasthttp.StateActive)
			return errors.Join(read(c), read(c), read(c))
		}, 9*time.Second + 16*time.Second},
		{"idle", func(c *conn, _ net.Conn) error {
			c.state(fasthttp.StateActive)
			c.state(fasthttp.StateIdle)
			return read(c)
		}, 48 * time.Second},
		{"idle again", func(c *conn, peer net.Conn) error {
			for range 20 {
				c.state(fasthttp.StateIdle)
				go func() { _, _ = peer.Write([]byte("x")) }()
				_ = read(c)
				time.Sleep(time.Second / 10)
				c.state(fasthttp.StateActive)
			}
			c.state(fasthttp.StateIdle)
			return read(c)
		}, 2*time.Second + 48*time.Second},
		{"blocks of an answer", func(c *conn, peer net.Conn) error {
			buf := make([]byte, 1)
			for range 10 {
				go func() { time.Sleep(20 * time.Second); _, _ = peer.Read(buf) }()
				if _, err := c.Write([]byte("x")); err != nil {
					return err
				}
			}
			_, err := c.Write([]byte("x"))
			return err
		}, 10*20*time.Second + 32*time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer near.Close()
				defer far.Close()
				began := time.Now()
				err := c.run(newConn(near, &limits, began.Add(-time.Hour)), far)
				var timeout net.Error
				if !errors.As(err, &timeout) || !timeout.Timeout() {
					t.Errorf("%v", err)
				}
				if took := time.Since(began); took > c.want || took < c.want-time.Second {
					t.Errorf("ended after %s, want %s", took, c.want)
				}
			})
		})
	}
}

func read(c *conn) error {
	_, err := c.Read(make([]byte, 1))
	return err
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
	s := newServer(f, &nullEngine{}, func(l *Limits) { l.BodyBytes, l.DecodedBytes = 1<<16, 1<<17 }).Server
	f.Fuzz(func(t *testing.T, raw []byte) {
		nc := &recordedConn{feed: feed{request: raw, left: 1}}
		// The error is that of the connection, which the answer tells too.
		_ = s.http.ServeConn(newConn(nc, &s.limits, s.epoch))
		if bytes.Contains(nc.wrote.Bytes(), []byte("HTTP/1.1 500")) || s.metrics.panics.Get() > 0 {
			t.Errorf("a fault: %s", nc.wrote.String())
		}
		if s.bodies.held.Load() != 0 || s.queries.count() != 0 {
			t.Errorf("%d bytes and %d queries are held", s.bodies.held.Load(), s.queries.count())
		}
	})
}

// recordedConn keeps what is written to it.
type recordedConn struct {
	feed
	wrote bytes.Buffer
}

func (c *recordedConn) Write(p []byte) (int, error) { return c.wrote.Write(p) }

func TestBufferSizes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ n, size int }{
		{0, 4 << 10}, {1, 4 << 10}, {4 << 10, 4 << 10}, {4<<10 + 1, 8 << 10}, {100_000, 128 << 10},
		{4 << 20, 4 << 20}, {1<<30 + maxBlock, 2 << 30},
	} {
		if got := smallestBuffer << sizeIndex(c.n); got != c.size || sizeIndex(c.n) >= bufferSizes {
			t.Errorf("%d bytes get a buffer of %d, want %d", c.n, got, c.size)
		}
	}
}

// A body takes memory as it comes, not as it declares.
func TestFillGrowsAsItComes(t *testing.T) {
	t.Parallel()
	const declared = 4 << 20
	m := &bodyMemory{limit: 1 << 30}
	b := m.take(firstRead, nil)
	r := readerFunc(func(p []byte) (int, error) {
		if got, most := int(m.held.Load()), max(firstRead, readAhead*len(b.data)); got > most {
			t.Fatalf("%d bytes held for %d that came", got, len(b.data))
		}
		return min(len(p), 1000), nil
	})
	if err := m.fill(&b, r, declared, declared); err != nil {
		t.Fatal(err)
	}
	if m.held.Load() != declared {
		t.Errorf("%d bytes held for a body of %d", m.held.Load(), declared)
	}
	m.give(b)
	if m.held.Load() != 0 {
		t.Errorf("%d bytes held", m.held.Load())
	}
}

func TestFillErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, c := range []struct {
		name          string
		sent          int
		after         error
		length, limit int
		memory        int64
		want          error
	}{
		{"whole", 5000, io.EOF, 5000, 5000, 1 << 20, nil},
		{"whole of unknown length", 5000, io.EOF, -1, 5000, 1 << 20, nil},
		{"short", 4999, io.EOF, 5000, 5000, 1 << 20, io.ErrUnexpectedEOF},
		{"longer than declared", 6000, io.EOF, 5000, 5000, 1 << 20, nil},
		{"too long", 5001, io.EOF, -1, 5000, 1 << 20, errTooLarge},
		{"no memory", 5000, io.EOF, 5000, 5000, 8 << 10, errNoMemory},
		{"broken", 100, broken, 5000, 5000, 1 << 20, broken},
		{"broken at the limit", 5000, broken, -1, 5000, 1 << 20, broken},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &bodyMemory{limit: c.memory}
			b := m.take(1, nil)
			src := io.MultiReader(strings.NewReader(strings.Repeat("x", c.sent)),
				readerFunc(func([]byte) (int, error) { return 0, c.after }))
			if err := m.fill(&b, src, c.length, c.limit); err != c.want {
				t.Errorf("%v, want %v", err, c.want)
			}
			m.give(b)
			if m.held.Load() != 0 {
				t.Errorf("%d bytes held", m.held.Load())
			}
		})
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
