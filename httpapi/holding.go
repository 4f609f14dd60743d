package httpapi

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/valyala/fasthttp"

	"flowd/access"
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

// clientOf returns the client of a request. The connection keeps it for as long as ctx is served.
func (s *Server) clientOf(ctx *fasthttp.RequestCtx, right *access.Right) *clientState {
	c := ctx.Conn().(*conn)
	if c.client == nil || c.right != right {
		was := c.client
		c.client, c.right = s.clients.join(clientName(ctx, right)), right
		s.clients.leave(was)
	}
	return c.client
}

// mayTake reports whether a client may hold so much more where so much is free: no more in all than is left
// for others, unless it has no other request. So one client can fill half of the memory, two a third each, and
// there is some for the next client, as there is in a switch whose ports share its memory (A. K. Choudhury
// and E. L. Hahne, Dynamic Queue Length Thresholds for Shared-Memory Packet Switches).
func (c *clientState) mayTake(more, free int64) bool {
	return c.requests.Load() == 1 || c.bytes.Load()+more <= free
}

// underWay counts the answers under way, of all and of each client that has some.
type underWay struct {
	mu      sync.Mutex
	all     int
	clients map[string]int
}

// begin counts one more answer to client, of which most are allowed, or returns why not: there are as many, or
// the client has its share of them (limit.MayHold).
func (u *underWay) begin(client string, most int) *problem {
	u.mu.Lock()
	defer u.mu.Unlock()
	held, free := u.clients[client], max(most-u.all, 0)
	switch {
	case free == 0:
		return overloaded(reasonQueries, fmt.Sprintf("%d answers are being written already, and max-queries is %d; ask again later, "+
			"or raise max-queries.", u.all, most))
	case !limit.MayHold(uint64(held), uint64(free)):
		return overloaded(reasonQueryShare, fmt.Sprintf("%d answers to this client are being written already, which is its share of "+
			"max-queries (%d) while %d are left for others; ask fewer at once, or raise max-queries.", held, most, free))
	}
	if u.clients == nil {
		u.clients = make(map[string]int)
	}
	u.clients[client]++
	u.all++
	return nil
}

// end counts an answer out.
func (u *underWay) end(client string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.all--
	if u.clients[client]--; u.clients[client] == 0 {
		delete(u.clients, client)
	}
}

// count returns how many answers are under way.
func (u *underWay) count() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.all
}
