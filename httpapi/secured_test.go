package httpapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"flowd/access"
	"flowd/flow"
)

// withCertificates lets in the client whose certificate is for "agent", to read, and nobody else.
func (ss *secureServer) withCertificates() {
	list, err := access.Parse("tokens.yaml", []byte("tokens:\n  - name: agent\n    certificate: agent\n    scopes: [query]\n"))
	if err != nil {
		ss.t.Fatal(err)
	}
	ss.gate.Replace(list)
}

// showing is a client's configuration with a certificate.
func (ss *secureServer) showing(i *issued) *tls.Config {
	config := ss.config()
	config.Certificates = []tls.Certificate{i.pair()}
	return config
}

// Who shows a good certificate has the rights of its subject; others may come, with none.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	clients := newAuthority(t, "clients")
	ss := serveSecured(t, nil, clients, nil)
	ss.withCertificates()
	// An authority below the one that is known, whose certificate the client brings along.
	below := newAuthority(t, "below")
	signed := clients.issue("below", func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid, c.ExtKeyUsage = true, true, nil })
	below.cert, below.key = signed.leaf, signed.key
	brought := below.issue("agent", nil)
	brought.chain = append(brought.chain, signed.chain...)

	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, c := range []struct {
			name   string
			config *tls.Config
			want   int
		}{
			{"none", ss.config(), 401},
			{"agent", ss.showing(clients.issue("agent", nil)), 200},
			{"another subject", ss.showing(clients.issue("somebody", nil)), 401},
			{"through another authority", ss.showing(brought), 200},
		} {
			c.config.MaxVersion = version
			client, err := ss.shake(c.config)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			for range 2 {
				if r := client.ask("GET", "/hours"); r.StatusCode != c.want {
					t.Errorf("%s, %x: %d: %s", c.name, version, r.StatusCode, r.body)
				}
			}
			client.Close()
		}
	}
}

// A certificate holds as long as its authority is known, on open connections and resumed sessions, too.
func TestClientAuthorityChanges(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		before, after := newAuthority(t, "before"), newAuthority(t, "after")
		ss := serveSecured(t, nil, before, nil)
		ss.withCertificates()
		config := ss.showing(before.issue("agent", nil))
		config.MaxVersion, config.ClientSessionCache = version, tls.NewLRUClientSessionCache(4)
		visit := func() (int, *secureClient) {
			c, err := ss.shake(config)
			if err != nil {
				t.Fatal(err)
			}
			return c.ask("GET", "/hours").StatusCode, c
		}
		wantAll := func(want int, step string, open ...*secureClient) {
			t.Helper()
			for i, c := range open {
				if got := c.ask("GET", "/hours").StatusCode; got != want {
					t.Errorf("%x, %s: %d on open connection %d, want %d", version, step, got, i, want)
				}
			}
		}
		authorities := func(pem ...[]byte) {
			t.Helper()
			put(t, ss.files.ClientCA, slices.Concat(pem...))
			if err := ss.tls.Reload(ss.files); err != nil {
				t.Fatal(err)
			}
		}
		status, first := visit()
		again, second := visit()
		if status != 200 || again != 200 || !second.tls.ConnectionState().DidResume {
			t.Fatalf("%x: %d, then %d, resumed %t", version, status, again, second.tls.ConnectionState().DidResume)
		}
		ss.files.write(t, ss.ca.issue("next", nil))
		authorities(before.pem())
		wantAll(200, "another server's certificate", first, second)
		authorities(before.pem(), after.pem())
		wantAll(200, "one more authority", first, second)

		authorities(after.pem())
		wantAll(401, "no authority any more", first, second)
		if status, c := visit(); status != 401 || c.tls.ConnectionState().DidResume {
			t.Errorf("%x: %d by a new connection, resumed %t", version, status, c.tls.ConnectionState().DidResume)
		}
		none := ss.files
		none.ClientCA = ""
		if err := ss.tls.Reload(none); err != nil {
			t.Fatal(err)
		}
		if status, _ := visit(); status != 401 {
			t.Errorf("%x: %d where clients are not asked", version, status)
		}
	}
}

