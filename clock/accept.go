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
	r := Report{Moved: duration(c.advance()), Behind: duration(c.s.Behind)}
	for _, g := range c.s.Gaps {
		if g.Pause {
			r.Paused += duration(g.Length)
			continue
		}
		r.Held += duration(g.Length)
		r.Remaining = max(r.Remaining, duration(c.hold()-g.Steady))
	}
	r.Due = len(c.due(false)) > 0
	return r
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

// part is how much of a gap is counted.
type part struct {
	id     uint64
	length int64
}

// Accept returns an acceptance of the gaps that have stood for long enough; or, if an operator says
// that the wall clock is right, of all of them. An acceptance of none is one too.
func (c *Clock) Accept(all bool) *Acceptance {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance()
	a := &Acceptance{clock: c, parts: c.due(all), all: all}
	trial := Clock{o: c.o, s: c.s, ids: slices.Clone(c.ids)}
	trial.s.Gaps = slices.Clone(c.s.Gaps)
	trial.count(a)
	a.State = trial.s
	return a
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
		if g.Pause {
			pauses += g.Length
		}
	}
	for i, g := range c.s.Gaps {
		n := int64(0)
		switch {
		case all || g.Steady >= c.hold():
			n = g.Length
		case g.Pause:
			n = min(g.Length, max(0, pauses-c.hold()))
		}
		if g.Pause {
			pauses -= n
		}
		if n > 0 {
			parts = append(parts, part{c.ids[i], n})
		}
	}
	return parts
}

// count moves the time of the gaps of a to the trusted time. What of a gap is gone meanwhile was
// taken back by the wall clock, which thus is behind.
func (c *Clock) count(a *Acceptance) {
	for _, p := range a.parts {
		c.s.Time += p.length
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
		c.s.Behind = 0
	}
}
