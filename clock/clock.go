// Package clock keeps the time by which data is dropped, so that no clock that is set wrong and no
// pause of the program drops any.
//
// The trusted time goes on with the monotonic clock. Where the machine's wall clock moves away from
// it, or stood elsewhere when the program started again, the difference is a gap: time that may have
// passed, or may be a mistake. A gap is counted only after the wall clock has stood by it while the
// program ran for Options.Hold, or when an operator accepts it. A wall clock that goes back takes gaps
// away again; what it goes back beyond them is remembered, so that its return is not taken for time.
package clock

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options say where the time comes from.
type Options struct {
	// Wall is the machine's clock; nil is time.Now.
	Wall func() time.Time
	// Uptime grows with the time that passes while the program runs, whatever Wall is set to. Nil
	// takes Wall for it, which then is believed while the program runs.
	Uptime func() time.Duration
	// Hold is how long Wall must stand by a gap, in time that the program runs, before the gap is
	// counted. 0 counts each at once.
	Hold time.Duration
}

// State is what a later run needs to go on. All times are in milliseconds; Time and Wall since the
// Unix epoch.
type State struct {
	// Time is the trusted time, Wall what the wall clock was expected to say then.
	Time, Wall int64
	// Ran is how long the program has run on this state. Below Options.Hold no wall clock has proved
	// itself yet, so that what it is moved by is taken for its being set right.
	Ran int64
	// Behind is how far the wall clock went back, beyond gaps, and has not returned.
	Behind int64
	// Gaps are those that are not counted, the oldest first.
	Gaps []Gap
}

// Gap is time that may have passed.
type Gap struct {
	// Length is how long it is, Steady how long the program ran since, in milliseconds.
	Length, Steady int64
	// Pause says that the program did not run meanwhile, and that the gap is no longer than
	// Options.Hold, as with any restart.
	Pause bool
}

// Settled is the state of a program that kept no other than the time at which it last wrote.
func Settled(written int64) State {
	return State{Time: written, Wall: written, Ran: int64(maxRan)}
}

const (
	// tolerance is by how much the wall clock may differ from what is expected before that is a gap,
	// so that clocks which drift do not fill the list.
	tolerance = time.Second
	// maxGaps bounds State.Gaps. Beyond it the two newest become one.
	maxGaps = 64
	// maxRan is where Ran ends: beyond any Hold.
	maxRan = 100 * 365 * 24 * time.Hour / time.Millisecond
)

// Clock is the trusted time. Its methods may be called from any goroutine.
type Clock struct {
	o Options
	// offset is the trusted time less the uptime, in milliseconds.
	offset atomic.Int64

	mu   sync.Mutex
	up   int64 // when state was right, in milliseconds of Options.Uptime
	s    State
	ids  []uint64 // of the gaps of s
	last uint64   // id that was given
}

// New returns a clock that begins with what the wall clock says.
func New(o Options) *Clock {
	if o.Wall == nil {
		o.Wall = time.Now
	}
	if o.Uptime == nil {
		began := o.Wall()
		o.Uptime = func() time.Duration { return o.Wall().Sub(began) }
	}
	c := &Clock{o: o}
	c.up = c.uptime()
	c.s.Time = c.Wall()
	c.s.Wall = c.s.Time
	c.publish()
	return c
}

// Now returns the trusted time in milliseconds since the Unix epoch. It never goes back while the
// uptime does not.
func (c *Clock) Now() int64 { return c.offset.Load() + c.uptime() }

// Wall returns what the machine's clock says, in milliseconds since the Unix epoch.
func (c *Clock) Wall() int64 { return c.o.Wall().UnixMilli() }

// Hold returns Options.Hold.
func (c *Clock) Hold() time.Duration { return c.o.Hold }

func (c *Clock) uptime() int64 { return c.o.Uptime().Milliseconds() }
func (c *Clock) hold() int64   { return c.o.Hold.Milliseconds() }

// publish lets Now go on from the state. The caller holds mu, or has c alone.
func (c *Clock) publish() { c.offset.Store(c.s.Time - c.up) }

// Resume goes on from s, which an earlier run left. Latest is a later trusted time that is known of
// that run, as of its last record; 0 if none is.
func (c *Clock) Resume(s State, latest int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Gaps = slices.Clone(s.Gaps)
	c.s, c.ids = s, nil
	for range s.Gaps {
		c.ids = append(c.ids, c.nextID())
	}
	c.pass(max(0, latest-s.Time))
	c.up = c.uptime()
	c.move(c.Wall()-c.s.Wall, true)
	c.publish()
}

// pass lets time pass in which the program ran.
func (c *Clock) pass(ms int64) {
	c.s.Time += ms
	c.s.Wall += ms
	c.s.Ran = min(c.s.Ran+ms, int64(maxRan))
	for i := range c.s.Gaps {
		c.s.Gaps[i].Steady += ms
	}
}

// advance brings the state to now, and returns by how much the wall clock was moved, if it was.
func (c *Clock) advance() (moved int64) {
	now := c.uptime()
	c.pass(max(0, now-c.up))
	c.up = now
	if d := c.Wall() - c.s.Wall; max(d, -d) >= tolerance.Milliseconds() {
		c.move(d, false)
		moved = d
	}
	c.publish()
	return moved
}

// move takes account of the wall clock's standing by d elsewhere than expected. Paused says that the
// program did not run since.
func (c *Clock) move(d int64, paused bool) {
	c.s.Wall += d
	young := c.s.Ran < c.hold()
	if d < 0 {
		if left := c.cancel(-d); !young {
			c.s.Behind += left
		}
		return
	}
	restart := paused && d <= c.hold()
	if young && !restart {
		return
	}
	// A clock that went back and returns has not let time pass. But one that is far behind, and moves
	// by no more than a restart takes, has been behind all the while.
	if !(restart && c.s.Behind > c.hold()) {
		back := min(d, c.s.Behind)
		c.s.Behind -= back
		d -= back
	}
	switch {
	case d > 0 && c.o.Hold == 0:
		c.s.Time += d
	case d > 0:
		c.add(Gap{Length: d, Pause: paused && d <= c.hold()})
	}
}

// cancel takes ms off the newest gaps, and returns what is left.
func (c *Clock) cancel(ms int64) (left int64) {
	for n := len(c.s.Gaps); ms > 0 && n > 0; n-- {
		g := &c.s.Gaps[n-1]
		off := min(ms, g.Length)
		g.Length -= off
		ms -= off
		if g.Length == 0 {
			c.s.Gaps, c.ids = c.s.Gaps[:n-1], c.ids[:n-1]
		}
	}
	return ms
}

func (c *Clock) add(g Gap) {
	if n := len(c.s.Gaps); n == maxGaps {
		newest := c.s.Gaps[n-1]
		g = Gap{Length: g.Length + newest.Length, Pause: g.Pause && newest.Pause}
		c.s.Gaps, c.ids = c.s.Gaps[:n-1], c.ids[:n-1]
	}
	c.s.Gaps = append(c.s.Gaps, g)
	c.ids = append(c.ids, c.nextID())
}

func (c *Clock) nextID() uint64 {
	c.last++
	return c.last
}
