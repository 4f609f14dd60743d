package httpapi

import (
	"fmt"
	"sync"
	"sync/atomic"

	"flowd/limit"
)

// holding is how much memory for bodies the requests of a client hold.
type holding struct {
	bytes    atomic.Int64
	requests atomic.Int32
}

// holdings are those of the clients that have requests under way.
type holdings struct {
	mu      sync.Mutex
	clients map[string]*holding
}

// begin returns what client holds, for one more request.
func (h *holdings) begin(client string) *holding {
	h.mu.Lock()
	defer h.mu.Unlock()
	of := h.clients[client]
	if of == nil {
		of = new(holding)
		h.clients[client] = of
	}
	of.requests.Add(1)
	return of
}

// end ends a request of client.
func (h *holdings) end(client string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	of := h.clients[client]
	if of.requests.Add(-1) == 0 {
		delete(h.clients, client)
	}
}

// mayTake reports whether a client may hold so much more where so much is free: no more in all than is left
// for others, unless it has no other request. So one client can fill half of the memory, two a third each, and
// there is some for whoever comes next, as there is in a switch whose ports share its memory (A. K. Choudhury
// and E. L. Hahne, Dynamic Queue Length Thresholds for Shared-Memory Packet Switches).
func (h *holding) mayTake(more, free int64) bool {
	return h.requests.Load() == 1 || h.bytes.Load()+more <= free
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
