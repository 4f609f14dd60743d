package dedupe

import "math"

// idleAgents tracks the idle agents: the longest run of agents from the oldest on whose last new batch is
// outside the window at the time asOf. It is derived from the agents and that time alone, and cached so
// that not all agents are examined each time.
type idleAgents struct {
	idle     int
	lastIdle uint32 // the newest idle agent; valid if idle is not 0
	marked   []bool // by agent: it is idle
	asOf     int64
	// until is the time when the first agent that is outside the window because its time is in the future
	// enters it.
	until int64
}

// findIdle updates the idle agents to the time now.
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

// unmark records that agent n is no longer idle, or is about to be removed.
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
