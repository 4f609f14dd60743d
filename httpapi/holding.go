package httpapi

import (
	"sync"
	"sync/atomic"
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
