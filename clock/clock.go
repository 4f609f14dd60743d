// Package clock keeps the time by which data expires, so that neither a clock that is set wrong nor a pause
// of the program makes any data expire.
//
// The trusted time advances with the monotonic clock. If the machine's wall clock moves away from it, or
// differs from it when the program restarts, the difference is a gap: time that may have passed, or may be
// a mistake. A gap is counted only after the wall clock has stayed with it while the program ran for
// Options.Hold, or when an operator accepts it. A wall clock that goes back cancels gaps. What it goes back
// beyond them is recorded, so that its return is not mistaken for time.
package clock

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options configure a Clock.
type Options struct {
	// Wall is the machine's wall clock; nil means time.Now.
	Wall func() time.Time
	// Uptime grows with the time that passes while the program runs, independently of Wall. Nil derives it
	// from Wall, which is then trusted while the program runs.
	Uptime func() time.Duration
	// Hold is the time that Wall must stay with a gap, while the program runs, before the gap is counted. 0
	// counts each gap at once.
	Hold time.Duration
}

// State is the state from which a later run continues. All times are in milliseconds; Time and Wall since
// the Unix epoch.
type State struct {
	// Time is the trusted time, Wall the time that the wall clock was expected to show then.
	Time, Wall int64
	// Counted is the part of Time that is counted gaps; during the rest the program ran.
	Counted int64
	// Ran is how long the program has run on this state. Below Options.Hold no wall clock has proved itself
	// yet, so its moves are taken for corrections.
	Ran int64
	// Behind is how far the wall clock went back, beyond gaps, and has not returned. Stood is the value of
	// Behind when the wall clock had last been steady for Options.Hold.
	Behind, Stood int64
	// Gaps are the gaps that are not counted yet, the oldest first.
	Gaps []Gap
	// Steady is how long the program has run since it started or the wall clock last moved.
	Steady int64
	// Undone is what the wall clock cancelled of gaps by going back, the latest last. BackAt is the trusted
	// time of the first start at which the wall clock was behind, or 0: a pause may be hidden there. Both
	// are reset once Steady reaches Options.Hold.
	Undone []Gap
	BackAt int64
}

// Gap is time that may have passed.
type Gap struct {
	// At is the trusted time when the gap came: data written then or later did not age by it. Length is its
	// length, Steady how long the program has run since. All are in milliseconds.
	At, Length, Steady int64
	// Short tells that the gap is a pause of the program of at most Options.Hold, as with any restart.
	Short bool
}

// Settled returns the state of a program that stored no state, but only the time of its last write.
func Settled(written int64) State {
	return State{Time: written, Wall: written, Ran: int64(maxRan)}
}

const (
	// tolerance is the difference of the wall clock from its expected time that is not a gap yet, so that
	// drifting clocks do not fill the list.
	tolerance = time.Second
	// maxGaps bounds State.Gaps. Beyond it the two newest gaps are joined.
	maxGaps = 64
	// maxRan is the maximum of Ran: beyond any Hold.
	maxRan = 100 * 365 * 24 * time.Hour / time.Millisecond
)

// Clock keeps the trusted time. Its methods may be called from any goroutine.
type Clock struct {
	o Options
	// offset is the trusted time minus the uptime, in milliseconds, and running the same without counted
	// gaps.
	offset, running atomic.Int64
	// proved is the value of Running from which on the wall clock has been steady for long enough.
	proved atomic.Int64

	mu   sync.Mutex
	up   int64 // time of s, in milliseconds of Options.Uptime
	s    State
	ids  []uint64 // of s.Gaps
	last uint64   // id assigned
	// moved is the amount by which the wall clock was set since the last report.
	moved int64
}

// New returns a clock that starts with the time of the wall clock.
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

// Now returns the trusted time in milliseconds since the Unix epoch. It never goes back while the uptime
// does not.
func (c *Clock) Now() int64 { return c.offset.Load() + c.uptime() }

// Running returns the trusted time minus all counted gaps: a time in milliseconds that advances while the
// program runs, and stands still while it does not. A later run continues from it.
func (c *Clock) Running() int64 { return c.running.Load() + c.uptime() }

// Stamp returns the stamp of the current time.
func (c *Clock) Stamp() Stamp {
	up := c.uptime()
	s := Stamp{Time: c.offset.Load() + up}
	if c.running.Load()+up < c.proved.Load() {
		s.Slack = c.hold()
	}
	return s
}

// StampAt returns the stamp of a later time, up to which the program ran on s with hold as Options.Hold.
func (s *State) StampAt(time int64, hold time.Duration) Stamp {
	stamp := Stamp{Time: time}
	if s.Steady+time-s.Time < hold.Milliseconds() {
		stamp.Slack = hold.Milliseconds()
	}
	return stamp
}

// Wall returns the time of the machine's wall clock in milliseconds since the Unix epoch.
func (c *Clock) Wall() int64 { return c.o.Wall().UnixMilli() }

// Hold returns Options.Hold.
func (c *Clock) Hold() time.Duration { return c.o.Hold }

func (c *Clock) uptime() int64 { return c.o.Uptime().Milliseconds() }
func (c *Clock) hold() int64   { return c.o.Hold.Milliseconds() }

// publish makes the state visible to Now, Running and Stamp. The caller holds mu, or has c alone.
func (c *Clock) publish() {
	c.offset.Store(c.s.Time - c.up)
	c.running.Store(c.s.Time - c.s.Counted - c.up)
	c.proved.Store(c.s.Time - c.s.Counted + c.hold() - c.s.Steady)
}

