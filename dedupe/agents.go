package dedupe

import (
	"math"

	"flowd/flow"
	"flowd/limit"
)

// agentTable holds the agents, in the order of the last new batch of each. Their memory is in chunks
// without pointers. A snapshot shares the chunks, and own copies each one before the next write to it.
type agentTable struct {
	window uint64 // in milliseconds
	most   int

	count  int
	chunks []*agentChunk
	owned  []bool // by chunk: no snapshot shares it
	index  map[id]uint32
	uses   uint64 // number of new batches so far

	// The agents form a ring, which starts at oldest, the agent whose last new batch is the oldest. A
	// snapshot does not need the ring: agent.used gives the same order.
	before, after []uint32
	oldest        uint32

	forgotten uint64

	// clients are the clients with agents, by number. Number 0 has the agents of a file of version 1, which
	// does not record their owners, until their next batch.
	clients []agentClient
	numbers map[string]uint32
	spare   []uint32 // unused numbers of clients

	idleAgents
}

// agentClient counts the agents of a client, and the idle ones of them.
type agentClient struct {
	name       string
	held, idle int
}

// agent is the memory of one agent.
type agent struct {
	id      id
	time    int64  // time of its last new batch
	used    uint64 // agentTable.uses after that batch
	highest uint64 // highest sequence seen
	seen    uint64 // bit d: sequence highest-d was seen
	client  uint32
	// fingerprints are those of the sequences that were seen; that of sequence s is at s mod SeqWindow.
	fingerprints [flow.SeqWindow]uint64
}

const (
	chunkAgents = 32
	agentSize   = 56 + 8*flow.SeqWindow // unsafe.Sizeof(agent{}), which a test checks
	ringSize    = 9                     // bytes of each agent in before, after and marked
)

type agentChunk [chunkAgents]agent

func newAgentTable(window uint64, most int) agentTable {
	return agentTable{
		window: window, most: most, index: map[id]uint32{}, clients: make([]agentClient, 1), numbers: map[string]uint32{},
		idleAgents: idleAgents{until: math.MaxInt64},
	}
}

// at returns an agent for reading.
func (t *agentTable) at(n uint32) *agent { return &t.chunks[n/chunkAgents][n%chunkAgents] }

// own returns an agent for writing. It copies the agent's chunk if a snapshot shares it.
func (t *agentTable) own(n uint32) *agent {
	chunk := n / chunkAgents
	if !t.owned[chunk] {
		theirs := t.chunks[chunk]
		ours := *theirs
		t.chunks[chunk], t.owned[chunk] = &ours, true
	}
	return t.at(n)
}

// check implements Windows.Check for an agent.
func (t *agentTable) check(client string, id id, seq, fingerprint uint64, now int64) (duplicate bool, err error) {
	n, known := t.index[id]
	if !known {
		if err = t.makeRoom(client, now); err != nil {
			return false, err
		}
		n = t.add()
		*t.own(n) = agent{id: id, highest: seq}
		t.index[id] = n
	} else if duplicate, err = t.at(n).check(seq, fingerprint); duplicate || err != nil {
		return duplicate, err
	}
	t.uses++
	a := t.own(n)
	a.note(seq, fingerprint)
	a.time, a.used = now, t.uses
	t.used(n)
	if a.client == 0 {
		a.client = t.enter(client)
	}
	return false, nil
}

// known implements Windows.Known for an agent.
func (t *agentTable) known(id id, seq, fingerprint uint64) (duplicate bool, err error) {
	n, known := t.index[id]
	if !known {
		return false, nil
	}
	return t.at(n).check(seq, fingerprint)
}

// check reports whether sequence seq of the agent is a duplicate.
func (a *agent) check(seq, fingerprint uint64) (duplicate bool, err error) {
	if seq > a.highest {
		return false, nil
	}
	behind := a.highest - seq
	switch {
	case behind >= flow.SeqWindow:
		return false, flow.ErrTooOld
	case a.seen>>behind&1 == 0:
		return false, nil
	case a.fingerprints[seq%flow.SeqWindow] != fingerprint:
		return false, flow.ErrReused
	}
	return true, nil
}

