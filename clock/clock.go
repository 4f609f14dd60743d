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
	// Counted is how much of Time is gaps that were counted: the rest passed while the program ran.
	Counted int64
	// Ran is how long the program has run on this state. Below Options.Hold no wall clock has proved
	// itself yet, so that what it is moved by is taken for its being set right.
	Ran int64
	// Behind is how far the wall clock went back, beyond gaps, and has not returned; Stood is what that was
	// when the wall clock had last stood for Options.Hold.
	Behind, Stood int64
	// Gaps are those that are not counted, the oldest first.
	Gaps []Gap
	// Steady is how long the program ran since it started or the wall clock was last moved.
	Steady int64
	// Undone is what the wall clock took away of gaps by going back, the latest last, and BackAt the
	// trusted time of the first start at which it was behind, or 0: a pause may hide in that. Both are
	// forgotten once Steady reaches Options.Hold.
	Undone []Gap
	BackAt int64
}

// Gap is time that may have passed.
type Gap struct {
	// At is the trusted time when it came, so that what was written then or later did not live through
	// it. Length is how long it is, Steady how long the program ran since. All are in milliseconds.
	At, Length, Steady int64
	// Short says that the program did not run meanwhile, and came back within Options.Hold, as with any
	// restart.
	Short bool
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
	// offset is the trusted time less the uptime, in milliseconds, and running the same without gaps.
	offset, running atomic.Int64
	// proved is from when on, by Running, the wall clock has stood for long enough.
	proved atomic.Int64

	mu   sync.Mutex
	up   int64 // when state was right, in milliseconds of Options.Uptime
	s    State
	ids  []uint64 // of the gaps of s
	last uint64   // id that was given
	// moved is by how much the wall clock was set since the last report.
	moved int64
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

// Running returns the trusted time less all gaps: a time in milliseconds that goes on while the program
// runs, and stands still while it does not. It goes on from where it was in a later run.
func (c *Clock) Running() int64 { return c.running.Load() + c.uptime() }

// Stamp returns the stamp of now.
func (c *Clock) Stamp() Stamp {
	up := c.uptime()
	s := Stamp{Time: c.offset.Load() + up}
	if c.running.Load()+up < c.proved.Load() {
		s.Slack = c.hold()
	}
	return s
}

// StampAt returns the stamp of a later time, at which the program ran on s and hold, as it does for
// Options.Hold.
func (s *State) StampAt(time int64, hold time.Duration) Stamp {
	stamp := Stamp{Time: time}
	if s.Steady+time-s.Time < hold.Milliseconds() {
		stamp.Slack = hold.Milliseconds()
	}
	return stamp
}

// Wall returns what the machine's clock says, in milliseconds since the Unix epoch.
func (c *Clock) Wall() int64 { return c.o.Wall().UnixMilli() }

// Hold returns Options.Hold.
func (c *Clock) Hold() time.Duration { return c.o.Hold }

func (c *Clock) uptime() int64 { return c.o.Uptime().Milliseconds() }
func (c *Clock) hold() int64   { return c.o.Hold.Milliseconds() }

// publish lets Now go on from the state. The caller holds mu, or has c alone.
func (c *Clock) publish() {
	c.offset.Store(c.s.Time - c.up)
	c.running.Store(c.s.Time - c.s.Counted - c.up)
	c.proved.Store(c.s.Time - c.s.Counted + c.hold() - c.s.Steady)
}

// Resume goes on from s, which an earlier run left. Latest is a later trusted time that is known of
// that run, as of its last record; 0 if none is.
func (c *Clock) Resume(s State, latest int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Gaps, s.Undone = slices.Clone(s.Gaps), slices.Clone(s.Undone)
	c.s, c.ids = s, nil
	for range s.Gaps {
		c.ids = append(c.ids, c.nextID())
	}
	// What comes after a pause is later than all that came before it.
	c.pass(max(0, latest-s.Time) + 1)
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
	if c.s.Steady += ms; c.s.Steady >= c.hold() {
		c.s.Undone, c.s.BackAt, c.s.Steady = nil, 0, c.hold()
		c.s.Stood = c.s.Behind
	}
}

// advance brings the state to now.
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

// move takes account of the wall clock's standing by d elsewhere than expected. Paused says that the
// program did not run since.
func (c *Clock) move(d int64, paused bool) {
	c.s.Wall += d
	c.s.Steady = 0
	young := c.s.Ran < c.hold()
	if d < 0 {
		if left := c.cancel(-d); !young {
			c.s.Behind += left
		}
		// Back at where it was behind and had stood, or short of it by a pause, which is not part of its return.
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
	// One that is far behind, and moves by no more than a restart takes, stays there.
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

// returned is how much of d is the wall clock's return from where it went back to, which lets no time pass. It
// returns to where it came from, or to where it was behind and had stood: what goes beyond that place, and
// not all of the way, is a pause, if there was one since.
func (c *Clock) returned(d int64, paused bool) int64 {
	if c.s.Stood > 0 && (paused || c.s.BackAt != 0) && d < c.s.Behind-tolerance.Milliseconds() {
		return min(d, max(0, c.s.Behind-c.s.Stood))
	}
	return min(d, c.s.Behind)
}

// mayHide notes that a pause may hide in a start at which the wall clock was behind.
func (c *Clock) mayHide(paused bool) {
	if paused && c.s.BackAt == 0 {
		c.s.BackAt = c.s.Time
	}
}

// redo gives gaps back what the wall clock took from them, and returns what is left. The pause that a
// gap was is where it was, however late the clock is set right.
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

// cancel takes ms off the newest gaps, and returns what is left.
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

// undo remembers what was taken from a gap. Whether that was short is told by what gives it back.
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
