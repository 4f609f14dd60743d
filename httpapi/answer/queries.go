package answer

import (
	"fmt"
	"sync"

	"flowd/httpapi/reject"
	"flowd/limit"
)

// underWay counts the answers under way, of all and of each client that has some.
type underWay struct {
	mu      sync.Mutex
	all     int
	clients map[string]int
}

// begin counts one more answer to client, of which most are allowed, or returns why not: there are as many, or
// the client has its share of them (limit.MayHold).
func (u *underWay) begin(client string, most int) *reject.Problem {
	u.mu.Lock()
	defer u.mu.Unlock()
	held, free := u.clients[client], max(most-u.all, 0)
	switch {
	case free == 0:
		return reject.Overloaded(reject.TooManyQueries, fmt.Sprintf("%d answers are being written already, and max-queries is %d; ask again later, "+
			"or raise max-queries.", u.all, most))
	case !limit.MayHold(uint64(held), uint64(free)):
		return reject.Overloaded(reject.QueryShare, fmt.Sprintf("%d answers to this client are being written already, which is its share of "+
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
