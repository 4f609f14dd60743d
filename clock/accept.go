package clock

import (
	"slices"
	"time"
)

// Report is how the clocks stand to each other.
type Report struct {
	// Moved is by how much the wall clock was set, ahead if positive, since the last report.
	Moved time.Duration
	// Held is the time of gaps that are not those of restarts, and Remaining how long the program
	// must run with the wall clock as it is until all of it is counted.
	Held, Remaining time.Duration
	// Paused is the time of restarts that is not counted yet.
	Paused time.Duration
	// Behind is how far the wall clock went back.
	Behind time.Duration
	// Due says that an acceptance would count something.
	Due bool
}

// Observe looks at the clocks. It is to be called often enough, as each second, for gaps to be noticed
// close to when they came.
func (c *Clock) Observe() Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance()
	r := Report{Moved: duration(c.moved), Behind: duration(c.s.Behind)}
	c.moved = 0
	for _, g := range c.s.Gaps {
		if g.Short {
			r.Paused += duration(g.Length)
			continue
		}
		r.Held += duration(g.Length)
		r.Remaining = max(r.Remaining, duration(c.hold()-g.Steady))
	}
	r.Due = len(c.due(false)) > 0
	return r
}

// State returns the state as of now. It has gaps that are due.
func (c *Clock) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance()
	s := c.s
	s.Gaps, s.Undone = slices.Clone(s.Gaps), slices.Clone(s.Undone)
	return s
}

func duration(ms int64) time.Duration {
	const most = int64(1<<63-1) / int64(time.Millisecond)
	return time.Duration(min(max(ms, -most), most)) * time.Millisecond
}

// Acceptance counts gaps. It takes effect in two steps, so that the time which the program goes by is
// never later than what a restart finds: its State is made durable, then Apply is called.
type Acceptance struct {
	// State is that of the clock once the gaps are counted.
	State State

	clock *Clock
	parts []part
	all   bool
}

// part is how much of a gap is counted, and when the gap came.
type part struct {
	id         uint64
	at, length int64
}

// Shift returns what a stamp becomes that was made before the acceptance took effect: what was stamped
// after a gap is not older for it.
func (a *Acceptance) Shift(s Stamp) Stamp {
	at := s.Time
	for _, p := range a.parts {
		if at >= p.at {
			s.Time += p.length
		} else {
			s.Gaps += p.length
		}
	}
	return s
}

// Stamp is a moment, for an age to be told from it later. All are in milliseconds.
type Stamp struct {
	// Time is the trusted time then.
	Time int64
	// Slack is by how much time was uncertain: Options.Hold if the wall clock had not proved itself, as
	// after a start, or else 0. A pause before may have been that much longer than it seemed, which comes
	// to light as a gap only when the clock is set right.
	Slack int64
	// Gaps is how much time of gaps that came later was counted.
	Gaps int64
}

// Age returns how long before now the moment was, in the best case, in milliseconds.
func (s Stamp) Age(now int64) int64 { return now - s.Time - min(s.Slack, s.Gaps) }

// Accept returns an acceptance of the gaps that have stood for long enough; or, if an operator says
// that the wall clock is right, of all of them. An acceptance of none is one too.
func (c *Clock) Accept(all bool) *Acceptance {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance()
	a := &Acceptance{clock: c, parts: c.due(all), all: all}
	trial := Clock{o: c.o, s: c.s, ids: slices.Clone(c.ids)}
	trial.s.Gaps, trial.s.Undone = slices.Clone(c.s.Gaps), slices.Clone(c.s.Undone)
	trial.count(a)
	a.State = trial.s
	return a
}

// Standing returns an acceptance of none for a program that does not go on from s itself: its State is s as it
// was at a later time, up to which a program ran on s and hold. To apply it does nothing.
func Standing(s State, latest int64, hold time.Duration) *Acceptance {
	c := Clock{o: Options{Hold: hold}, s: s}
	c.s.Gaps, c.s.Undone = slices.Clone(s.Gaps), slices.Clone(s.Undone)
	c.pass(max(0, latest-s.Time))
	return &Acceptance{State: c.s}
}

// Length returns how much time the acceptance counts.
func (a *Acceptance) Length() (sum time.Duration) {
	for _, p := range a.parts {
		sum += duration(p.length)
	}
	return sum
}

// Apply lets the clock go by the acceptance.
func (a *Acceptance) Apply() {
	c := a.clock
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance()
	c.count(a)
	c.publish()
}

// due returns what of the gaps is to be counted. Restarts are counted as soon as they come to more
// than Hold together, or else many short ones would keep data for good.
func (c *Clock) due(all bool) (parts []part) {
	var pauses int64
	for _, g := range c.s.Gaps {
		if g.Short {
			pauses += g.Length
		}
	}
	for i, g := range c.s.Gaps {
		n := int64(0)
		switch {
		case all || g.Steady >= c.hold():
			n = g.Length
		case g.Short:
			n = min(g.Length, max(0, pauses-c.hold()))
		}
		if g.Short {
			pauses -= n
		}
		if n > 0 {
			parts = append(parts, part{c.ids[i], g.At, n})
		}
	}
	return parts
}

// count moves the time of the gaps of a to the trusted time. What of a gap is gone meanwhile was
// taken back by the wall clock, which thus is behind.
func (c *Clock) count(a *Acceptance) {
	for _, gaps := range [][]Gap{c.s.Gaps, c.s.Undone} {
		for i := range gaps {
			gaps[i].At = a.Shift(Stamp{Time: gaps[i].At}).Time
		}
	}
	if c.s.BackAt != 0 {
		c.s.BackAt = a.Shift(Stamp{Time: c.s.BackAt}).Time
	}
	for _, p := range a.parts {
		c.s.Time += p.length
		c.s.Counted += p.length
		left := p.length
		if i := slices.Index(c.ids, p.id); i >= 0 {
			g := &c.s.Gaps[i]
			off := min(left, g.Length)
			g.Length -= off
			left -= off
			if g.Length == 0 {
				c.s.Gaps, c.ids = slices.Delete(c.s.Gaps, i, i+1), slices.Delete(c.ids, i, i+1)
			}
		}
		c.s.Behind += left
	}
	if a.all {
		c.s.Behind, c.s.Stood, c.s.Undone, c.s.BackAt = 0, 0, nil, 0
	}
}
