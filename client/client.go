// Package client sends flows to a flowd server on behalf of an agent. It gathers flows into batches,
// numbers the batches, stores them in a folder (the spool), and sends each one until the server has
// answered for it. So neither a restart of the agent or of the server nor a long outage loses flows or
// counts them twice.
//
//	Add --> the open batch --> spooler: compress, number, write --> queue --> senders --POST /flows-->
//	        count, bytes, age           to the folder, sync                   64 numbers in a row, retries
//
// With a folder (Options.Dir) that is synced (not Options.NoSync) it promises:
//
//   - Flows of a batch in the folder count exactly once at the server, unless Stats counts them as
//     refused, in doubt, dropped or damaged.
//   - A batch is in the folder once it is full or Options.BatchAge old, and at the latest when Save or
//     Close returns without an error. A crash of the agent loses only the flows added after that.
//
// The first promise depends on the server's memory: it remembers the last 64 numbers of an agent for its
// idempotency-window, separately for each token name. So replace a token only by one of the same name.
package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"flowd/flow"
)

var (
	// ErrClosed is returned for flows added before Open or after Close began.
	ErrClosed = errors.New("client: the client is not open")
	// ErrFull is returned with Refuse when the spool is full because the server has not answered for
	// enough batches. No flow was added; the caller may add the same flow later.
	ErrFull = errors.New("client: the spool is full")
	// ErrNoFolder is returned by Save without Options.Dir.
	ErrNoFolder = errors.New("client: Save needs a folder; set Dir")
)

// Client accepts flows and sends them. Its methods are safe for concurrent use.
type Client struct {
	o          Options
	log        *slog.Logger
	poster     *poster
	spool      *spool    // nil without a folder
	identity   *identity // owned by the spooler
	folderLock io.Closer // nil without a folder
	closed     chan struct{}

	sendCtx     context.Context // aborts the POSTs in flight
	cancelSends context.CancelFunc
	spooler     sync.WaitGroup
	senders     sync.WaitGroup

	mu sync.Mutex
	// changed is broadcast whenever a field below changes.
	changed     sync.Cond
	state       state
	halted      bool
	open        *openBatch    // receives flows; never nil
	spare       *openBatch    // nil while the spooler uses it
	ageTimer    *time.Timer   // fires when open may be old enough
	maxAge      time.Duration // of the open batch
	lastSpooled uint64        // number of the last batch in the queue
	spooling    uint64        // flows of the batch between open and queue
	queue       queue
	cached      int64 // bytes of bodies in memory that the folder has too
	breaker     breaker
	syncing     bool  // a sender makes removals durable
	saveErr     error // of the last batch that could not be written to the folder
	// conflicting is the agent's name for which the server has other batches under our numbers.
	conflicting string
	dropping    bool // a batch was dropped since the last one was stored
	lastStatus  int  // of the last failed attempt
	stats       Stats
}

// state is the stage of a client's life.
type state uint8

const (
	unopened state = iota
	running        // accepts flows
	closing        // only sends
	stopped
)

// New returns a client that is not yet open. It returns an error for invalid options.
func New(o Options) (*Client, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	c := &Client{o: o, log: o.Logger, closed: make(chan struct{}), open: &openBatch{number: 1}, spare: &openBatch{}}
	c.changed.L = &c.mu
	c.poster = newPoster(&c.o)
	c.identity = &identity{prefix: o.Agent}
	if o.Dir != "" {
		c.spool = newSpool(&c.o)
		c.identity.spool = c.spool
	}
	return c, nil
}

// Open locks the folder for this client alone, and starts to send the batches that an earlier client
// left there. After an error the client cannot be used.
func (c *Client) Open() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != unopened {
		return errors.New("client: Open was already called")
	}
	compress, err := newCompressor(c.o.Encoding)
	if err == nil {
		err = c.lockAndRecover()
	}
	if err != nil {
		c.state = stopped
		close(c.closed)
		return err
	}
	c.state = running
	c.sendCtx, c.cancelSends = context.WithCancel(context.Background())
	c.breaker.minBackoff, c.breaker.maxBackoff, c.breaker.onRetry = c.o.minBackoff, c.o.MaxBackoff, c.wake
	c.ageTimer = time.AfterFunc(c.o.BatchAge, c.onAgeTimer)
	c.ageTimer.Stop()
	// A random age keeps agents that start together from sending together.
	c.maxAge = 1 + rand.N(c.o.BatchAge)
	c.spooler.Go(func() { c.runSpooler(compress) })
	for range c.o.Connections {
		c.senders.Go(c.sendLoop)
	}
	return nil
}

// lockAndRecover locks the folder and loads its batches. Without a folder it does nothing.
func (c *Client) lockAndRecover() (err error) {
	if c.spool == nil {
		return nil
	}
	if c.folderLock, err = c.spool.lock(); err != nil {
		return err
	}
	if err := c.recoverSpool(); err != nil {
		return errors.Join(err, c.folderLock.Close())
	}
	return nil
}

// recoverSpool queues the batches that an earlier client left, and loads the identity for new ones.
func (c *Client) recoverSpool() error {
	found, err := c.spool.load()
	if err != nil {
		return err
	}
	for _, b := range found.batches {
		c.queue.push(b)
		c.stats.Recovered.add(b)
	}
	c.lastSpooled = found.last
	c.open.number = found.last + 1
	for _, err := range found.damaged {
		c.stats.Damaged.Batches++
		c.log.Error("a batch in the spool is damaged", "error", err)
	}
	if err := c.identity.load(); err != nil {
		return err
	}
	if len(found.batches) > 0 {
		c.log.Info("sending the batches of an earlier client first", "batches", len(found.batches), "folder", c.o.Dir)
	}
	return nil
}

