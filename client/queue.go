package client

import (
	"slices"

	"flowd/flow"
)

// sealedBatch is a complete batch that is not answered for. Its name, sequence and body never change, so
// every attempt sends the same request.
type sealedBatch struct {
	number   uint64 // names its file
	agent    string
	seq      uint64
	flows    int
	encoding Encoding
	size     int64  // of the body, in bytes
	body     []byte // nil if only the folder has it

	// mayHaveFile tells that a file may exist, saved that it was written without an error.
	mayHaveFile, saved bool

	// All below is guarded by the client's mutex.

	inFlight   bool // a sender or dropOldest uses it
	attempts   int
	generation uint64 // of the breaker, at the last attempt
	// uncertain tells that an attempt may have counted, deferred that one certainly did not.
	uncertain, deferred bool
}

// queue holds the batches that are not answered for, in the order of their numbers. Batches of one
// agent's name are adjacent and have ascending sequences.
type queue struct {
	batches []*sealedBatch
	bytes   int64
	// unsyncedRemovals are answered batches whose files were removed since the last sync of the folder.
	// A power cut may bring them back, to be sent again, so they still occupy the server's window.
	unsyncedRemovals []batchID
	// syncedRemovals is the number of batches removed from unsyncedRemovals.
	syncedRemovals uint64
}

// batchID identifies a batch at the server.
type batchID struct {
	agent string
	seq   uint64
}

func (q *queue) len() int { return len(q.batches) }

func (q *queue) push(b *sealedBatch) {
	q.batches = append(q.batches, b)
	q.bytes += b.size
}

// remove removes b, which is usually among the first.
func (q *queue) remove(b *sealedBatch) {
	i := slices.Index(q.batches, b)
	copy(q.batches[1:i+1], q.batches[:i])
	q.batches[0] = nil
	q.batches = q.batches[1:]
	q.bytes -= b.size
}

// next returns the batch to send next, or nil. It prefers the fewest attempts, then the oldest: so
// batches go in order, and one that the server fails on does not block the others.
//
// The server tells apart the last SeqWindow sequences of an agent. So next returns a batch only if its
// sequence is less than SeqWindow above the lowest one that may have to be sent again. With
// countUnsynced, unsynced removals belong to those.
func (q *queue) next(countUnsynced bool) *sealedBatch {
	var best *sealedBatch
	agent, floor := "", uint64(0)
	for _, b := range q.batches {
		if b.agent != agent {
			agent, floor = b.agent, b.seq
			if countUnsynced {
				floor = q.floor(agent, floor)
			}
		}
		if b.seq-floor >= flow.SeqWindow {
			break
		}
		if !b.inFlight && (best == nil || b.attempts < best.attempts) {
			best = b
		}
	}
	return best
}

// floor returns the lowest sequence of an agent that a power cut could bring back, at most seq.
func (q *queue) floor(agent string, seq uint64) uint64 {
	for _, removed := range q.unsyncedRemovals {
		if removed.agent == agent {
			seq = min(seq, removed.seq)
		}
	}
	return seq
}

// removalMark returns a mark that covers all removals so far, for markSynced.
func (q *queue) removalMark() uint64 { return q.syncedRemovals + uint64(len(q.unsyncedRemovals)) }

// markSynced records that the folder was synced after removalMark returned mark.
func (q *queue) markSynced(mark uint64) {
	if mark > q.syncedRemovals {
		q.unsyncedRemovals = q.unsyncedRemovals[mark-q.syncedRemovals:]
		q.syncedRemovals = mark
	}
}

// blockedBySync reports whether unsynced removals alone prevent a batch from being sent.
func (q *queue) blockedBySync() bool {
	return q.next(true) == nil && q.next(false) != nil
}

// anyInFlight reports whether a batch is in flight.
func (q *queue) anyInFlight() bool {
	return slices.ContainsFunc(q.batches, func(b *sealedBatch) bool { return b.inFlight })
}

// oldestIdle returns the first batch that is not in flight, or nil.
func (q *queue) oldestIdle() *sealedBatch {
	for _, b := range q.batches {
		if !b.inFlight {
			return b
		}
	}
	return nil
}

// hasUpTo reports whether the queue holds a batch with this number or a lower one.
func (q *queue) hasUpTo(number uint64) bool {
	return len(q.batches) > 0 && q.batches[0].number <= number
}

// unsaved counts the batches that were not written to the folder.
func (q *queue) unsaved() (c Count) {
	for _, b := range q.batches {
		if !b.saved {
			c.add(b)
		}
	}
	return c
}
