package limit

import (
	"container/heap"
	"math"
	"sync"
	"time"
)

// Shares divides a fixed number of places among clients, fairly while there are too few. Its
// methods may be called from any goroutine.
//
// Each client has a line of its own, and a place that comes free goes to the line of the client
// that holds the fewest. So a client that floods the server lengthens its own line alone, and
// whoever asks for little is served next; while nobody else asks, one client may hold all places.
// What comes of it is max-min fairness: clients that ask for less than an equal part get all they
// ask for, and the others equal parts of the rest. One line for each sender is the idea of RFC 970
// (J. Nagle, On Packet Switches With Infinite Storage); it is the fewest held instead of one after
// the other because places are not held for the same time: taking turns, a client with large
// batches would soon hold nearly all.
//
// The lines are bounded together, and one by what is left: a client may have no more requests
// waiting than there is room for others. So one can fill half of the room at most, two a third
// each, and there is some for whoever comes next; beyond it a request is refused at once. That is
// the dynamic threshold by which switches share their memory (A. K. Choudhury and E. L. Hahne,
// Dynamic Queue Length Thresholds for Shared-Memory Packet Switches).
//
// Memory is bounded by the places: for each there is room for some who wait.
type Shares struct {
	places, room int

	mu      sync.Mutex
	taken   int // places; all of them where anybody waits
	waiting int // requests
	lines   lines
	turns   uint64 // places given to those who waited, and clients that began to wait

	waiters sync.Pool // of *waiter
}

// waitersPerPlace is the room for those who wait. A place is held for as long as a batch takes to
// reach the disk; with some milliseconds for that, more could not be served within the second
// that a request waits by default.
const waitersPerPlace = 256

// Client is one of those that places are divided among. The zero value has nothing inside. It must not be
// copied, nor be used with two Shares.
type Client struct {
	held, waits int
	first, last *waiter // its line
	turn        uint64  // when it began to wait, or got a place while it did
	at          int     // in lines, while it waits
}

// waiter is a request that waits.
type waiter struct {
	before, after *waiter
	granted       bool
	ready         chan struct{} // holds one
	timer         *time.Timer
}

// NewShares returns places that nobody holds; at least 1.
func NewShares(places int) *Shares {
	places = max(places, 1)
	s := &Shares{places: places, room: places * waitersPerPlace}
	s.waiters.New = func() any {
		return &waiter{ready: make(chan struct{}, 1), timer: time.NewTimer(math.MaxInt64)}
	}
	return s
}

// Entry is what comes of asking for a place.
type Entry uint8

const (
	// Entered is a place, which is to be given back by Leave.
	Entered Entry = iota
	// OverShare is none, for a client that has other requests inside while others want places too:
	// it asks for more than its share.
	OverShare
	// NoPlace is none, though the client has nothing else inside, or everything: more is asked for
	// than there is.
	NoPlace
)

// Enter takes a place for c, and waits up to wait for its turn if none is free. A request is
// refused when that time is over, and at once if its client has its share of those who wait
// already. A client that holds no place gets the next or one soon after; no place is taken from
// those who hold it, so wait should be longer than places are held. With a wait of 0 nobody waits,
// and whoever comes first has the places.
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

// refusal tells why a request of c's is refused, which is not in its line any more.
func (s *Shares) refusal(c *Client) Entry {
	inside, all := c.held+c.waits, s.taken+s.waiting
	if inside > 0 && inside < all {
		return OverShare
	}
	return NoPlace
}

// Leave gives a place of c's back, to whoever is next.
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

// Waiting returns how many requests wait for a place.
func (s *Shares) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
}

// queue puts w at the end of c's line.
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

// grant gives a place that was taken to the first of c's line.
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

// giveUp takes w out of c's line, unless it was granted a place just now.
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

// remove takes w out of c's line.
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

// lines is the clients that wait, as a heap: the first is the one that is next.
type lines []*Client

func (l lines) Len() int { return len(l) }

// Less tells whether line i goes before line j: its client holds fewer, or as many and has waited
// longer since it last got one.
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

// Push is heap.Interface's.
func (l *lines) Push(c any) {
	c.(*Client).at = len(*l)
	*l = append(*l, c.(*Client))
}

// Pop is heap.Interface's.
func (l *lines) Pop() any {
	last := len(*l) - 1
	c := (*l)[last]
	(*l)[last] = nil
	*l = (*l)[:last]
	return c
}
