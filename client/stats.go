package client

import (
	"fmt"
	"time"
)

// Count is a number of batches and of the flows in them.
type Count struct{ Batches, Flows uint64 }

func (c *Count) add(b *sealedBatch) {
	c.Batches++
	c.Flows += uint64(b.flows)
}

// String returns c in words: "2 batches with 1500 flows".
func (c Count) String() string {
	batches := "batches"
	if c.Batches == 1 {
		batches = "batch"
	}
	return fmt.Sprintf("%d %s with %d flows", c.Batches, batches, c.Flows)
}

// Stats are the counters of a client since Open. In flows,
//
//	Added + Recovered = Open + Pending + Stored + Refused + InDoubt + Dropped + Damaged
//
// except for damaged batches of an earlier client, whose number of flows is unknown.
type Stats struct {
	// Added counts flows that Add accepted, and Open those of them in no sealed batch yet.
	Added, Open uint64
	// Recovered counts batches that an earlier client left in the folder.
	Recovered Count
	// Pending counts batches that are not answered for. Of them Uncertain may already count at the
	// server: an attempt had no answer, or none that settled it. Unsaved are only in memory, because the
	// folder failed or is not configured.
	Pending, Uncertain, Unsaved Count
	// Deferred counts those of Pending that were answered and certainly do not count yet.
	Deferred Count
	// Stored counts batches that count at the server. Of them Duplicate already counted when the answer
	// came: they were sent more than once, and an earlier answer was lost.
	Stored, Duplicate Count
	// Refused counts batches that the server refused for good, and InDoubt those that may or may not
	// count, which the server could no longer tell. Both are in the folder "refused".
	Refused, InDoubt Count
	// Dropped counts batches that made room for newer ones, and Damaged those with a damaged file.
	Dropped, Damaged Count
	// Posts counts attempts, and Retries those that were not the first of their batch.
	Posts, Retries uint64
	// SpoolBytes is the size of Pending, and RefusedBytes that of the folder "refused". RefusedEvicted
	// counts files that were removed from there because it was full.
	SpoolBytes, RefusedBytes int64
	RefusedEvicted           uint64
	// FailingSince is when attempts began to fail, zero while they succeed. Problem is the reason of the
	// last failure.
	FailingSince time.Time
	Problem      string
}

// Stats returns the current counters.
func (c *Client) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Open = uint64(c.open.flows) + c.spooling
	for _, b := range c.queue.batches {
		s.Pending.add(b)
		switch {
		case b.uncertain:
			s.Uncertain.add(b)
		case b.deferred:
			s.Deferred.add(b)
		}
	}
	s.Unsaved = c.queue.unsaved()
	s.SpoolBytes = c.queue.bytes
	if c.spool != nil {
		s.RefusedBytes = c.spool.refused.size()
	}
	if c.breaker.failures > 0 {
		s.FailingSince, s.Problem = c.breaker.failingSince, c.breaker.problem
	}
	return s
}

// UnsentError describes the batches that Close leaves behind.
type UnsentError struct {
	// Pending counts the batches that are not answered for, and Lost those of them in no folder.
	Pending, Lost Count
	// Dir is the folder where the rest stays; empty without one.
	Dir string
	// Err is why Close stopped waiting.
	Err error
}

func (e *UnsentError) Error() string {
	text := fmt.Sprintf("client: %v are not answered for", e.Pending)
	switch {
	case e.Lost.Batches == 0:
		text += "; they stay in " + e.Dir
	case e.Dir == "":
		text += ", and lost"
	default:
		text += fmt.Sprintf("; %v of them are lost, the rest stays in %s", e.Lost, e.Dir)
	}
	return text + ": " + e.Err.Error()
}

func (e *UnsentError) Unwrap() error { return e.Err }
