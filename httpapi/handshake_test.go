package httpapi

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"flowd/httpapi/certtest"
)

// failureNames are the reasons for which handshakes fail.
var failureNames = []string{
	"other", "timeout", "cut_short", "plain_http", "not_tls", "version", "client_certificate", "refused_by_client",
}

// failuresOf returns how many handshakes failed for that reason.
func (ss *secureServer) failuresOf(reason string) string {
	return ss.metric(`flowd_tls_handshake_failures_total{reason="` + reason + `"}`)
}

// firstMessage is what a client of TLS says first.
func firstMessage(t testing.TB) string {
	near, far := net.Pipe()
	defer far.Close()
	go func() {
		_ = tls.Client(near, &tls.Config{ServerName: "127.0.0.1"}).Handshake() // nobody will answer
		near.Close()
	}()
	var text [4096]byte
	n, err := far.Read(text[:])
	if err != nil {
		t.Fatal(err)
	}
	return string(text[:n])
}

// What is not a secure connection is counted by why, and is no trouble to anybody else.
func TestHandshakesFail(t *testing.T) {
	t.Parallel()
	hello := firstMessage(t)
	shake := func(change func(*tls.Config)) func(*secureServer) {
		return func(ss *secureServer) {
			config := ss.config()
			change(config)
			c, err := ss.shake(config)
			if err == nil {
				_, err = c.tls.Read(make([]byte, 1)) // TLS 1.3 tells the client later
			}
			if err == nil || err == io.EOF {
				t.Errorf("no error of TLS: %v", err)
			}
		}
	}
	say := func(text string, end bool) func(*secureServer) {
		return func(ss *secureServer) {
			c := ss.dial()
			c.write(text)
			if end {
				_ = c.CloseWrite()
			}
			_, _ = io.Copy(io.Discard, c) // however it ends
		}
	}
	clients, strangers := certtest.New(t, "clients"), certtest.New(t, "strangers")
	stranger := func(change func(*tls.Config), i *certtest.Issued) func(*secureServer) {
		return shake(func(c *tls.Config) {
			pair := i.Pair() // given though the server names other authorities
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
			change(c)
		})
	}
	two := func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }
	three := func(*tls.Config) {}
	for _, c := range []struct {
		name string
		act  func(*secureServer)
		want string
		warn bool
	}{
		{"TLS 1.1", shake(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }), "version", true},
		{"untrusted server", shake(func(c *tls.Config) { c.RootCAs = strangers.Pool() }), "refused_by_client", true},
		{"another name", shake(func(c *tls.Config) { c.ServerName = "flowd.example" }), "refused_by_client", true},
		{"HTTP/2 alone", shake(func(c *tls.Config) { c.NextProtos = []string{"h2"} }), "other", false},
		{"wrong authority, 1.2", stranger(two, strangers.Issue("agent", nil)), "client_certificate", true},
		{"wrong authority, 1.3", stranger(three, strangers.Issue("agent", nil)), "client_certificate", true},
		{"expired client", stranger(three, clients.Issue("agent", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })), "client_certificate", true},
		{"a server's certificate", stranger(three, clients.Issue("agent", func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[:1] })), "client_certificate", true},
		{"garbage", say("\x00\x01\x02\x03\x04\x05\x06", false), "not_tls", false},
		{"SSH", say("SSH-2.0-OpenSSH_9.9\r\n", false), "not_tls", false},
		{"a head alone", say(hello[:3], true), "cut_short", false},
		{"half a message", say(hello[:len(hello)/2], true), "cut_short", false},
		{"no reply", say(hello, true), "cut_short", false},
		{"damaged message", say(hello[:9]+strings.Repeat("\xff", len(hello)-9), false), "other", false},
		{"nothing for long", say("", false), "timeout", false},
		{"half a message for long", say(hello[:100], false), "timeout", false},
		{"no reply for long", say(hello, false), "timeout", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ss := serveSecured(t, nil, clients, func(l *Limits) {
				if c.want == "timeout" {
					l.ReadTimeout = 50 * time.Millisecond
				}
			})
			c.act(ss)
			eventually(t, "it is counted", func() bool { return ss.failuresOf(c.want) == "1" })
			eventually(t, "its place is free", func() bool { return ss.conns.Count() == 0 })
			for _, f := range failureNames {
				if got := ss.failuresOf(f); f != c.want && got != "0" {
					t.Errorf("%s counted as %s too", got, f)
				}
			}
			if got := strings.Contains(ss.log.String(), "no secure connection"); got != c.warn {
				t.Errorf("logged %t: %s", got, ss.log.String())
			}
			if got := ss.metric(`flowd_http_requests_rejected_total{reason="malformed_request"}`); got != "0" {
				t.Errorf("%s counted as requests", got)
			}
		})
	}
}