// Add adds a flow, and retains only the text of its names. It returns a *FlowError for a flow that no
// server accepts. When the spool is full, Options.WhenFull decides: Add returns ErrFull, drops the
// oldest batch, or waits. After an error the flow was not added.
func (c *Client) Add(f *flow.Flow) error {
	if err := checkFlow(f); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.add(f)
}

// AddAll adds flows in order and returns the number added. That is less than len(flows) only with an
// error, which concerns the flow after the last one added.
func (c *Client) AddAll(flows []flow.Flow) (added int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range flows {
		if err := checkFlow(&flows[i]); err != nil {
			return i, err
		}
		if err := c.add(&flows[i]); err != nil {
			return i, err
		}
	}
	return len(flows), nil
}

// add adds a flow that has passed checkFlow. The caller holds c.mu.
func (c *Client) add(f *flow.Flow) error {
	for c.state == running && !c.open.hasRoom(&c.o) {
		if c.o.WhenFull == Refuse && !c.hasRoom() {
			return ErrFull
		}
		c.changed.Wait()
	}
	if c.state != running {
		return ErrClosed
	}
	c.open.add(f)
	c.stats.Added++
	switch {
	case !c.open.hasRoom(&c.o):
		c.markReady()
	case c.open.flows == 1:
		c.open.startedAt = time.Now()
		c.ageTimer.Reset(c.maxAge)
	}
	return nil
}

// onAgeTimer marks the open batch ready if it is old enough.
func (c *Client) onAgeTimer() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open.flows > 0 && time.Since(c.open.startedAt) >= c.maxAge {
		c.markReady()
		c.maxAge = c.o.BatchAge
	}
}

// markReady lets the spooler seal the open batch, if it has flows, and returns the number of the last
// batch that has flows. The caller holds c.mu.
func (c *Client) markReady() (last uint64) {
	if c.open.flows == 0 {
		return c.open.number - 1
	}
	if !c.open.ready {
		c.open.ready = true
		c.changed.Broadcast()
	}
	return c.open.number
}

// hasRoom reports whether the spool has room for the open batch. An empty spool always has.
func (c *Client) hasRoom() bool {
	return c.queue.len() == 0 || c.queue.bytes+int64(len(c.open.body)) <= c.o.SpoolBytes
}

// Save returns once all flows added before are in the folder or already answered for. It returns
// ErrNoFolder without a folder, ErrFull with Refuse, or the error of the folder; flows that could not be
// saved are sent from memory.
func (c *Client) Save() error {
	if c.spool == nil {
		return ErrNoFolder
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for last := c.markReady(); c.lastSpooled < last; c.changed.Wait() {
		switch {
		case c.state == unopened || c.state == stopped:
			return ErrClosed
		case c.state == running && c.o.WhenFull == Refuse && c.open.number <= last && !c.hasRoom():
			return ErrFull
		}
	}
	if unsaved := c.queue.unsaved(); unsaved.Batches > 0 {
		return fmt.Errorf("client: %v are only in memory: %w", unsaved, c.saveErr)
	}
	return nil
}

// Flush returns once the server has answered for all flows added before: they count, or Stats tells
// their outcome. It returns the error of ctx if that ends first, or ErrClosed.
func (c *Client) Flush(ctx context.Context) error {
	defer context.AfterFunc(ctx, c.wake)()
	c.mu.Lock()
	defer c.mu.Unlock()
	for last := c.markReady(); c.lastSpooled < last || c.queue.hasUpTo(last); c.changed.Wait() {
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("client: flushing: %w", context.Cause(ctx))
		case c.state == unopened || c.state == stopped:
			return ErrClosed
		}
	}
	return nil
}

// Halt starts no more POSTs; those in flight finish. With a folder, Halt followed by Close is the fast
// way to stop, since the next client sends the rest. Flows may still be added.
func (c *Client) Halt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.halted = true
	c.changed.Broadcast()
}

// Close accepts no more flows, sends the pending ones until ctx ends, and stops. After Halt it waits
// only for the POSTs in flight. It returns an *UnsentError for batches that are not answered for; they
// stay in the folder for the next client, or are lost without a folder. A second Close waits for the
// first and returns nil.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	before := c.state
	switch before {
	case unopened:
		c.state = stopped
		close(c.closed)
	case running:
		c.state = closing
		c.markReady()
		c.changed.Broadcast()
	}
	c.mu.Unlock()
	if before != running {
		<-c.closed
		return nil
	}
	defer close(c.closed)
	c.spooler.Wait()
	err := c.drain(ctx)
	c.cancelSends()
	c.senders.Wait()
	c.ageTimer.Stop()
	c.breaker.stop()
	c.poster.close()
	var unlocking error
	if c.folderLock != nil {
		unlocking = c.folderLock.Close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queue.len() > 0 {
		return errors.Join(c.unsentError(err), unlocking)
	}
	return unlocking
}

// errHalted is the reason of an *UnsentError after Halt.
var errHalted = errors.New("halted")

// drain waits until the queue is empty, ctx ends, or a halted client has no POST in flight. Then it
// stops the senders. It returns why batches remain, or nil.
func (c *Client) drain(ctx context.Context) (err error) {
	defer context.AfterFunc(ctx, c.wake)()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.queue.len() > 0 && err == nil {
		switch {
		case ctx.Err() != nil:
			err = context.Cause(ctx)
		case c.halted && !c.queue.anyInFlight():
			err = errHalted
		default:
			c.changed.Wait()
		}
	}
	c.state = stopped
	c.changed.Broadcast()
	return err
}

// wake makes all waiters check their condition again.
func (c *Client) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed.Broadcast()
}