// A certificate that expires while its connection is open is none from then on.
func TestClientCertificateExpires(t *testing.T) {
	t.Parallel()
	clients := newAuthority(t, "clients")
	ss := serveSecured(t, nil, clients, nil)
	agent := clients.issue("agent", nil)
	c, err := ss.shake(ss.showing(agent))
	if err != nil {
		t.Fatal(err)
	}
	c.ask("GET", "/livez")
	secured := ss.served1().tls
	known := ss.tls.current.Load().authorities
	if got := secured.holding(known, agent.leaf.NotAfter); !got.Equal(agent.leaf) {
		t.Errorf("%v until it expires", got)
	}
	if got := secured.holding(known, agent.leaf.NotAfter.Add(time.Second)); got != nil {
		t.Errorf("%v after it expired", got.Subject)
	}
}

// served1 returns the server's end of the only connection.
func (ts *testServer) served1() *conn {
	ts.conns.mu.Lock()
	defer ts.conns.mu.Unlock()
	for c := range ts.conns.open {
		return c
	}
	ts.t.Fatal("there is no connection")
	return nil
}

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
	read := func(request string) (int, error, byte) {
		c, r := record()
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(c)
		return len(text), err, r.last()
	}
	const old = "GET /flows?hour=5 HTTP/1.0\r\n\r\n"
	whole, err, last := read(old)
	if err != nil || last != alertRecord || whole < 3*blockBytes {
		t.Errorf("a whole answer: %d bytes, %v, last record %d", whole, err, last)
	}
	breaks.Store(true)
	if n, err, last := read(old); err == nil || last == alertRecord || n > whole {
		t.Errorf("a broken answer: %d bytes, %v, last record %d", n, err, last)
	}
	if _, err, last := read("GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); err != nil || last != alertRecord {
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

// A stop is not held up by idle clients that read nothing, to whom not even a leave can be written, nor by
// those who have not shaken hands.
func TestStopIsNotHeldUp(t *testing.T) {
	t.Parallel()
	ss := newSecured(t, newTable(t), nil, nil)
	ss.listen()
	c := ss.open()
	c.ask("GET", "/livez")
	deaf := ss.served1()
	for {
		// It goes around TLS, which its client will not see.
		if _, err := writeAtOnce(deaf.Conn, make([]byte, 1<<16)); err != nil {
			break
		}
	}
	half := ss.dial()
	half.write(firstMessage(t)[:50])
	eventually(t, "it is served", func() bool { return ss.conns.count.Load() == 2 })
	began := time.Now()
	if n, err := deaf.tls.wire.Write([]byte("a")); n != 0 || err == nil { // as TLS does for new keys
		t.Errorf("%d bytes written, %v", n, err)
	}
	if err := deaf.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("closed in %s", took)
	}
	if err := <-ss.stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ss.served; err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 8*time.Second { // fasthttp takes one for idle after five seconds
		t.Errorf("stopped in %s", took)
	}
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
			eventually(t, "the question is worked on", func() bool { return ss.queries.Load() == 1 && open.Load() > 0 })
			c.leave(client)
			eventually(t, "it is given up", func() bool {
				return ss.metric("flowd_http_queries_given_up_total") == "1" && ss.queries.Load() == 0 && open.Load() == 0
			})
		})
	}
}

// A client with TLS that waits, and has sent its next request already, gets what it asked for.
func TestClientThatWaitsIsNotGoneTLS(t *testing.T) {
	t.Parallel()
	many := newMany(100)
	e := &hookEngine{Engine: many, rows: func(h flow.Hour) (flow.Rows, error) {
		return &pausedRows{Rows: many.many(h), until: time.Now().Add(10 * lookEvery)}, nil
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
	ss.listen()
	body := oneFlow("a", 1)
	inHead, inBody, inAnswer := ss.open(), ss.open(), ss.open()
	inHead.write("GET /livez HTTP/1.1\r\nHo")
	inBody.write(head("POST", "/flows", "Content-Length: "+itoa(len(body))) + cut(body, 1))
	inAnswer.write(head("GET", "/flows?hour=5"))
	eventually(t, "all are under way", func() bool { return ss.bodies.held.Load() > 0 && ss.queries.Load() == 1 })
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
	if err := <-done; err == nil || ss.conns.count.Load() != 0 || ss.queries.Load() != 0 {
		t.Errorf("%v with %d connections and %d queries left", err, ss.conns.count.Load(), ss.queries.Load())
	}
}
