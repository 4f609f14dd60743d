package client

import (
	"errors"
	"io/fs"
	"time"
)

// syncEvery is how many removals may wait for a sync of the folder. It takes that much of the window
// of 64 sequences at most.
const syncEvery = 16

// send is a sender: it sends one batch after the other until the client stops.
func (c *Client) send() {
	for p := c.take(); p != nil; p = c.take() {
		body, r := c.try(p)
		switch r.verdict {
		case stored:
			c.done(p, &r)
		case refused, inDoubt:
			c.refuse(p, body, &r)
		case damaged:
			c.damaged(p, &r)
		default:
			c.later(p, &r)
		}
	}
}

// take waits for a batch that may be sent. It returns nil at the end.
func (c *Client) take() *parcel {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ; c.state != stopped; c.changed.Wait() {
		if c.halted || !c.gate.isOpen(time.Now()) {
			continue
		}
		if p := c.queue.next(true); p != nil {
			p.busy = true
			p.tries++
			p.round = c.gate.enter()
			c.stats.Posts++
			if p.tries > 1 {
				c.stats.Retries++
			}
			return p
		}
	}
	return nil
}

// try sends a batch once, and returns what it sent.
func (c *Client) try(p *parcel) (body []byte, r reply) {
	if body = p.body; body == nil {
		var err error
		var damage *damageError
		switch body, err = c.spool.read(p); {
		case errors.As(err, &damage), errors.Is(err, fs.ErrNotExist):
			return nil, reply{verdict: damaged, reason: err.Error()}
		case err != nil:
			return nil, reply{verdict: notSent, reason: "the batch cannot be read: " + err.Error()}
		}
	}
	return body, c.poster.post(c.sending, p, body)
}

// done ends a batch that counts.
func (c *Client) done(p *parcel, r *reply) {
	c.unfile(p)
	c.mu.Lock()
	c.forget(p)
	c.stats.Stored.add(p)
	if r.duplicate {
		c.stats.Duplicate.add(p)
	}
	c.dropping = false
	since := c.passed()
	c.syncRemovals()
	c.mu.Unlock()
	c.tellPassed(since)
}

// passed notes that the server answered to the point.
func (c *Client) passed() (since time.Time) {
	since = c.gate.passed()
	c.changed.Broadcast()
	return since
}

func (c *Client) tellPassed(since time.Time) {
	if !since.IsZero() {
		c.log.Info("the server takes batches again", "after", time.Since(since).Round(time.Millisecond))
	}
}

// syncRemovals makes removals durable, now and then: an answered batch that comes back after a power
// cut must be near enough for the server to know it. It lets go of the mutex meanwhile.
func (c *Client) syncRemovals() {
	for !c.syncing && len(c.queue.gone) > 0 &&
		(len(c.queue.gone) >= syncEvery || c.queue.len() == 0 || c.queue.stuck()) {
		c.syncing = true
		mark := c.queue.removed()
		c.mu.Unlock()
		err := c.spool.sync()
		if err != nil {
			c.log.Error("the folder cannot be synced; after a power cut batches that count are sent again, "+
				"which the server may not recognise by then", "error", err)
		}
		c.mu.Lock()
		// After an error as well: to wait for a disk that fails would stop everything.
		c.queue.made(mark)
		c.syncing = false
		c.changed.Broadcast()
	}
}

// Refusal is a batch that the server refused for good. To send it again as it is would fail again.
type Refusal struct {
	// Agent, Seq and Flows are the name of the batch and how many flows it has.
	Agent string
	Seq   uint64
	Flows int
	// Status is that of the answer, and Reason what it said.
	Status int
	Reason string
	// InDoubt tells that nobody knows whether the batch counts. Other batches do not count.
	InDoubt bool
	// Body is a JSON array of flows in this encoding; it is lent until the function returns.
	Body     []byte
	Encoding Encoding
	// File is where the batch is kept; empty if it is not, and nobody has it but who reads this.
	File string
}

// refuse ends a batch that never passes.
func (c *Client) refuse(p *parcel, body []byte, r *reply) {
	file, gone := c.setAside(p, body)
	c.mu.Lock()
	c.forget(p)
	counted := &c.stats.Refused
	if r.verdict == inDoubt {
		counted = &c.stats.InDoubt
	}
	counted.add(p)
	c.stats.RefusedGone += gone
	if r.status == statusConflict || r.status == statusReused {
		// Somebody else uses the name, or the numbers were set back.
		c.strange = p.agent
	}
	since := c.passed()
	c.syncRemovals()
	c.mu.Unlock()
	c.tellPassed(since)
	c.log.Error("the server refused a batch for good", "flows", p.flows, "agent", p.agent, "seq", p.seq,
		"reason", r.reason, "file", file)
	if c.o.Refused != nil {
		c.o.Refused(&Refusal{
			Agent: p.agent, Seq: p.seq, Flows: p.flows, Status: r.status, Reason: r.reason, InDoubt: r.verdict == inDoubt,
			Body: body, Encoding: p.encoding, File: file,
		})
	}
}

// setAside puts a batch into the folder of the refused, and returns its file there, empty if there is
// none, and how many others it drove out.
func (c *Client) setAside(p *parcel, body []byte) (file string, gone uint64) {
	if c.spool == nil {
		return "", 0
	}
	file, gone, err := c.spool.refuse(p, body)
	if err != nil {
		c.log.Error("a refused batch cannot be kept", "error", err)
	}
	return file, gone
}

// damaged ends a batch whose file is not what was written.
func (c *Client) damaged(p *parcel, r *reply) {
	c.log.Error("a batch of the spool is damaged", "flows", p.flows, "error", r.reason)
	_, gone := c.setAside(p, nil)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gate.leave(p.round)
	c.forget(p)
	c.stats.Damaged.add(p)
	c.stats.RefusedGone += gone
	c.syncRemovals()
}

// Attempt is a POST that will be repeated.
type Attempt struct {
	// Agent, Seq and Flows are the name of the batch and how many flows it has.
	Agent string
	Seq   uint64
	Flows int
	// Tries is how often the batch was sent, and InARow how many rounds of attempts failed, of
	// whatever batches, since one passed.
	Tries, InARow int
	// Status is that of the answer, 0 if there was none, and Reason what it said or why there was none.
	Status int
	Reason string
	// Asked is how long the server asked to wait, 0 if it did not, and Wait how long nothing is sent.
	Asked, Wait time.Duration
}

// later gives a batch back, to be sent again.
func (c *Client) later(p *parcel, r *reply) {
	c.mu.Lock()
	p.busy = false
	p.unclear = p.unclear || r.verdict == unclear
	p.putOff = p.putOff || r.verdict == putOff
	c.changed.Broadcast()
	if c.sending.Err() != nil {
		c.gate.leave(p.round)
		c.mu.Unlock()
		return
	}
	wait, first := c.gate.failed(p.round, r.after, r.reason)
	news := first || r.status != c.failing
	c.failing = r.status
	attempt := Attempt{
		Agent: p.agent, Seq: p.seq, Flows: p.flows, Tries: p.tries, InARow: c.gate.failures,
		Status: r.status, Reason: r.reason, Asked: r.after, Wait: wait,
	}
	c.mu.Unlock()
	if news {
		c.log.Warn("the server does not take batches; they are sent again until it does", "reason", r.reason, "wait", wait)
	}
	if c.o.Retrying != nil {
		c.o.Retrying(&attempt)
	}
}
