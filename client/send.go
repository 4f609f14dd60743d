package client

import (
	"errors"
	"io/fs"
	"time"
)

// syncEvery is the number of removals that may wait for a sync of the folder, and so the part of the
// window of 64 sequences that they may occupy.
const syncEvery = 16

// sendLoop is a sender. It sends one batch after another until the client stops.
func (c *Client) sendLoop() {
	for b := c.nextToSend(); b != nil; b = c.nextToSend() {
		body, r := c.attempt(b)
		switch r.outcome {
		case stored:
			c.completeStored(b, &r)
		case refused, inDoubt:
			c.completeRefused(b, body, &r)
		case damaged:
			c.completeDamaged(b, &r)
		default:
			c.retryLater(b, &r)
		}
	}
}

// nextToSend waits for a batch that may be sent, and marks it in flight. It returns nil at the end.
func (c *Client) nextToSend() *sealedBatch {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ; c.state != stopped; c.changed.Wait() {
		if c.halted || !c.breaker.allows(time.Now()) {
			continue
		}
		if b := c.queue.next(true); b != nil {
			b.inFlight = true
			b.attempts++
			b.generation = c.breaker.begin()
			c.stats.Posts++
			if b.attempts > 1 {
				c.stats.Retries++
			}
			return b
		}
	}
	return nil
}

// attempt sends a batch once. It returns the body it sent.
func (c *Client) attempt(b *sealedBatch) (body []byte, r result) {
	if body = b.body; body == nil {
		var err error
		var damage *damageError
		switch body, err = c.spool.read(b); {
		case errors.As(err, &damage), errors.Is(err, fs.ErrNotExist):
			return nil, result{outcome: damaged, reason: err.Error()}
		case err != nil:
			return nil, result{outcome: notSent, reason: "the batch cannot be read: " + err.Error()}
		}
	}
	return body, c.poster.post(c.sendCtx, b, body)
}

// completeStored completes a batch that counts at the server.
func (c *Client) completeStored(b *sealedBatch, r *result) {
	c.removeFile(b)
	c.mu.Lock()
	c.dequeue(b)
	c.stats.Stored.add(b)
	if r.duplicate {
		c.stats.Duplicate.add(b)
	}
	c.dropping = false
	failingSince := c.recordSuccess()
	c.syncRemovals()
	c.mu.Unlock()
	c.logRecovery(failingSince)
}

// recordSuccess closes the breaker and returns since when attempts were failing. The caller holds c.mu.
func (c *Client) recordSuccess() (failingSince time.Time) {
	failingSince = c.breaker.recordSuccess()
	c.changed.Broadcast()
	return failingSince
}

func (c *Client) logRecovery(failingSince time.Time) {
	if !failingSince.IsZero() {
		c.log.Info("the server accepts batches again", "after", time.Since(failingSince).Round(time.Millisecond))
	}
}

// syncRemovals syncs the folder when enough removals wait for it: the server must still recognise an
// answered batch that a power cut brings back. The caller holds c.mu, which syncRemovals releases
// meanwhile.
func (c *Client) syncRemovals() {
	for !c.syncing && len(c.queue.unsyncedRemovals) > 0 &&
		(len(c.queue.unsyncedRemovals) >= syncEvery || c.queue.len() == 0 || c.queue.blockedBySync()) {
		c.syncing = true
		mark := c.queue.removalMark()
		c.mu.Unlock()
		err := c.spool.sync()
		if err != nil {
			c.log.Error("cannot sync the folder; after a power cut stored batches are sent again, "+
				"and the server may no longer recognise them", "error", err)
		}
		c.mu.Lock()
		// Go on after an error too: waiting for a failing disk would stop all sending.
		c.queue.markSynced(mark)
		c.syncing = false
		c.changed.Broadcast()
	}
}

// RefusedBatch is a batch that the server refused for good. Sending it again unchanged would fail again.
type RefusedBatch struct {
	// Agent and Seq identify the batch; Flows is its number of flows.
	Agent string
	Seq   uint64
	Flows int
	// Status is the status of the answer, and Reason its explanation.
	Status int
	Reason string
	// InDoubt tells that the batch may count. Without it the batch does not count.
	InDoubt bool
	// Body is a JSON array of flows in this encoding. It is only valid until the callback returns.
	Body     []byte
	Encoding Encoding
	// File is the stored batch; empty if it was not stored, when Body is the only copy.
	File string
}

