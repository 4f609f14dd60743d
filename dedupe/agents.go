package dedupe

import (
	"flowd/flow"
)

// agentTable is the agents, in the order of the last new batch of each. Their memory is in chunks
// without pointers. A snapshot takes the chunks as they are, and each is copied before it is
// written to the next time.
type agentTable struct {
	window uint64 // in milliseconds
	most   int

	count  int
	chunks []*agentChunk
	owned  []bool // of each chunk: no snapshot has it
	index  map[id]uint32
	uses   uint64 // new batches so far

	// The agents are a ring, from the one whose last new batch is the oldest; oldest is that one.
	// A snapshot has no need of the ring: agent.used gives the same order.
	before, after []uint32
	oldest        uint32

	forgotten uint64
}

// agent is what is remembered of one.
type agent struct {
	id      id
	time    int64  // of its last new batch
	used    uint64 // agentTable.uses after that
	highest uint64 // sequence seen
	seen    uint64 // bit d: sequence highest-d was seen
	// prints are the fingerprints of those that were seen; of sequence s at s mod SeqWindow.
	prints [flow.SeqWindow]uint64
}

const (
	chunkAgents = 32
	agentSize   = 48 + 8*flow.SeqWindow // unsafe.Sizeof(agent{}), which a test holds
	ringSize    = 8                     // of each agent, in before and after
)

type agentChunk [chunkAgents]agent

func newAgentTable(window uint64, most int) agentTable {
	return agentTable{window: window, most: most, index: map[id]uint32{}}
}

// at returns an agent to be read.
func (t *agentTable) at(n uint32) *agent { return &t.chunks[n/chunkAgents][n%chunkAgents] }

// own returns an agent to be written.
func (t *agentTable) own(n uint32) *agent {
	chunk := n / chunkAgents
	if !t.owned[chunk] {
		theirs := t.chunks[chunk]
		ours := *theirs
		t.chunks[chunk], t.owned[chunk] = &ours, true
	}
	return t.at(n)
}

// check is Windows.Check for an agent.
func (t *agentTable) check(id id, seq, print uint64, now int64) (duplicate bool, err error) {
	n, known := t.index[id]
	if !known {
		if n, err = t.place(now); err != nil {
			return false, err
		}
		a := t.own(n)
		*a = agent{id: id, highest: seq}
		t.index[id] = n
	} else if duplicate, err = t.at(n).check(seq, print); duplicate || err != nil {
		return duplicate, err
	}
	t.uses++
	a := t.own(n)
	a.note(seq, print)
	a.time, a.used = now, t.uses
	t.used(n)
	return false, nil
}

// known is Windows.Known for an agent.
func (t *agentTable) known(id id, seq, print uint64) (duplicate bool, err error) {
	n, known := t.index[id]
	if !known {
		return false, nil
	}
	return t.at(n).check(seq, print)
}

// check tells what sequence seq is to an agent.
func (a *agent) check(seq, print uint64) (duplicate bool, err error) {
	if seq > a.highest {
		return false, nil
	}
	behind := a.highest - seq
	switch {
	case behind >= flow.SeqWindow:
		return false, flow.ErrTooOld
	case a.seen>>behind&1 == 0:
		return false, nil
	case a.prints[seq%flow.SeqWindow] != print:
		return false, flow.ErrReused
	}
	return true, nil
}

// note notes a sequence that check found to be new.
func (a *agent) note(seq, print uint64) {
	if seq > a.highest {
		a.seen <<= seq - a.highest // by more than there are bits leaves none
		a.highest = seq
	}
	a.seen |= 1 << (a.highest - seq)
	a.prints[seq%flow.SeqWindow] = print
}

// place returns where a new agent goes, at the end of the ring.
func (t *agentTable) place(now int64) (uint32, error) {
	if t.count < t.most {
		return t.add(), nil
	}
	a := t.at(t.oldest)
	if within(t.window, a.time, now) {
		return 0, ErrTooManyAgents
	}
	delete(t.index, a.id)
	t.forgotten++
	return t.oldest, nil
}

// add makes memory for one more agent, and puts it at the end of the ring.
func (t *agentTable) add() uint32 {
	n := uint32(t.count)
	if t.count == len(t.chunks)*chunkAgents {
		t.chunks = append(t.chunks, new(agentChunk))
		t.owned = append(t.owned, true)
	}
	t.count++
	t.before, t.after = append(t.before, n), append(t.after, n)
	if n > 0 {
		t.insert(n)
	}
	return n
}

// used moves an agent to the end of the ring.
func (t *agentTable) used(n uint32) {
	if n == t.oldest {
		t.oldest = t.after[n]
		return
	}
	t.after[t.before[n]], t.before[t.after[n]] = t.after[n], t.before[n]
	t.insert(n)
}

// insert puts an agent that is not in the ring at its end, which is before the oldest.
func (t *agentTable) insert(n uint32) {
	last := t.before[t.oldest]
	t.before[n], t.after[n] = last, t.oldest
	t.after[last], t.before[t.oldest] = n, n
}

// bytes returns the memory of t, about.
func (t *agentTable) bytes() uint64 {
	return uint64(len(t.chunks))*chunkAgents*agentSize + uint64(t.count)*(ringSize+indexSize)
}