// A port that is looked at is no failure.
func TestPortIsLookedAt(t *testing.T) {
	t.Parallel()
	ss := serveSecured(t, nil, nil, nil)
	for range 3 {
		ss.dial().Close()
	}
	c := ss.dial()
	_ = c.SetLinger(0)
	c.Close()
	ss.secureDo("GET", "/livez", "")
	eventually(t, "all are gone", func() bool { return ss.conns.Count() == 0 })
	for _, f := range failureNames {
		if got := ss.failuresOf(f); got != "0" {
			t.Errorf("%s counted as %s", got, f)
		}
	}
}

// Who speaks HTTP in clear is told what is spoken here, also while a body is on its way.
func TestPlainHTTPOnTLS(t *testing.T) {
	t.Parallel()
	ss := serveSecured(t, nil, nil, nil)
	requests := []string{
		head("GET", "/livez"), "GET / HTTP/1.0\r\n\r\n", head("DELETE", "/flows"),
		head("POST", "/flows", "Content-Length: 200000") + strings.Repeat(" ", 200_000),
	}
	for _, request := range requests {
		c := ss.dial()
		c.write(request)
		p := problemIn(t, c.read("GET"), 400)
		if !strings.Contains(p.Detail, "client sent an HTTP request to an HTTPS server") {
			t.Errorf("%q: %s", request, p.Detail)
		}
		c.ends()
		c.Close()
	}
	want := itoa(len(requests))
	if got := ss.metric(`flowd_http_requests_rejected_total{reason="plain_http"}`); got != want || ss.failuresOf("plain_http") != want {
		t.Errorf("%s and %s counted", got, ss.failuresOf("plain_http"))
	}
}

// Clients that are slow at any stage cost others nothing, and go after ReadTimeout.
func TestTLSSlowloris(t *testing.T) {
	t.Parallel()
	const each = 60
	// Long enough for the handshakes of those who are not slow, on a busy machine too.
	const timeout = 8 * time.Second
	ss := serveSecured(t, nil, nil, func(l *Limits) { l.ReadTimeout = timeout })
	hello := firstMessage(t)
	began := time.Now()
	var silent []*client
	for _, text := range []string{"", hello[:1], hello[:6], hello[:len(hello)-1], hello} {
		for range each {
			c := ss.dial()
			c.write(text)
			silent = append(silent, c)
		}
	}
	var slow []*secureClient // these have shaken hands
	for i := range each {
		c := ss.open()
		if i%2 == 0 {
			c.write("GET /li")
		}
		slow = append(slow, c)
	}
	if took := time.Since(began); took < timeout && ss.conns.Count() != 6*each {
		t.Errorf("%d connections", ss.conns.Count())
	}
	for range 20 {
		if r := ss.secureDo("POST", "/flows", oneFlow("a", 1)); r.StatusCode != 200 {
			t.Errorf("%d beside slow clients", r.StatusCode)
		}
	}
	// One byte in a while does not make the time longer.
	byByte, at := ss.dial(), 0
	for range time.Tick(50 * time.Millisecond) {
		if _, err := io.WriteString(byByte, hello[at:at+1]); err != nil || ss.failuresOf("timeout") == itoa(5*each+1) {
			break
		}
		if at++; at == len(hello)-1 {
			t.Fatalf("%s timeouts after %s", ss.failuresOf("timeout"), time.Since(began))
		}
	}
	for _, c := range slow {
		problemIn(t, c.read("GET"), 408)
	}
	eventually(t, "all are gone", func() bool { return ss.conns.Count() == 0 })
	if took := time.Since(began); took > patience {
		t.Errorf("the last went after %s", took)
	}
	if got := ss.failuresOf("timeout"); got != itoa(5*each+1) {
		t.Errorf("%s timeouts counted, want %d", got, 5*each+1)
	}
	for _, c := range silent {
		if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%v", err)
		}
	}
}

