package limit

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// named are Shares whose clients have names.
type named struct {
	*Shares
	mu      sync.Mutex
	clients map[string]*Client
}

func newNamed(places int) *named {
	return &named{Shares: NewShares(places), clients: map[string]*Client{}}
}

func (n *named) client(name string) *Client {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.clients[name] == nil {
		n.clients[name] = new(Client)
	}
	return n.clients[name]
}

func (n *named) Enter(name string, wait time.Duration) Entry {
	return n.Shares.Enter(n.client(name), wait)
}
func (n *named) Leave(name string) { n.Shares.Leave(n.client(name)) }

// entries collects who entered, in order. Everything runs in a synctest bubble.
type entries struct {
	*named
	mu   sync.Mutex
	list []string
	got  map[string]Entry // by request
}

func newEntries(places int) *entries {
	return &entries{named: newNamed(places), got: map[string]Entry{}}
}

// enter asks for a place for a request, whose client is its name without digits, and returns once
// it has one or waits.
func (e *entries) enter(request string, wait time.Duration) {
	go func() {
		entry := e.Enter(strings.TrimRight(request, "0123456789"), wait)
		e.mu.Lock()
		defer e.mu.Unlock()
		e.got[request] = entry
		if entry == Entered {
			e.list = append(e.list, request)
		}
	}()
	synctest.Wait()
}

// entry is what came of a request, if that is known.
func (e *entries) entry(request string) (entry Entry, known bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	entry, known = e.got[request]
	return entry, known
}

// entered is the requests that have or had a place, in the order in which they got it.
func (e *entries) entered() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.list)
}

// leave gives back a place, and returns once whoever has it now knows.
func (e *entries) leave(client string) {
	e.Leave(client)
	synctest.Wait()
}

func (e *entries) check(t *testing.T, want ...string) {
	t.Helper()
	if got := e.entered(); !slices.Equal(got, want) {
		t.Errorf("entered: %v, want %v", got, want)
	}
}

// A place that comes free goes to the client that holds the fewest; of those that hold as many to
// the one that got none for longest; and of its requests to the oldest.
func TestFewestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEntries(3)
		for _, request := range []string{"a1", "a2", "b1", "a3", "a4", "b2", "c1", "d1", "c2", "d2"} {
			e.enter(request, time.Hour)
		}
		e.check(t, "a1", "a2", "b1")
		for _, step := range []struct{ leaves, enters string }{
			{"a", "c1"}, // d holds none either, but came later
			{"b", "b2"}, // as b2 came before d1
			{"b", "d1"},
			{"d", "d2"}, // a and c hold one each
			{"a", "a3"},
			{"d", "c2"}, // a holds one too, but had it later
			{"c", "a4"},
		} {
			before := len(e.entered())
			e.leave(step.leaves)
			if got := e.entered()[before:]; len(got) != 1 || got[0] != step.enters {
				t.Fatalf("%s left, %v entered, want %s", step.leaves, got, step.enters)
			}
		}
	})
}

// There is always a place.
func TestOnePlaceAtLeast(t *testing.T) {
	for _, places := range []int{-5, 0, 1} {
		s := newNamed(places)
		if first, second := s.Enter("a", 0), s.Enter("b", 0); first != Entered || second != NoPlace {
			t.Errorf("%d places: %d, then %d", places, first, second)
		}
	}
}

// Alone, a client may have all places, and all that it asks for comes in.
func TestAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEntries(3)
		for i := range 10 {
			e.enter(fmt.Sprint("a", i), time.Second)
		}
		if e.Waiting() != 7 {
			t.Errorf("%d wait, want 7", e.Waiting())
		}
		for range 10 {
			e.leave("a")
		}
		e.check(t, "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9")
		if e.taken != 0 || e.Waiting() != 0 {
			t.Errorf("%d places taken, %d wait", e.taken, e.Waiting())
		}
	})
}

