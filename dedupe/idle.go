package dedupe

import "math"

// idleAgents is which agents are idle: those from the oldest on whose last new batch is out of the window, as
// of a time. It follows from the agents and that time alone, and is kept to not look at all of them each time.
type idleAgents struct {
	idle     int
	lastIdle uint32 // where the next is looked for, behind it; if idle is not 0
	marked   []bool // of each agent
	asOf     int64
	// until is when one that is out of the window because its time is ahead will be in it.
	until int64
}

// findIdle brings what is known of idle agents up to now.
func (t *agentTable) findIdle(now int64) {
	if now < t.asOf || now >= t.until {
		t.idle, t.until = 0, math.MaxInt64
		clear(t.marked)
		for i := range t.clients {
			t.clients[i].idle = 0
		}
	}
	t.asOf = now
	for t.idle < t.count {
		n := t.oldest
		if t.idle > 0 {
			n = t.after[t.lastIdle]
		}
		a := t.at(n)
		if within(t.window, a.time, now) {
			return
		}
		if a.time > now {
			t.until = min(t.until, a.time-int64(t.window))
		}
		t.marked[n], t.lastIdle = true, n
		t.idle++
		t.clients[a.client].idle++
	}
}

// unmark notes that agent n is not idle any more, or will not be there.
func (t *agentTable) unmark(n uint32) {
	if !t.marked[n] {
		return
	}
	t.marked[n] = false
	t.idle--
	t.clients[t.at(n).client].idle--
	if n == t.lastIdle {
		t.lastIdle = t.before[n]
	}
}
