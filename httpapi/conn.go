package httpapi

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"flowd/access"
	"flowd/limit"
)

// smallAnswer is what the buffer of a socket has room for, so that to write it takes no time.
const smallAnswer = 4 << 10

// lingerTime is how long a connection that is closed with a part of a request unread goes on
// swallowing what still arrives.
const lingerTime = 2 * time.Second

// conn is a client's connection. It keeps its own deadlines: fasthttp would set three of them
// for each request, at half a microsecond, where nearly every request of a busy connection can
// do with those that are still set. All but Close belongs to the goroutine that serves it.
type conn struct {
	net.Conn // the socket
	limits   *Limits
	epoch    time.Time
	// tls is what is spoken on the socket, nil if that is HTTP in clear.
	tls *secured
	// address is whom the connection counts for.
	address netip.Addr
	// client is that of the last request, which had right; nil before.
	client *clientState
	right  *access.Right
	// slack is how much earlier than it should a deadline may come, so that not every request
	// has to move it.
	slack time.Duration

	// done is when the handler of the request was through, as finished has it; zero before, and once it
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

	// unsentLimited says that limitUnsent was called.
	unsentLimited bool
	// ended says that the client has closed its sending side, and all that it sent was read.
	ended bool
	// unread says that a part of a request was left unread, so the peer may still be sending.
	unread atomic.Bool
}

func newConn(nc net.Conn, limits *Limits, epoch time.Time) *conn {
	return &conn{
		Conn:    nc,
		limits:  limits,
		epoch:   epoch,
		address: addressKey(nc.RemoteAddr()),
		slack:   min(limits.ReadTimeout, limits.WriteTimeout, limits.IdleTimeout) / 16,
		await:   limits.ReadTimeout,
	}
}

// state follows what fasthttp does with the connection.
func (c *conn) state(s fasthttp.ConnState) {
	switch s {
	case fasthttp.StateActive: // the first byte of a request is there
		c.active, c.done = true, time.Time{}
		c.await = c.limits.ReadTimeout
	case fasthttp.StateIdle: // the answer is written
		c.await = c.limits.IdleTimeout
		c.beginRequest()
		c.unread.Store(false)
	}
	if c.tls != nil {
		c.tls.wire.answering.Store(s == fasthttp.StateActive)
	}
}

// Read is net.Conn's. The first read of a wait or of a request sets the deadline for all of it, and
// that of a connection for the handshake as well.
func (c *conn) Read(p []byte) (int, error) {
	if c.await > 0 {
		due := c.answered + c.await
		if c.answered == 0 {
			due += time.Since(c.epoch)
		}
		c.answered = 0
		if early := due - c.readDue; early < 0 || early > c.slack {
			if err := c.Conn.SetReadDeadline(c.epoch.Add(due)); err != nil {
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

func (c *conn) read(p []byte) (int, error) {
	if c.tls != nil {
		return c.readSecured(p)
	}
	return c.Conn.Read(p)
}

// Write is net.Conn's. Each write may take WriteTimeout.
func (c *conn) Write(p []byte) (int, error) {
	due := c.limits.WriteTimeout
	if c.done.IsZero() {
		due += time.Since(c.epoch)
		c.answered = 0
	} else { // just now; the next write may be later
		now := c.done.Sub(c.epoch)
		due += now
		if c.done = (time.Time{}); len(p) <= smallAnswer {
			c.answered = now
		}
	}
	if due-c.writeDue > c.slack {
		if err := c.Conn.SetWriteDeadline(c.epoch.Add(due)); err != nil {
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
func (c *conn) Close() error {
	unread := c.unread.Swap(false)
	if c.tls != nil {
		c.tls.end()
	}
	if unread {
		linger(c.Conn, time.Now().Add(lingerTime))
	}
	return c.Conn.Close()
}

// reset makes Close end the connection by a reset, which the client cannot take for an orderly
// end. What was not yet sent is lost by it.
func (c *conn) reset() {
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

// leaveUnread notes that a part of ctx's request may stay unread. Where it is so, the connection
// is closed after the answer; fasthttp reads what is short itself, and goes on.
func leaveUnread(ctx *fasthttp.RequestCtx) {
	if c, ok := ctx.Conn().(*conn); ok {
		c.unread.Store(true)
		c.extra = min(c.extra, 0) - maxUnread // its data is no extra either, up to where fasthttp stops
	}
}

// conns is the set of open connections. A connection is in it until nothing serves it any more.
type conns struct {
	// tls secures them; nil if they are in clear. It is set before the first connection.
	tls *TLS

	mu        sync.Mutex
	open      map[*conn]struct{}
	addresses perAddress
	count     atomic.Int64
	// none is closed when the set becomes empty; nil while no caller waits for it.
	none chan struct{}
}

// add puts c in and returns true, unless there are as many connections already, of all or of its
// address, as l allows. Then it returns for which of both it is refused. Where l has no number for an
// address, each may have its share of all (limit.MayHold).
func (s *conns) add(c *conn, l *Limits) (reason, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case l.ConnectionsPerAddress > 0 && c.address.IsValid() && s.addresses[c.address] >= l.ConnectionsPerAddress:
		return reasonAddress, false
	case len(s.open) >= l.Connections:
		return reasonConnections, false
	case l.ConnectionsPerAddress == 0 && c.address.IsValid() &&
		!limit.MayHold(uint64(s.addresses[c.address]), uint64(l.Connections-len(s.open))):
		return reasonAddressShare, false
	}
	if s.open == nil {
		s.open = make(map[*conn]struct{})
	}
	s.open[c] = struct{}{}
	s.addresses.add(c.address)
	s.count.Store(int64(len(s.open)))
	return 0, true
}

// of returns how many connections an address has.
func (s *conns) of(a netip.Addr) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addresses[a]
}

func (s *conns) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, open := s.open[c]; !open {
		return
	}
	delete(s.open, c)
	s.addresses.remove(c.address)
	s.count.Store(int64(len(s.open)))
	if len(s.open) == 0 {
		s.open = nil // a map keeps the memory of the most that it ever held
		if s.none != nil {
			close(s.none)
			s.none = nil
		}
	}
}

// closeAll cuts every connection off, so that whatever serves it ends soon.
func (s *conns) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		_ = c.Conn.Close() // the goroutine that serves c sees it in the next read or write
	}
}

// empty returns a channel that is closed once there are no connections.
func (s *conns) empty() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.none == nil {
		s.none = make(chan struct{})
	}
	none := s.none
	if len(s.open) == 0 {
		close(none)
		s.none = nil
	}
	return none
}