// Whoever is refused is told whether it asked for too much, or there is too little.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEntries(2)
		e.enter("a1", 0)
		e.enter("b1", 0)
		began := time.Now()
		e.enter("c1", 0)
		e.enter("a2", 0)
		e.enter("c2", -time.Second)
		for request, want := range map[string]Entry{"c1": NoPlace, "a2": OverShare, "c2": NoPlace} {
			if got, answered := e.entry(request); !answered || got != want {
				t.Errorf("%s: %d, want %d at once", request, got, want)
			}
		}
		e.enter("c3", 2*time.Second)
		e.enter("c4", time.Second)
		time.Sleep(time.Second)
		synctest.Wait()
		if got, _ := e.entry("c4"); got != OverShare { // c3 waits still
			t.Errorf("c4: %d", got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got, _ := e.entry("c3"); got != NoPlace {
			t.Errorf("c3: %d", got)
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("refused after %s", took)
		}
		e.leave("a")
		e.enter("b2", 0)
		e.enter("b3", 0) // b has both places, and nobody else wants any
		if got, _ := e.entry("b3"); got != NoPlace {
			t.Errorf("b3: %d", got)
		}
		e.check(t, "a1", "b1", "b2")
		e.leave("b")
		e.leave("b")
	})
}

// The room for those who wait is bounded, and shared: one client fills half of it, the next half of
// what is left, and there is some for whoever comes until all of it is taken.
func TestRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const room = waitersPerPlace
		e := newEntries(1)
		for _, c := range []struct {
			client string
			waits  int
		}{{"a", room / 2}, {"b", room / 4}, {"c", room / 8}} {
			before := e.Waiting()
			for i := range room {
				e.enter(fmt.Sprint(c.client, i), time.Hour)
			}
			if waits := e.Waiting() - before; waits != c.waits {
				t.Errorf("%d requests of %s wait, want %d", waits, c.client, c.waits)
			}
		}
		if got, _ := e.entry("b200"); got != OverShare {
			t.Errorf("b200: %d", got)
		}
		for i := range room/8 + 10 {
			e.enter(string('d'+rune(i)), time.Hour)
		}
		if e.Waiting() != room {
			t.Errorf("%d wait, want %d", e.Waiting(), room)
		}
		last := string('d' + rune(room/8+9))
		if got, answered := e.entry(last); !answered || got != NoPlace {
			t.Errorf("the last client: %d, want %d at once", got, NoPlace)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		e.check(t, "a0")
		e.leave("a")
	})
}

// To give back what one does not have would give others more places than there are.
func TestLeaveWithoutEnter(t *testing.T) {
	for name, begin := range map[string]func(*named){
		"unknown":        func(*named) {},
		"left":           func(s *named) { s.Enter("a", 0); s.Leave("a") },
		"that of others": func(s *named) { s.Enter("b", 0) },
		"refused":        func(s *named) { s.Enter("b", 0); s.Enter("a", 0) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newNamed(1)
			begin(s)
			defer func() {
				if recover() == nil {
					t.Error("left without a place")
				}
				if s.Waiting() != 0 { // and it is not locked
					t.Error("somebody waits")
				}
			}()
			s.Leave("a")
		})
	}
}

// A request whose time is over when it was granted a place a moment ago keeps it.
func TestGrantedTooLate(t *testing.T) {
	s := newNamed(1)
	s.Enter("a", 0)
	c, w := s.client("b"), &waiter{ready: make(chan struct{}, 1)}
	s.queue(c, w)
	s.Leave("a")
	if entry := s.giveUp(c, w); entry != Entered || len(w.ready) != 0 {
		t.Errorf("%d, with %d in its channel", entry, len(w.ready))
	}
	if entry := s.Enter("c", 0); entry != NoPlace {
		t.Errorf("c: %d with the place taken", entry)
	}
	s.Leave("b")
}

// Many goroutines enter, leave and give up; no place is lost, and there are never more.
func TestSharesAtOnce(t *testing.T) {
	const places = 2
	s := newNamed(places)
	var running sync.WaitGroup
	var inside, entered, refused atomic.Int64
	for i := range 8 {
		running.Go(func() {
			client := fmt.Sprint(i % 3)
			for range 2000 {
				if s.Enter(client, 20*time.Microsecond) != Entered {
					refused.Add(1)
					continue
				}
				entered.Add(1)
				if inside.Add(1) > places {
					t.Error("more inside than there are places")
				}
				runtime.Gosched()
				inside.Add(-1)
				s.Leave(client)
			}
		})
	}
	running.Wait()
	if s.taken != 0 || s.waiting != 0 || len(s.lines) != 0 {
		t.Errorf("%d taken, %d waiting, %d lines", s.taken, s.waiting, len(s.lines))
	}
	t.Logf("%d entered, %d refused", entered.Load(), refused.Load())
}
