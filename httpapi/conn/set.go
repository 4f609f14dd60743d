package conn

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"flowd/httpapi/reject"
	"flowd/httpapi/reservation"
	"flowd/limit"
	"flowd/logs"
)

// Timeouts bound how long a connection waits for its client. All must be positive.
type Timeouts struct {
	// Read is the longest time for the head and the body of a request to arrive, and for a new connection to
	// begin one.
	Read time.Duration
	// Write is the longest time for the client to take in one write.
	Write time.Duration
	// Idle is how long a connection may stay open between two requests.
	Idle time.Duration
}

// Options are what a set of connections is made of. All but TLS are required.
type Options struct {
	Timeouts
	// Max is how many connections may be open at once, and PerAddress how many of them from one address; a
	// PerAddress of 0 leaves each address its share of all (limit.MayHold).
	Max, PerAddress int
	// HeaderBytes is the longest request line and headers together, which the client is told.
	HeaderBytes int
	// TLS secures the connections; nil leaves them in clear.
	TLS *TLS
	// Clients are told when a connection of theirs ends.
	Clients *reservation.Clients
	// Rejects counts connections and handshakes that are rejected.
	Rejects *reject.Counters
	Lines   *logs.Limiter
}

// Set is the set of open connections. A connection is in it until nothing serves it any more. Its methods may be
// called by many goroutines at once.
type Set struct {
	options Options
	epoch   time.Time // what connections count their deadlines from
	// slack is how much earlier than it should a deadline may come, so that not every request
	// has to move it.
	slack      time.Duration
	perAddress atomic.Int64
	crowded    []byte // the answer to a connection over Most

	mu        sync.Mutex
	open      map[*Conn]struct{}
	addresses perAddress
	count     atomic.Int64
	// none is closed when the set becomes empty; nil while no caller waits for it.
	none chan struct{}
}

// NewSet returns an empty set.
func NewSet(o Options) *Set {
	s := &Set{options: o, epoch: time.Now(), slack: min(o.Read, o.Write, o.Idle) / 16}
	s.perAddress.Store(int64(o.PerAddress))
	s.crowded = reject.Overloaded(reject.TooManyConnections, fmt.Sprintf(
		"There are %d connections already; use fewer, or raise max-connections.", o.Max)).Raw()
	return s
}

// SetPerAddress changes how many connections an address may have from now on.
func (s *Set) SetPerAddress(most int) { s.perAddress.Store(int64(most)) }

// serve returns the connection on the socket nc, which is not in the set.
func (s *Set) serve(nc net.Conn) *Conn {
	return &Conn{Conn: nc, set: s, address: addressKey(nc.RemoteAddr()), await: s.options.Read}
}

// Follow tells a connection what fasthttp does with it. A closed one leaves the set.
func (s *Set) Follow(nc net.Conn, state fasthttp.ConnState) {
	c, ok := nc.(*Conn)
	if !ok {
		return
	}
	c.state(state)
	if state == fasthttp.StateClosed { // nothing serves it any more
		s.options.Clients.Leave(c.client)
		s.remove(c)
	}
}

// add puts c in and returns true, unless there are as many connections already, of all or of its
// address, as there may be. Then it returns for which of both it is rejected.
func (s *Set) add(c *Conn) (reject.Reason, bool) {
	perAddress := int(s.perAddress.Load())
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case perAddress > 0 && c.address.IsValid() && s.addresses[c.address] >= perAddress:
		return reject.AddressConnections, false
	case len(s.open) >= s.options.Max:
		return reject.TooManyConnections, false
	case perAddress == 0 && c.address.IsValid() &&
		!limit.MayHold(uint64(s.addresses[c.address]), uint64(s.options.Max-len(s.open))):
		return reject.AddressShare, false
	}
	if s.open == nil {
		s.open = make(map[*Conn]struct{})
	}
	s.open[c] = struct{}{}
	s.addresses.add(c.address)
	s.count.Store(int64(len(s.open)))
	return 0, true
}

// ofAddress returns how many connections an address has.
func (s *Set) ofAddress(a netip.Addr) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addresses[a]
}

func (s *Set) remove(c *Conn) {
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

// Count returns how many connections are open.
func (s *Set) Count() int64 { return s.count.Load() }

// CloseAll cuts every connection off, so that whatever serves it ends soon.
func (s *Set) CloseAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		_ = c.Conn.Close() // the goroutine that serves c sees it in the next read or write
	}
}

// Empty returns a channel that is closed once there are no connections.
func (s *Set) Empty() <-chan struct{} {
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
