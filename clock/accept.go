package clock

import (
	"slices"
	"time"
)

// Report compares the clocks.
type Report struct {
	// Moved is the amount by which the wall clock was set since the last report, positive if ahead.
	Moved time.Duration
	// Held is the length of the gaps that are not those of restarts, and Remaining the time that the program
	// must run with an unchanged wall clock until all of them are counted.
	Held, Remaining time.Duration
	// Paused is the length of the gaps of restarts that are not counted yet.
	Paused time.Duration
	// Behind is the amount by which the wall clock went back.
	Behind time.Duration
	// Due tells that an acceptance would count at least one gap.
	Due bool
}

// Observe compares the clocks. It must be called often, such as each second, so that gaps are noticed close
// to the time at which they came.
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

// State returns the current state. It includes the gaps that are due.
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

// Acceptance counts gaps. It takes effect in two steps, so that the trusted time of the program is never
// later than the one a restart finds: the caller makes its State durable, then calls Apply.
type Acceptance struct {
	// State is the state of the clock once the gaps are counted.
	State State

	clock *Clock
	gaps  []countedGap
	all   bool
}

// countedGap is the counted length of a gap, and when the gap came.
type countedGap struct {
	id         uint64
	at, length int64
}

// Shift converts a stamp from before the acceptance took effect: a stamp from after a gap does not become
// older by it.
func (a *Acceptance) Shift(s Stamp) Stamp {
	at := s.Time
	for _, p := range a.gaps {
		if at >= p.at {
			s.Time += p.length
		} else {
			s.Gaps += p.length
		}
	}
	return s
}

// Stamp is a moment from which an age can be computed later. All fields are in milliseconds.
type Stamp struct {
	// Time is the trusted time of the moment.
	Time int64
	// Slack is the uncertainty of Time: Options.Hold if the wall clock had not proved itself, as after a
	// start, or else 0. An earlier pause may have been longer than it seemed by that much, which shows up as
	// a gap only when the clock is corrected.
	Slack int64
	// Gaps is the length of the gaps after Time that were counted.
	Gaps int64
}

// Age returns the least possible age of the moment at the time now, in milliseconds.
func (s Stamp) Age(now int64) int64 { return now - s.Time - min(s.Slack, s.Gaps) }

// Accept returns an acceptance of the gaps that have lasted long enough, or, if an operator says that the
// wall clock is right, of all gaps. The acceptance may be of no gaps.
func (c *Clock) Accept(all bool) *Acceptance {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance()
	a := &Acceptance{clock: c, gaps: c.due(all), all: all}
	trial := Clock{o: c.o, s: c.s, ids: slices.Clone(c.ids)}
	trial.s.Gaps, trial.s.Undone = slices.Clone(c.s.Gaps), slices.Clone(c.s.Undone)
	trial.count(a)
	a.State = trial.s
	return a
}

// Standing returns an acceptance of no gaps, for a program that does not itself continue from s. Its State
// is s as of the time latest, up to which another program ran on s and hold. Applying it does nothing.
func Standing(s State, latest int64, hold time.Duration) *Acceptance {
	c := Clock{o: Options{Hold: hold}, s: s}
	c.s.Gaps, c.s.Undone = slices.Clone(s.Gaps), slices.Clone(s.Undone)
	c.pass(max(0, latest-s.Time))
	return &Acceptance{State: c.s}
}

// Length returns the time that the acceptance counts.
func (a *Acceptance) Length() (sum time.Duration) {
	for _, p := range a.gaps {
		sum += duration(p.length)
	}
	return sum
}

// Apply makes the clock count the gaps of the acceptance.
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

// due returns the parts of gaps that must be counted. Gaps of restarts are counted as soon as their sum
// exceeds Hold, since otherwise many short ones would keep data for ever.
func (c *Clock) due(all bool) (counted []countedGap) {
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
			counted = append(counted, countedGap{c.ids[i], g.At, n})
		}
	}
	return counted
}

// count moves the time of the gaps of a to the trusted time. A part that no longer exists was cancelled by
// the wall clock, which is therefore behind by it.
func (c *Clock) count(a *Acceptance) {
	for _, gaps := range [][]Gap{c.s.Gaps, c.s.Undone} {
		for i := range gaps {
			gaps[i].At = a.Shift(Stamp{Time: gaps[i].At}).Time
		}
	}
	if c.s.BackAt != 0 {
		c.s.BackAt = a.Shift(Stamp{Time: c.s.BackAt}).Time
	}
	for _, p := range a.gaps {
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