// completeRefused completes a batch that the server will never accept.
func (c *Client) completeRefused(b *sealedBatch, body []byte, r *result) {
	file, evicted := c.moveToRefused(b, body)
	c.mu.Lock()
	c.dequeue(b)
	count := &c.stats.Refused
	if r.outcome == inDoubt {
		count = &c.stats.InDoubt
	}
	count.add(b)
	c.stats.RefusedEvicted += evicted
	if r.status == statusConflict || r.status == statusReused {
		// Another client uses the name, or the folder was rolled back.
		c.conflicting = b.agent
	}
	failingSince := c.recordSuccess()
	c.syncRemovals()
	c.mu.Unlock()
	c.logRecovery(failingSince)
	c.log.Error("the server refused a batch for good", "flows", b.flows, "agent", b.agent, "seq", b.seq,
		"reason", r.reason, "file", file)
	if c.o.Refused != nil {
		c.o.Refused(&RefusedBatch{
			Agent: b.agent, Seq: b.seq, Flows: b.flows, Status: r.status, Reason: r.reason, InDoubt: r.outcome == inDoubt,
			Body: body, Encoding: b.encoding, File: file,
		})
	}
}

// moveToRefused moves a batch to the folder "refused". It returns its file there, empty if it was not
// stored, and the number of older files evicted.
func (c *Client) moveToRefused(b *sealedBatch, body []byte) (file string, evicted uint64) {
	if c.spool == nil {
		return "", 0
	}
	file, evicted, err := c.spool.moveToRefused(b, body)
	if err != nil {
		c.log.Error("cannot store a refused batch", "error", err)
	}
	return file, evicted
}

// completeDamaged completes a batch whose file is damaged or missing.
func (c *Client) completeDamaged(b *sealedBatch, r *result) {
	c.log.Error("a batch in the spool is damaged", "flows", b.flows, "error", r.reason)
	_, evicted := c.moveToRefused(b, nil)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.breaker.release(b.generation)
	c.dequeue(b)
	c.stats.Damaged.add(b)
	c.stats.RefusedEvicted += evicted
	c.syncRemovals()
}

// Attempt is a failed POST that will be repeated.
type Attempt struct {
	// Agent and Seq identify the batch; Flows is its number of flows.
	Agent string
	Seq   uint64
	Flows int
	// Tries is the number of attempts of this batch. ConsecutiveFailures is the number of failures of
	// any batch since the last success; concurrent ones count once.
	Tries, ConsecutiveFailures int
	// Status is the status of the answer, 0 without one, and Reason its explanation or the error.
	Status int
	Reason string
	// RetryAfter is the pause that the server asked for, 0 without one. Backoff is the time until the
	// next attempt.
	RetryAfter, Backoff time.Duration
}

// retryLater releases a batch so that it is sent again.
func (c *Client) retryLater(b *sealedBatch, r *result) {
	c.mu.Lock()
	b.inFlight = false
	b.uncertain = b.uncertain || r.outcome == uncertain
	b.deferred = b.deferred || r.outcome == deferred
	c.changed.Broadcast()
	if c.sendCtx.Err() != nil {
		c.breaker.release(b.generation)
		c.mu.Unlock()
		return
	}
	backoff, first := c.breaker.recordFailure(b.generation, r.retryAfter, r.reason)
	changed := first || r.status != c.lastStatus
	c.lastStatus = r.status
	attempt := Attempt{
		Agent: b.agent, Seq: b.seq, Flows: b.flows, Tries: b.attempts, ConsecutiveFailures: c.breaker.failures,
		Status: r.status, Reason: r.reason, RetryAfter: r.retryAfter, Backoff: backoff,
	}
	c.mu.Unlock()
	if changed {
		c.log.Warn("the server does not accept batches; retrying", "reason", r.reason, "wait", backoff)
	}
	if c.o.Retrying != nil {
		c.o.Retrying(&attempt)
	}
}
