package httpapi

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"flowd/flow"
	"flowd/httpapi/answer"
)

// recorder keeps the head of every record of TLS that a client gets.
type recorder struct {
	*net.TCPConn
	mu   sync.Mutex
	text []byte
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.TCPConn.Read(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text = append(r.text, p[:n]...)
	return n, err
}

// last returns the type of the last record. Before TLS 1.3 it is not hidden.
func (r *recorder) last() (kind byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for text := r.text; len(text) >= 5; {
		kind = text[0]
		text = text[min(5+int(text[3])<<8+int(text[4]), len(text)):]
	}
	return kind
}

const alertRecord = 21

// A connection is closed in TLS before it is closed below, so that a client knows that it has all: when it
// is idle and the server stops, and after an answer that its end ends. One that is broken off is not.
func TestClosedInTLS(t *testing.T) {
	t.Parallel()
	many := newMany(20_000)
	var breaks atomic.Bool
	e := &hookEngine{Engine: newTable(t), rows: func(h flow.Hour) (flow.Rows, error) {
		if breaks.Load() {
			return &damagedRows{manyRows: *many.many(h), err: errDamaged}, nil
		}
		return many.Rows(h)
	}}
	ss := newSecured(t, e, nil, nil)
	ss.listen()
	record := func() (*tls.Conn, *recorder) {
		r := &recorder{TCPConn: ss.dial().TCPConn}
		config := ss.config()
		config.MaxVersion = tls.VersionTLS12
		return tls.Client(r, config), r
	}
	read := func(request string) (n int, last byte, err error) {
		c, r := record()
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(c)
		return len(text), r.last(), err
	}
	const old = "GET /flows?hour=5 HTTP/1.0\r\n\r\n"
	whole, last, err := read(old)
	if err != nil || last != alertRecord || whole < 3*answer.BlockBytes {
		t.Errorf("a whole answer: %d bytes, %v, last record %d", whole, err, last)
	}
	breaks.Store(true)
	if n, last, err := read(old); err == nil || last == alertRecord || n > whole {
		t.Errorf("a broken answer: %d bytes, %v, last record %d", n, err, last)
	}
	if _, last, err := read("GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); err != nil || last != alertRecord {
		t.Errorf("a short answer: %v, last record %d", err, last)
	}
	idle, r := record()
	if _, err := io.WriteString(idle, head("GET", "/livez")); err != nil {
		t.Fatal(err)
	}
	if _, err := idle.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := <-ss.stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ss.served; err != nil {
		t.Error(err)
	}
	if _, err := io.ReadAll(idle); err != nil || r.last() != alertRecord {
		t.Errorf("an idle connection: %v, last record %d", err, r.last())
	}
}

// A client that reads nothing is cut off after WriteTimeout, however long its handshake might have taken.
func TestSlowReaderTLS(t *testing.T) {
	t.Parallel()
	ss := serveSecured(t, newMany(1_000_000), nil, func(l *Limits) {
		l.ReadTimeout, l.WriteTimeout = 5*patience, 300*time.Millisecond
	})
	c := ss.open()
	c.write(head("GET", "/flows?hour=5"))
	eventually(t, "it is cut off", func() bool { return ss.metric("flowd_http_answers_cut_total") == "1" })
}

// Under TLS too a question is given up when its client goes, as browsers do and as those that crash.
func TestClientIsGoneTLS(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		leave func(*secureClient)
		only  string // where it is seen
	}{
		{"closes in TLS and below", func(c *secureClient) { c.tls.Close() }, "linux"},
		{"closes below", func(c *secureClient) { c.Close() }, ""},
		{"closes its side below", func(c *secureClient) { _ = c.CloseWrite() }, ""},
		{"resets", func(c *secureClient) { _ = c.SetLinger(0); c.Close() }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.only != "" && runtime.GOOS != c.only {
				t.Skip("it is not seen here")
			}
			var open atomic.Int64
			e := &hookEngine{Engine: newTable(t), rows: func(flow.Hour) (flow.Rows, error) {
				open.Add(1)
				return &endlessRows{other: flow.AppendKey(nil, "other", "d", "v"), open: &open}, nil
			}}
			ss := serveSecured(t, e, nil, nil)
			client := ss.open()
			client.write(head("GET", "/flows?hour=5&group_by=src_app"))
			eventually(t, "the question is worked on", func() bool { return ss.queries() == 1 && open.Load() > 0 })
			c.leave(client)
			eventually(t, "it is given up", func() bool {
				return ss.metric("flowd_http_queries_given_up_total") == "1" && ss.queries() == 0 && open.Load() == 0
			})
		})
	}
}

// A client with TLS that waits, and has sent its next request already, gets what it asked for.
func TestClientThatWaitsIsNotGoneTLS(t *testing.T) {
	t.Parallel()
	many := newMany(100)
	e := &hookEngine{Engine: many, rows: func(h flow.Hour) (flow.Rows, error) {
		return &pausedRows{Rows: many.many(h), until: time.Now().Add(10 * lookPause)}, nil
	}}
	ss := serveSecured(t, e, nil, nil)
	c := ss.open()
	get := head("GET", "/flows?hour=5&group_by=hour")
	c.write(get)
	c.write(get) // a record of its own, which is unread while the first is answered
	for range 2 {
		if r := c.read("GET"); r.StatusCode != 200 {
			t.Errorf("%d: %s", r.StatusCode, r.body)
		}
	}
	if got := ss.metric("flowd_http_queries_given_up_total"); got != "0" {
		t.Errorf("%s given up", got)
	}
}

// What is under way is finished over TLS, and cut off when the time for it is over.
func TestShutdownTLS(t *testing.T) {
	t.Parallel()
	ss := newSecured(t, newMany(1_000_000), nil, nil)
	begun := ss.begun()
	ss.listen()
	body := oneFlow("a", 1)
	inHead, inBody, inAnswer := ss.open(), ss.open(), ss.open()
	inHead.write("GET /livez HTTP/1.1\r\nHo")
	inBody.write(head("POST", "/flows", "Content-Length: "+itoa(len(body))) + cut(body, 1))
	inAnswer.write(head("GET", "/flows?hour=5"))
	eventually(t, "all are under way", func() bool {
		return begun.Load() == 3 && ss.bodyBytes() > 0 && ss.queries() == 1
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := ss.stop(ctx)
	if err := <-ss.served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	inHead.write("st: a\r\n\r\n")
	if r := inHead.read("GET"); r.StatusCode != 200 || !r.Close {
		t.Errorf("in the header: %d, close %t", r.StatusCode, r.Close)
	}
	inBody.write(body[len(body)-1:])
	if r := inBody.read("POST"); r.StatusCode != 200 || !r.Close {
		t.Errorf("in the body: %d, close %t", r.StatusCode, r.Close)
	}
	select {
	case err := <-done:
		t.Fatalf("%v with an answer under way", err)
	default:
	}
	cancel()
	if err := <-done; err == nil || ss.conns.Count() != 0 || ss.queries() != 0 {
		t.Errorf("%v with %d connections and %d queries left", err, ss.conns.Count(), ss.queries())
	}
}
