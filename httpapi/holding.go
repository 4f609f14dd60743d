package httpapi

import (
	"sync"
	"sync/atomic"

	"flowd/limit"
)

// clientState is what is known of a client while it has a connection. It is looked up once a connection, and
// again when the connection's token is another, since to look it up for each request costs as much as to
// add a flow up.
type clientState struct {
	name string
	// place is what it has of the places.
	place limit.Client
	// bytes is the memory for bodies that its requests hold, and requests how many take a batch in.
	bytes    atomic.Int64
	requests atomic.Int32

	connections int // that have it; belongs to clients
}

// clients are those that have connections.
type clients struct {
	mu  sync.Mutex
	all map[string]*clientState
}

// join returns the client of a name, for one more connection.
func (cs *clients) join(name string) *clientState {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.all[name]
	if c == nil {
		if cs.all == nil {
			cs.all = make(map[string]*clientState)
		}
		c = &clientState{name: name}
		cs.all[name] = c
	}
	c.connections++
	return c
}

// leave takes a connection from c, which may be nil.
func (cs *clients) leave(c *clientState) {
	if c == nil {
		return
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if c.connections--; c.connections > 0 {
		return
	}
	if delete(cs.all, c.name); len(cs.all) == 0 {
		cs.all = nil // a map keeps the memory of the most that it ever held
	}
}

// count returns how many there are.
func (cs *clients) count() int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return len(cs.all)
}

// mayTake reports whether a client may hold so much more where so much is free: no more in all than is left
// for others, unless it has no other request. So one client can fill half of the memory, two a third each, and
// there is some for the next client, as there is in a switch whose ports share its memory (A. K. Choudhury
// and E. L. Hahne, Dynamic Queue Length Thresholds for Shared-Memory Packet Switches).
func (c *clientState) mayTake(more, free int64) bool {
	return c.requests.Load() == 1 || c.bytes.Load()+more <= free
}
