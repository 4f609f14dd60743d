package conn

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// secured is the TLS of a connection, which lies between its deadlines and the socket:
//
//	fasthttp -- conn, deadlines -- tls.Conn -- wire -- socket
//
// fasthttp does not know of it. It would shake hands before it takes a connection for one that a stop
// may close, and go on if that failed. What is not said to be safe for any caller belongs to the
// goroutine that serves the connection.
type secured struct {
	*tls.Conn
	wire       wire
	tls        *TLS
	handshaken bool

	// certificate is the client's, which it proved to be its own; nil if it has shown none, or none
	// that holds any more. It was verified by authorities.
	certificate *x509.Certificate
	authorities *x509.CertPool
}

// secure puts TLS on c, of which nothing was read yet.
func (c *Conn) secure(t *TLS) {
	c.tls = &secured{tls: t}
	c.tls.wire.Conn, c.tls.wire.conn = c.Conn, c
	c.tls.Conn = t.Server(&c.tls.wire)
}

// readSecured is read for a connection with TLS. It shakes hands first; a client that cannot be understood
// is gone as far as HTTP is concerned.
func (c *Conn) readSecured(p []byte) (int, error) {
	if !c.tls.handshaken && !c.handshake() {
		return 0, io.EOF
	}
	return c.tls.Read(p)
}

// handshake makes the connection a secure one, and tells whether it could. All of it may take what the
// first request may.
func (c *Conn) handshake() bool {
	t := c.tls
	if c.Conn.SetWriteDeadline(c.set.epoch.Add(c.readDue)) != nil {
		return false // it is closed
	}
	t.wire.deadline = true
	err := t.Handshake()
	t.wire.deadline = false
	if err != nil {
		c.failed(err)
		return false
	}
	t.handshaken = true
	state := t.ConnectionState()
	if len(state.VerifiedChains) > 0 {
		t.certificate, t.authorities = state.VerifiedChains[0][0], t.wire.hello.authorities
	}
	t.tls.countHandshake(state.DidResume)
	return true
}

// write is a write whose deadline is set.
func (t *secured) write(p []byte) (int, error) {
	t.wire.deadline = true
	n, err := t.Conn.Write(p)
	t.wire.deadline = false
	return n, err
}

// end says that nothing more will come, so that the client knows that it has all. Any goroutine may call it;
// it holds up a client's own goroutine alone, and that for seconds at most.
func (t *secured) end() {
	mode := wireHasty
	if t.wire.answering.Load() {
		mode = wirePatient
	}
	t.wire.mode.CompareAndSwap(wireOpen, mode)
	_ = t.Conn.Close() // that the client cannot take it is its own loss
}

// Certificate returns the certificate that the client of ctx proved to be its own, if it holds
// now: it has not expired, and the authorities of now stand for it. It costs next to nothing unless
// these have changed.
func Certificate(ctx *fasthttp.RequestCtx) *x509.Certificate {
	c, ok := ctx.Conn().(*Conn)
	if !ok || c.tls == nil || c.tls.certificate == nil {
		return nil
	}
	return c.tls.holds(c.tls.tls.current.Load().authorities, Begun(ctx))
}

func (t *secured) holds(authorities *x509.CertPool, now time.Time) *x509.Certificate {
	if authorities != t.authorities {
		t.authorities = authorities
		if !verifies(authorities, t.ConnectionState().PeerCertificates, now) {
			t.certificate = nil
			return nil
		}
	}
	if now.After(t.certificate.NotAfter) {
		t.certificate = nil
	}
	return t.certificate
}

// verifies tells whether the authorities stand for a client with this chain, its own certificate first.
func verifies(authorities *x509.CertPool, chain []*x509.Certificate, now time.Time) bool {
	if authorities == nil {
		return false // to Verify it would be those of the system
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: authorities, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err == nil
}

// How a wire writes.
const (
	wireOpen    int32 = iota
	wireHasty         // it is about to be closed: what cannot be written at once is not
	wirePatient       // the same after an answer, whose end the client should see
	wireMute          // nothing more is written
)

// wire is a socket as TLS sees it.
type wire struct {
	net.Conn
	conn *Conn
	// deadline says that the write deadline is set.
	deadline bool
	// began says that something came.
	began bool
	// hello is what answered the client's first message, and old says that it asked for versions
	// that are not spoken any more.
	hello *identity
	old   bool

	answering atomic.Bool // a request is under way
	mode      atomic.Int32
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.began = w.began || n > 0
	return n, err
}

// Write sends what TLS has to say. That is more than what the server writes: it also answers a client
// that wants other keys, while the server reads, and takes leave when a stop closes an idle connection.
// For both no deadline is set, and no client may hold the caller up, so they are written at once or not
// at all.
func (w *wire) Write(p []byte) (int, error) {
	switch mode := w.mode.Load(); {
	case mode == wireMute:
		return 0, net.ErrClosed
	case mode == wirePatient, mode == wireOpen && w.deadline:
		return w.Conn.Write(p)
	case mode == wireOpen:
		w.conn.writeDue = 0 // where there is no other way to hurry, the deadline is moved for it
	}
	return writeAtOnce(w.Conn, p)
}

// Close leaves the socket open for bytes that the client still sends; conn.Close closes it.
func (w *wire) Close() error { return nil }
