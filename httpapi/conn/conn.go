// Package conn serves the connections of clients: it bounds how many there are and how long each waits, secures them by
// TLS, and rejects what is not well-formed HTTP.
package conn

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"flowd/access"
	"flowd/httpapi/reservation"
)

// smallAnswer is what the buffer of a socket has room for, so that to write it takes no time.
const smallAnswer = 4 << 10

// lingerTime is how long a connection that is closed with a part of a request unread goes on
// swallowing what still arrives.
const lingerTime = 2 * time.Second

// Conn is a client's connection. It keeps its own deadlines: fasthttp would set three of them
// for each request, at half a microsecond, where nearly every request of a busy connection can
// do with those that are still set. All but Close belongs to the goroutine that serves it.
type Conn struct {
	net.Conn      // the socket
	set      *Set // that it belongs to
	// tls is what is spoken on the socket, nil if that is HTTP in clear.
	tls *secured
	// address is what the connection counts for (limits per address).
	address netip.Addr
	// client is that of the last request, which had right; nil before.
	client *reservation.Client
	right  *access.Grant

	// done is when the handler of the request was through, as Finished has it; zero before, and once it
	// was written. Answered is that time, counted from epoch, if all that was written since is an answer so
	// small that it cannot have taken time; else 0.
	done     time.Time
	answered time.Duration

	// await is the time that the next read may take, 0 if its deadline is set already.
	await time.Duration
	// readDue and writeDue are the deadlines that are set, counted from epoch.
	readDue, writeDue time.Duration

	// buffer is the memory that fasthttp reads heads into, and filled how far the last read of this request's
	// head filled it; 0 if all of the head came with the request before it. Up to looked it was looked at.
	buffer         []byte
	filled, looked int
	// active says that the first byte of a request is there.
	active bool
	// chunks says that a chunked body is read, and extra how much came of it beside its data so far. For the
	// piece that is read now, direct is how much did not go through buffer, and grace how often it was read on
	// over the limit.
	chunks               bool
	extra, direct, grace int
	// fault is what Read found wrong with the request.
	fault error
	// waiting is when a request began whose client waits to be asked for the body; else zero.
	waiting time.Time

	// unsentLimited says that LimitUnsent was called.
	unsentLimited bool
	// ended says that the client has closed its sending side, and all that it sent was read.
	ended bool
	// unread says that a part of a request was left unread, so the peer may still be sending.
	unread atomic.Bool
}

// state follows what fasthttp does with the connection.
func (c *Conn) state(s fasthttp.ConnState) {
	switch s {
	case fasthttp.StateActive: // the first byte of a request is there
		c.active, c.done = true, time.Time{}
		c.await = c.set.options.Read
	case fasthttp.StateIdle: // the answer is written
		c.await = c.set.options.Idle
		c.beginRequest()
		c.unread.Store(false)
	}
	if c.tls != nil {
		c.tls.wire.answering.Store(s == fasthttp.StateActive)
	}
}

// Read is net.Conn's. The first read of a wait or of a request sets the deadline for all of it, and
// that of a connection for the handshake as well.
func (c *Conn) Read(p []byte) (int, error) {
	if c.await > 0 {
		due := c.answered + c.await
		if c.answered == 0 {
			due += time.Since(c.set.epoch)
		}
		c.answered = 0
		if early := due - c.readDue; early < 0 || early > c.set.slack {
			if err := c.Conn.SetReadDeadline(c.set.epoch.Add(due)); err != nil {
				return 0, err
			}
			c.readDue = due
		}
		c.await = 0
	}
	if c.chunks || len(p) < len(c.buffer) {
		var err error
		if p, err = c.inspect(p); err != nil {
			return 0, err
		}
	}
	if !c.active {
		// The other goroutines run first. Under load the client's next request has then often arrived,
		// which spares a read that finds nothing and a wait for the network poller.
		runtime.Gosched()
	}
	first := c.buffer == nil
	n, err := c.read(p)
	c.received(p, n)
	if err == io.EOF {
		c.ended = true
	}
	if first && bytes.HasPrefix(p[:n], []byte(preface)) {
		return 0, errVersion
	}
	return n, err
}

func (c *Conn) read(p []byte) (int, error) {
	if c.tls != nil {
		return c.readSecured(p)
	}
	return c.Conn.Read(p)
}

// Write is net.Conn's. Each write may take WriteTimeout.
func (c *Conn) Write(p []byte) (int, error) {
	due := c.set.options.Write
	if c.done.IsZero() {
		due += time.Since(c.set.epoch)
		c.answered = 0
	} else { // just now; the next write may be later
		now := c.done.Sub(c.set.epoch)
		due += now
		if c.done = (time.Time{}); len(p) <= smallAnswer {
			c.answered = now
		}
	}
	if due-c.writeDue > c.set.slack {
		if err := c.Conn.SetWriteDeadline(c.set.epoch.Add(due)); err != nil {
			return 0, err
		}
		c.writeDue = due
	}
	if c.tls != nil {
		return c.tls.write(p)
	}
	return c.Conn.Write(p)
}

// Close closes the connection. To close a TCP connection with unread bytes makes the kernel
// send a reset, and a reset can take the answer away from a client that is still sending. So
// after an early answer the sending side alone is closed, and what comes is swallowed until
// the client is done or lingerTime has passed.
func (c *Conn) Close() error {
	unread := c.unread.Swap(false)
	if c.tls != nil {
		c.tls.end()
	}
	if unread {
		linger(c.Conn, time.Now().Add(lingerTime))
	}
	return c.Conn.Close()
}

// Reset makes Close end the connection by a reset, which the client cannot take for an orderly
// end. What was not yet sent is lost by it.
func (c *Conn) Reset() {
	if tcp, ok := c.Conn.(interface{ SetLinger(seconds int) error }); ok {
		c.unread.Store(false)
		if c.tls != nil {
			c.tls.wire.mode.Store(wireMute)
		}
		_ = tcp.SetLinger(0) // an error would say that it is closed already
	}
}

// linger closes the sending side of nc and reads it to its end, or until the deadline. Errors do
// not matter: the connection is about to be closed.
func linger(nc net.Conn, deadline time.Time) {
	half, ok := nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || nc.SetReadDeadline(deadline) != nil {
		return
	}
	_, _ = io.Copy(io.Discard, nc)
}
