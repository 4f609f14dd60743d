// Package reservation keeps what clients reserve of two things that all of them share: slots of batches, and memory
// for bodies.
package reservation

import (
	"sync"
	"sync/atomic"

	"flowd/limit"
)

// Client is what is known of a client while it has a connection. It is looked up once a connection, and
// again when the connection's token is another, since to look it up for each request costs as much as to
// add a flow up.
type Client struct {
	Name string // of its token, or the bytes of its address
	// Slot is what it has of the slots of batches.
	Slot limit.Client
	// bytes is the memory for bodies that its requests hold.
	bytes atomic.Int64
	// Requests is how many requests of the client take a batch in.
	Requests atomic.Int32

	connections int // that have it; belongs to clients
}

// Clients are those that have connections.
type Clients struct {
	mu  sync.Mutex
	all map[string]*Client
}

// Join returns the client of a name, for one more connection.
func (cs *Clients) Join(name string) *Client {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.all[name]
	if c == nil {
		if cs.all == nil {
			cs.all = make(map[string]*Client)
		}
		c = &Client{Name: name}
		cs.all[name] = c
	}
	c.connections++
	return c
}

// Leave takes a connection from c, which may be nil.
func (cs *Clients) Leave(c *Client) {
	if c == nil {
		return
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if c.connections--; c.connections > 0 {
		return
	}
	if delete(cs.all, c.Name); len(cs.all) == 0 {
		cs.all = nil // a map keeps the memory of the most that it ever held
	}
}

// Count returns how many there are.
func (cs *Clients) Count() int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return len(cs.all)
}

// mayAcquire reports whether a client may hold so much more where so much is free: no more in all than is left
// for others, unless it has no other request. So one client can fill half of the memory, two a third each, and
// there is some for the next client, as there is in a switch whose ports share its memory (A. K. Choudhury
// and E. L. Hahne, Dynamic Queue Length Thresholds for Shared-Memory Packet Switches).
func (c *Client) mayAcquire(more, free int64) bool {
	return c.Requests.Load() == 1 || c.bytes.Load()+more <= free
}
