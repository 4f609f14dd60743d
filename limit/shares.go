package limit

import (
	"container/heap"
	"math"
	"sync"
	"time"
)

// Shares divides a fixed number of places among clients, fairly while places are scarce. Its methods may be
// called from any goroutine.
//
// Each client has its own queue, and a place that becomes free goes to the queue of the client that holds
// the fewest places. So a client that floods the server lengthens only its own queue, and a client with few
// requests is served next. While no other client asks, one client may hold all places. The outcome is
// max-min fairness: clients that ask for less than an equal part get all they ask for, and the others equal
// parts of the rest. A queue for each sender is the idea of RFC 970 (J. Nagle, On Packet Switches With
// Infinite Storage). The fewest places held replaces its round robin because places are not held for equal
// times: with round robin, a client with large batches would soon hold nearly all places.
//
// The total length of the queues is bounded, and each queue by the room that is left: a client may have no
// more requests waiting than there is room for others. So one client can fill at most half of the room, two
// a third each, and there is always some for the next client. A request beyond that is refused at once.
// This is the dynamic threshold of shared-memory switches (A. K. Choudhury and E. L. Hahne, Dynamic Queue
// Length Thresholds for Shared-Memory Packet Switches).
//
// Memory is bounded by the number of places: the room for waiting requests is a multiple of it.
type Shares struct {
	places, room int

	mu      sync.Mutex
	taken   int // places; all of them while a request waits
	waiting int // requests
	lines   lines
	turns   uint64 // places granted to waiting requests, and clients that began to wait

	waiters sync.Pool // of *waiter
}

// waitersPerPlace is the number of requests that may wait for each place. A place is held for as long as a
// batch takes to reach the disk. At some milliseconds for that, more requests could not be served within
// the second that a request waits by default.
const waitersPerPlace = 256

// Client is one of the clients of Shares. The zero value holds no places. It must not be copied, nor used
// with two Shares.
type Client struct {
	held, waits int
	first, last *waiter // its queue
	turn        uint64  // value of turns when it began to wait, or last got a place while waiting
	at          int     // index in lines, while it waits
}

// waiter is a waiting request.
type waiter struct {
	before, after *waiter
	granted       bool
	ready         chan struct{} // has room for one token
	timer         *time.Timer
}

// NewShares returns Shares with this number of free places, at least 1.
func NewShares(places int) *Shares {
	places = max(places, 1)
	s := &Shares{places: places, room: places * waitersPerPlace}
	s.waiters.New = func() any {
		return &waiter{ready: make(chan struct{}, 1), timer: time.NewTimer(math.MaxInt64)}
	}
	return s
}

// Entry is the outcome of Enter.
type Entry uint8

const (
	// Entered means that the client got a place, which Leave must release.
	Entered Entry = iota
	// OverShare means that the request was refused, and that its client has other requests inside while
	// other clients want places too: it asks for more than its share.
	OverShare
	// NoPlace means that the request was refused, and that its client has no other request inside, or all of
	// them: the demand exceeds the number of places.
	NoPlace
)

// Enter acquires a place for c. If none is free it waits for up to wait. It refuses the request after that
// time, or at once if the client already has its share of the waiting requests. A client without places
// gets the next free place or one soon after. Places are never taken from their holders, so wait should be
// longer than places are held. With a wait of 0 no request waits, and places go to the first that ask.
func (s *Shares) Enter(c *Client, wait time.Duration) Entry {
	s.mu.Lock()
	if s.taken < s.places {
		s.taken++
		c.held++
		s.mu.Unlock()
		return Entered
	}
	if wait <= 0 || c.waits >= s.room-s.waiting {
		defer s.mu.Unlock()
		return s.refusal(c)
	}
	w := s.waiters.Get().(*waiter)
	s.queue(c, w)
	s.mu.Unlock()

	w.timer.Reset(wait)
	entry := Entered
	select {
	case <-w.ready:
	case <-w.timer.C:
		entry = s.giveUp(c, w)
	}
	w.timer.Stop()
	*w = waiter{ready: w.ready, timer: w.timer}
	s.waiters.Put(w)
	return entry
}

// refusal returns why a request of c is refused. The request is no longer in its queue.
func (s *Shares) refusal(c *Client) Entry {
	inside, all := c.held+c.waits, s.taken+s.waiting
	if inside > 0 && inside < all {
		return OverShare
	}
	return NoPlace
}

// Leave releases a place of c, to the next waiting request if there is one.
func (s *Shares) Leave(c *Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.held == 0 {
		panic("limit: Leave of a client that holds no place")
	}
	c.held--
	if c.waits > 0 {
		heap.Fix(&s.lines, c.at)
	}
	if s.waiting == 0 {
		s.taken--
		return
	}
	s.grant(s.lines[0])
}

// Waiting returns the number of requests that wait for a place.
func (s *Shares) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
}

// queue appends w to the queue of c.
func (s *Shares) queue(c *Client, w *waiter) {
	s.waiting++
	c.waits++
	if c.waits > 1 {
		w.before, c.last.after, c.last = c.last, w, w
		return
	}
	c.first, c.last = w, w
	s.turns++
	c.turn = s.turns
	heap.Push(&s.lines, c)
}

// grant gives a taken place to the first request in the queue of c.
func (s *Shares) grant(c *Client) {
	w := c.first
	c.held++
	s.turns++
	c.turn = s.turns
	s.remove(c, w)
	if c.waits > 0 {
		heap.Fix(&s.lines, c.at)
	}
	w.granted = true
	w.ready <- struct{}{}
}

// giveUp removes w from the queue of c, unless it was granted a place in the meantime.
func (s *Shares) giveUp(c *Client, w *waiter) Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.granted {
		<-w.ready
		return Entered
	}
	s.remove(c, w)
	return s.refusal(c)
}

// remove removes w from the queue of c.
func (s *Shares) remove(c *Client, w *waiter) {
	s.waiting--
	c.waits--
	if w.before == nil {
		c.first = w.after
	} else {
		w.before.after = w.after
	}
	if w.after == nil {
		c.last = w.before
	} else {
		w.after.before = w.before
	}
	if c.waits == 0 {
		heap.Remove(&s.lines, c.at)
	}
}

// lines is the heap of the clients that wait: the first one is next.
type lines []*Client

func (l lines) Len() int { return len(l) }

// Less reports whether client i is served before client j: it holds fewer places, or the same number and
// has waited longer since it last got one.
func (l lines) Less(i, j int) bool {
	if l[i].held != l[j].held {
		return l[i].held < l[j].held
	}
	return l[i].turn < l[j].turn
}

func (l lines) Swap(i, j int) {
	l[i], l[j] = l[j], l[i]
	l[i].at, l[j].at = i, j
}

// Push implements heap.Interface.
func (l *lines) Push(c any) {
	c.(*Client).at = len(*l)
	*l = append(*l, c.(*Client))
}

// Pop implements heap.Interface.
func (l *lines) Pop() any {
	last := len(*l) - 1
	c := (*l)[last]
	(*l)[last] = nil
	*l = (*l)[:last]
	return c
}
