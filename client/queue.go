package client

import (
	"slices"

	"flowd/flow"
)

// parcel is a batch that is complete and not answered for. What the server is told of it never
// changes, so that each time it is sent it is the same.
type parcel struct {
	number   uint64 // of its file
	agent    string
	seq      uint64
	flows    int
	encoding Encoding
	size     int64  // of the body, in bytes
	body     []byte // nil if it is in the folder alone

	// filed tells that there may be a file of it, saved that it is there for sure.
	filed, saved bool

	// All below is guarded by the client's mutex.

	busy  bool // a sender, or who drops it, has it
	tries int
	round uint64 // of the gate, when it was sent last
	// unclear tells that a try had no answer, or none that says whether the batch counts; putOff that
	// one was answered, and that the batch does not count yet.
	unclear, putOff bool
}

// queue is the batches that are not answered for, in the order of their numbers. Those of one name
// stand together, with ascending sequences.
type queue struct {
	parcels []*parcel
	bytes   int64
	// gone are batches that were answered for and whose files were removed since the folder was synced
	// last: a power cut may bring them back, to be sent again. So they still count for the window.
	gone []batchName
	// durable is how many were taken out of gone.
	durable uint64
}

// batchName is what the server knows a batch by.
type batchName struct {
	agent string
	seq   uint64
}

func (q *queue) len() int { return len(q.parcels) }

func (q *queue) push(p *parcel) {
	q.parcels = append(q.parcels, p)
	q.bytes += p.size
}

// remove takes out p, which is most often one of the first.
func (q *queue) remove(p *parcel) {
	i := slices.Index(q.parcels, p)
	copy(q.parcels[1:i+1], q.parcels[:i])
	q.parcels[0] = nil
	q.parcels = q.parcels[1:]
	q.bytes -= p.size
}

// next returns the batch to be sent next, or nil. It is the one that was tried least often, and of
// those the oldest: so batches go in order, and one that the server fails upon lets others pass.
//
// The server tells apart the last SeqWindow sequences of an agent. A sequence is sent only while all
// lower ones that may have to be sent again are nearer than that.
func (q *queue) next(durable bool) *parcel {
	var best *parcel
	agent, floor := "", uint64(0)
	for _, p := range q.parcels {
		if p.agent != agent {
			agent, floor = p.agent, p.seq
			if durable {
				floor = q.floor(agent, floor)
			}
		}
		if p.seq-floor >= flow.SeqWindow {
			break
		}
		if !p.busy && (best == nil || p.tries < best.tries) {
			best = p
		}
	}
	return best
}

// floor returns the lowest sequence of an agent that a power cut could bring back, at most seq.
func (q *queue) floor(agent string, seq uint64) uint64 {
	for _, g := range q.gone {
		if g.agent == agent {
			seq = min(seq, g.seq)
		}
	}
	return seq
}

// removed returns a mark of all removals up to now, for made.
func (q *queue) removed() uint64 { return q.durable + uint64(len(q.gone)) }

// made notes that the folder was synced after removed returned mark.
func (q *queue) made(mark uint64) {
	if mark > q.durable {
		q.gone = q.gone[mark-q.durable:]
		q.durable = mark
	}
}

// stuck reports whether nothing can be sent for no other reason than that removals are not durable.
func (q *queue) stuck() bool {
	return q.next(true) == nil && q.next(false) != nil
}

// busy reports whether a batch is under way.
func (q *queue) busy() bool {
	return slices.ContainsFunc(q.parcels, func(p *parcel) bool { return p.busy })
}

// oldest returns the first batch that is not under way, or nil.
func (q *queue) oldest() *parcel {
	for _, p := range q.parcels {
		if !p.busy {
			return p
		}
	}
	return nil
}

// has reports whether there is a batch of this number or a lower one.
func (q *queue) has(number uint64) bool {
	return len(q.parcels) > 0 && q.parcels[0].number <= number
}

// unsaved counts the batches that are not in the folder for sure.
func (q *queue) unsaved() (c Count) {
	for _, p := range q.parcels {
		if !p.saved {
			c.add(p)
		}
	}
	return c
}
