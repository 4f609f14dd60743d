package client

import (
	"fmt"
	"time"
)

// Count is a number of batches and of the flows in them.
type Count struct{ Batches, Flows uint64 }

func (c *Count) add(p *parcel) {
	c.Batches++
	c.Flows += uint64(p.flows)
}

// String returns c in words: "2 batches with 1500 flows".
func (c Count) String() string {
	batches := "batches"
	if c.Batches == 1 {
		batches = "batch"
	}
	return fmt.Sprintf("%d %s with %d flows", c.Batches, batches, c.Flows)
}

// Stats is the account of a client since Open. In flows,
//
//	Added + Recovered = Open + Pending + Stored + Refused + InDoubt + Dropped + Damaged
//
// but for damaged batches of an earlier client, whose flows nobody could count.
type Stats struct {
	// Added counts flows that Add took, and Open those of them that are in no batch yet.
	Added, Open uint64
	// Recovered are batches that an earlier client left in the folder.
	Recovered Count
	// Pending are batches that are not answered for. Of them Unclear may count at the server already:
	// a try had no answer, or one that left it open. Unsaved are in memory alone, because the folder
	// failed or there is none.
	Pending, Unclear, Unsaved Count
	// PutOff are those of Pending that were answered, and surely do not count yet.
	PutOff Count
	// Stored are batches that count. Of them Duplicate counted already when the answer came: they
	// were sent more than once, and an earlier answer was lost.
	Stored, Duplicate Count
	// Refused are batches that the server refused for good, and InDoubt those of which it could not
	// say any more whether they count. Both are in the folder "refused".
	Refused, InDoubt Count
	// Dropped are batches that made room for newer ones, and Damaged those whose file was damaged.
	Dropped, Damaged Count
	// Posts counts attempts, and Retries those that were not the first of their batch.
	Posts, Retries uint64
	// SpoolBytes is what Pending takes, and RefusedBytes what the folder "refused" does. RefusedGone
	// counts files that went from there because it was full.
	SpoolBytes, RefusedBytes int64
	RefusedGone              uint64
	// FailingSince is when attempts began to fail, zero while they do not, and Problem why the last
	// one did.
	FailingSince time.Time
	Problem      string
}

// Stats returns the account as of now.
func (c *Client) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Open = uint64(c.open.flows) + c.keeping
	for _, p := range c.queue.parcels {
		s.Pending.add(p)
		switch {
		case p.unclear:
			s.Unclear.add(p)
		case p.putOff:
			s.PutOff.add(p)
		}
	}
	s.Unsaved = c.queue.unsaved()
	s.SpoolBytes = c.queue.bytes
	if c.spool != nil {
		s.RefusedBytes = c.spool.refused.size()
	}
	if c.gate.failures > 0 {
		s.FailingSince, s.Problem = c.gate.since, c.gate.problem
	}
	return s
}

// UnsentError is what Close leaves behind.
type UnsentError struct {
	// Pending are the batches that are not answered for, and Lost those of them that are in no
	// folder.
	Pending, Lost Count
	// Dir is the folder where the rest stays, empty without one.
	Dir string
	// Err is why Close waited no longer.
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
