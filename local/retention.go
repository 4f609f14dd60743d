package local

import (
	"cmp"
	"slices"

	"flowd/clock"
	"flowd/flow"
	"flowd/shard"
)

// decide sets the action of every hour of c. Hours expire whose last flow came too long ago, then what
// is too much on disk. Of the rest, hours are spilled until memory keeps its budget: those first that
// were neither written nor read for longest. Tuples are those of the hours in memory.
func (e *Engine) decide(c *checkpointPlan, tuples map[flow.Hour]uint64) {
	byWrite := make([]flow.Hour, 0, len(c.hours))
	var bytes int64
	for label, h := range c.hours {
		byWrite = append(byWrite, label)
		bytes += h.bytes()
	}
	slices.SortFunc(byWrite, func(a, b flow.Hour) int {
		return cmp.Or(cmp.Compare(c.hours[a].lastWrite.Time, c.hours[b].lastWrite.Time), cmp.Compare(a, b))
	})
	kept := byWrite[:0:0]
	for _, label := range byWrite {
		if h := c.hours[label]; e.aged(h.lastWrite, c.at) {
			bytes -= h.bytes()
			h.action, h.why = shard.Expire, byAge
			c.hours[label] = h
			continue
		}
		kept = append(kept, label)
	}
	if most := e.limits.Load().RetentionBytes; most > 0 && bytes > most {
		kept = e.expireBytes(c, kept, bytes, most)
	}
	if e.o.Dir != "" {
		e.spill(c, kept, tuples)
	}
}

// expireBytes has hours expire until the rest takes no more than most bytes, and returns the rest. While
// hours that one client opened, and that were not live then, take more than half of that, they go
// first: a client with a wrong clock, or one who means harm, does not drive out the hours of others by
// its own. Else those go whose last flow came first, of which labels are in order.
func (e *Engine) expireBytes(c *checkpointPlan, labels []flow.Hour, bytes, most int64) (kept []flow.Hour) {
	c.fillers = e.senders.String()
	clear(e.senders)
	opened := make(map[string]int64)
	for _, label := range labels {
		if h := c.hours[label]; !h.live {
			opened[h.openedBy] += h.bytes()
		}
	}
	expire := func(label flow.Hour) {
		h := c.hours[label]
		bytes -= h.bytes()
		h.action, h.why = shard.Expire, byBytes
		c.hours[label] = h
	}
	for _, label := range labels {
		h := c.hours[label]
		if bytes > most && !h.live && opened[h.openedBy] > most/2 {
			opened[h.openedBy] -= h.bytes()
			expire(label)
			continue
		}
		kept = append(kept, label)
	}
	for len(kept) > 0 && bytes > most {
		expire(kept[0])
		kept = kept[1:]
	}
	return kept
}

// bytes returns what the hour takes on disk.
func (h *plannedHour) bytes() int64 {
	if h.block == nil {
		return 0
	}
	return h.block.entry.Block.Size
}

// aged tells whether an hour that was written to last at a time is to expire.
func (e *Engine) aged(written clock.Stamp, now int64) bool {
	kept := e.limits.Load().Retention
	return kept > 0 && written.Age(now) > kept.Milliseconds()
}

// spill chooses hours among those kept, so that the others take four fifths of the budget, each
// hour's share of the memory being that of its tuples.
func (e *Engine) spill(c *checkpointPlan, kept []flow.Hour, tuples map[flow.Hour]uint64) {
	memory := e.table.Bytes()
	if memory <= e.o.MemoryBudget {
		return
	}
	total := uint64(0)
	for _, n := range tuples {
		total += n
	}
	used := func(label flow.Hour) int64 { return max(c.hours[label].lastWrite.Time, e.hours[label].asked.Load()) }
	byUse := slices.Clone(kept)
	slices.SortFunc(byUse, func(a, b flow.Hour) int {
		return cmp.Or(cmp.Compare(used(a), used(b)), cmp.Compare(a, b))
	})
	excess := float64(memory - e.o.MemoryBudget/5*4)
	for _, label := range byUse {
		n := tuples[label]
		if n == 0 {
			continue
		}
		if excess <= 0 {
			return
		}
		excess -= float64(memory) * float64(n) / float64(total)
		h := c.hours[label]
		h.action = shard.Spill
		c.hours[label] = h
		e.stats.hoursSpilled.Add(1)
	}
}

// tuplesInMemory returns how many tuples the shards hold of each hour.
func (e *Engine) tuplesInMemory() map[flow.Hour]uint64 {
	e.order.RLock()
	answer := e.table.AskHours()
	e.order.RUnlock()
	tuples := make(map[flow.Hour]uint64)
	for _, h := range answer.Hours() {
		tuples[h.Hour] = h.Tuples
	}
	return tuples
}

// expiring tells whether there are hours that should be gone.
func (e *Engine) expiring() bool {
	e.order.RLock()
	defer e.order.RUnlock()
	now, bytes := e.now(), int64(0)
	for _, h := range e.hours {
		if e.aged(h.lastWrite, now) {
			return true
		}
		if h.block != nil {
			bytes += h.block.entry.Block.Size
		}
	}
	most := e.limits.Load().RetentionBytes
	return most > 0 && bytes > most
}