// Over the limit a client of TLS gets its answer too; in a flood its connection is closed.
func TestTooManyConnectionsTLS(t *testing.T) {
	t.Parallel()
	ss := serveSecured(t, nil, nil, func(l *Limits) { l.Connections = 1 })
	first := ss.open()
	first.ask("GET", "/livez")

	began := time.Now()
	c := ss.open()
	c.write(head("POST", "/flows", "Content-Length: 4") + "body")
	if p := problemIn(t, c.read("POST"), 503); !strings.Contains(p.Detail, "max-connections") {
		t.Errorf("%q", p.Detail)
	}
	c.ends()
	c.Close()
	// One who has shown somebody out rests, so a flood gets no more handshakes in a second than there are
	// of them.
	ss.mu.Lock()
	ln := ss.listeners[0]
	ss.mu.Unlock()
	eventually(t, "it may show out the next", func() bool { return ln.Rejecting() == 0 })
	if took := time.Since(began); took < rejectTime*9/10 {
		t.Errorf("after %s", took)
	}
	// Those who say nothing keep all of them busy.
	for range rejectors {
		ss.dial()
	}
	eventually(t, "all are busy", func() bool { return ln.Rejecting() == rejectors })
	flood := ss.dial()
	if text, err := io.ReadAll(flood); len(text) > 0 || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	eventually(t, "all are counted", func() bool {
		return ss.metric(`flowd_http_requests_rejected_total{reason="too_many_connections"}`) == itoa(rejectors+2)
	})
}

// Where no connection is allowed, the first gets its answer, and the stop is not held up.
func TestStopWithNoConnections(t *testing.T) {
	t.Parallel()
	ss := newSecured(t, newTable(t), nil, func(l *Limits) { l.Connections = 0 })
	ss.listen()
	c := ss.open()
	problemIn(t, c.ask("GET", "/livez"), 503)
	c.Close()
	if err := <-ss.stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ss.served; err != nil {
		t.Error(err)
	}
}

// FuzzHandshake sends anything at all where TLS is spoken. Nothing is held afterwards, and what is answered
// is TLS, or says that TLS is spoken here.
func FuzzHandshake(f *testing.F) {
	hello := firstMessage(f)
	for _, seed := range []string{
		hello, hello[:len(hello)-1], hello[:5], hello + hello, head("GET", "/livez"), "POST /flows HTTP/1.0\r\n\r\n",
		"\x15\x03\x03\x00\x02\x02\x28", "\x16\x03\x01\x00\x04\x01\x00\x00\x00", "\x80\x2e\x01\x00\x02", "\x17\x03\x03\x40\x01",
	} {
		f.Add([]byte(seed))
	}
	ss := newSecured(f, &nullEngine{}, certtest.New(f, "clients"), nil)
	f.Fuzz(func(t *testing.T, raw []byte) {
		nc := &recordedConn{feed: feed{request: raw, left: 1}}
		c := accepted(ss.Server, nc)
		_ = ss.http.ServeConn(c) // the error is that of the connection
		text := nc.wrote.Bytes()
		plain := bytes.HasPrefix(text, []byte("HTTP/1.1 400 Bad Request\r\n"))
		if len(text) > 0 && !plain && text[0] != alertRecord && text[0] != 22 {
			t.Errorf("answered %q", text)
		}
		if ss.metrics.panics.Get() > 0 || ss.bodyBytes() != 0 || ss.queries() != 0 {
			t.Errorf("%d panics, %d bytes, %d queries", ss.metrics.panics.Get(), ss.bodyBytes(), ss.queries())
		}
	})
}