// note records a sequence that check found to be new.
func (a *agent) note(seq, fingerprint uint64) {
	if seq > a.highest {
		a.seen <<= seq - a.highest // a shift by 64 or more clears all bits
		a.highest = seq
	}
	a.seen |= 1 << (a.highest - seq)
	a.fingerprints[seq%flow.SeqWindow] = fingerprint
}

// makeRoom makes room for one more agent of a client, or returns an error. Idle agents count for no client;
// if the table is full, the oldest idle agent is evicted.
func (t *agentTable) makeRoom(client string, now int64) error {
	t.findIdle(now)
	held, active, _ := t.held(client)
	free := max(t.most-active, 0)
	if !limit.MayHold(uint64(held), uint64(free)) {
		if free > 0 {
			return ErrAgentShare
		}
		return ErrTooManyAgents
	}
	if t.count >= t.most {
		t.forgotten++
		t.removeOldest()
	}
	return nil
}

// held returns the number of a client's agents that are not idle, that of all clients, and the most agents
// allowed.
func (t *agentTable) held(client string) (held, all, most int) {
	if n, known := t.numbers[client]; known {
		held = t.clients[n].held - t.clients[n].idle
	}
	return held, t.count - t.idle, t.most
}

// enter counts one more agent of a client, and returns the client's number.
func (t *agentTable) enter(client string) uint32 {
	n, known := t.numbers[client]
	switch last := len(t.spare) - 1; {
	case known:
	case last >= 0:
		n = t.spare[last]
		t.spare = t.spare[:last]
		t.clients[n].name = client
		t.numbers[client] = n
	default:
		n = uint32(len(t.clients))
		t.clients = append(t.clients, agentClient{name: client})
		t.numbers[client] = n
	}
	t.clients[n].held++
	return n
}

// leave removes an agent of a client from the count.
func (t *agentTable) leave(client uint32) {
	if client == 0 {
		return
	}
	c := &t.clients[client]
	if c.held--; c.held == 0 {
		delete(t.numbers, c.name)
		*c = agentClient{}
		t.spare = append(t.spare, client)
	}
}

// removeOldest evicts the agent whose last new batch is the oldest, which must be idle. The agent with the
// highest number moves to its place.
func (t *agentTable) removeOldest() {
	n, last := t.oldest, uint32(t.count-1)
	gone := t.at(n)
	t.unmark(n)
	delete(t.index, gone.id)
	t.leave(gone.client)
	t.oldest = t.after[n]
	t.after[t.before[n]], t.before[t.after[n]] = t.after[n], t.before[n]
	if n != last {
		moved := *t.at(last)
		*t.own(n) = moved
		t.index[moved.id] = n
		before, after := t.before[last], t.after[last]
		if before == last { // it is the only one left
			before, after = n, n
		}
		t.before[n], t.after[n], t.marked[n] = before, after, t.marked[last]
		t.after[before], t.before[after] = n, n
		if t.oldest == last {
			t.oldest = n
		}
		if t.lastIdle == last {
			t.lastIdle = n
		}
	}
	t.before, t.after, t.marked = t.before[:last], t.after[:last], t.marked[:last]
	t.count--
}

// add allocates one more agent, and appends it to the ring.
func (t *agentTable) add() uint32 {
	n := uint32(t.count)
	if t.count == len(t.chunks)*chunkAgents {
		t.chunks = append(t.chunks, new(agentChunk))
		t.owned = append(t.owned, true)
	}
	t.count++
	t.before, t.after, t.marked = append(t.before, n), append(t.after, n), append(t.marked, false)
	if n > 0 {
		t.insert(n)
	} else {
		t.oldest = 0
	}
	return n
}

// used moves an agent to the end of the ring.
func (t *agentTable) used(n uint32) {
	t.unmark(n)
	if n == t.oldest {
		t.oldest = t.after[n]
		return
	}
	t.after[t.before[n]], t.before[t.after[n]] = t.after[n], t.before[n]
	t.insert(n)
}

// insert puts an agent that is not in the ring at its end, before the oldest.
func (t *agentTable) insert(n uint32) {
	last := t.before[t.oldest]
	t.before[n], t.after[n] = last, t.oldest
	t.after[last], t.before[t.oldest] = n, n
}

// bytes returns the approximate memory of t.
func (t *agentTable) bytes() uint64 {
	return uint64(len(t.chunks))*chunkAgents*agentSize + uint64(t.count)*(ringSize+indexSize)
}