// Resume continues from s, which an earlier run stored. latest is a later trusted time that is known of
// that run, such as that of its last record; 0 without one.
func (c *Clock) Resume(s State, latest int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Gaps, s.Undone = slices.Clone(s.Gaps), slices.Clone(s.Undone)
	c.s, c.ids = s, nil
	for range s.Gaps {
		c.ids = append(c.ids, c.nextID())
	}
	// The time after a pause is later than all times before it.
	c.pass(max(0, latest-s.Time) + 1)
	c.up = c.uptime()
	c.move(c.Wall()-c.s.Wall, true)
	c.publish()
}

// pass adds time during which the program ran.
func (c *Clock) pass(ms int64) {
	c.s.Time += ms
	c.s.Wall += ms
	c.s.Ran = min(c.s.Ran+ms, int64(maxRan))
	for i := range c.s.Gaps {
		c.s.Gaps[i].Steady += ms
	}
	if c.s.Steady += ms; c.s.Steady >= c.hold() {
		c.s.Undone, c.s.BackAt, c.s.Steady = nil, 0, c.hold()
		c.s.Stood = c.s.Behind
	}
}

// advance updates the state to the current time.
func (c *Clock) advance() {
	now := c.uptime()
	c.pass(max(0, now-c.up))
	c.up = now
	if d := c.Wall() - c.s.Wall; max(d, -d) >= tolerance.Milliseconds() {
		c.move(d, false)
		c.moved += d
	}
	c.publish()
}

// move records that the wall clock differs by d from its expected time. paused tells that the program did
// not run since the last update.
func (c *Clock) move(d int64, paused bool) {
	c.s.Wall += d
	c.s.Steady = 0
	young := c.s.Ran < c.hold()
	if d < 0 {
		if left := c.cancel(-d); !young {
			c.s.Behind += left
		}
		// It is back where it had stood behind, or short of that by a pause, which is not part of its return.
		if c.s.Behind > 0 && c.s.Behind < c.s.Stood {
			c.s.Behind = c.s.Stood - c.redo(c.s.Stood-c.s.Behind, false)
		}
		c.mayHide(paused)
		return
	}
	restart := paused && d <= c.hold()
	if young && !restart {
		return
	}
	// A wall clock that is far behind, and moves by no more than a restart takes, stays behind.
	at := c.s.Time
	if stays := restart && c.s.Behind > c.hold(); !stays {
		back := c.returned(d, paused)
		c.s.Behind -= back
		d = c.redo(d-back, restart)
		if c.s.BackAt != 0 {
			at = c.s.BackAt
		}
		if back > 0 {
			c.mayHide(paused)
		}
	}
	switch {
	case d > 0 && c.o.Hold == 0:
		c.s.Time += d
		c.s.Counted += d
	case d > 0:
		c.add(Gap{At: at, Length: d, Short: restart})
	}
}

// returned returns the part of d by which the wall clock returns from where it went back to; during that
// part no time passed. It returns to where it came from, or to where it was behind and had stood. A move
// beyond that place, but not all of the way, is a pause, if there was one since.
func (c *Clock) returned(d int64, paused bool) int64 {
	if c.s.Stood > 0 && (paused || c.s.BackAt != 0) && d < c.s.Behind-tolerance.Milliseconds() {
		return min(d, max(0, c.s.Behind-c.s.Stood))
	}
	return min(d, c.s.Behind)
}

// mayHide records that a pause may be hidden in a start at which the wall clock was behind.
func (c *Clock) mayHide(paused bool) {
	if paused && c.s.BackAt == 0 {
		c.s.BackAt = c.s.Time
	}
}

// redo restores gaps that the wall clock had cancelled, and returns the rest of ms. The pause behind a gap
// keeps its time, however late the clock is corrected.
func (c *Clock) redo(ms int64, short bool) (left int64) {
	for n := len(c.s.Undone); ms > 0 && n > 0; n-- {
		g := &c.s.Undone[n-1]
		part := min(ms, g.Length)
		ms -= part
		c.add(Gap{At: g.At, Length: part, Short: short})
		if g.Length -= part; g.Length == 0 {
			c.s.Undone = c.s.Undone[:n-1]
		}
	}
	return ms
}

// cancel subtracts ms from the newest gaps, and returns the rest.
func (c *Clock) cancel(ms int64) (left int64) {
	for n := len(c.s.Gaps); ms > 0 && n > 0; n-- {
		g := &c.s.Gaps[n-1]
		off := min(ms, g.Length)
		g.Length -= off
		ms -= off
		c.undo(Gap{At: g.At, Length: off})
		if g.Length == 0 {
			c.s.Gaps, c.ids = c.s.Gaps[:n-1], c.ids[:n-1]
		}
	}
	return ms
}

// undo records the cancelled part of a gap. Whether the gap was short is decided by redo.
func (c *Clock) undo(g Gap) {
	if c.o.Hold == 0 {
		return
	}
	if c.s.Undone = append(c.s.Undone, g); len(c.s.Undone) > maxGaps {
		c.s.Undone[1].At = min(c.s.Undone[0].At, c.s.Undone[1].At)
		c.s.Undone[1].Length += c.s.Undone[0].Length
		c.s.Undone = slices.Delete(c.s.Undone, 0, 1)
	}
}

func (c *Clock) add(g Gap) {
	if n := len(c.s.Gaps); n == maxGaps {
		newest := c.s.Gaps[n-1]
		g = Gap{At: newest.At, Length: g.Length + newest.Length, Short: g.Short && newest.Short}
		c.s.Gaps, c.ids = c.s.Gaps[:n-1], c.ids[:n-1]
	}
	c.s.Gaps = append(c.s.Gaps, g)
	c.ids = append(c.ids, c.nextID())
}

func (c *Clock) nextID() uint64 {
	c.last++
	return c.last
}
