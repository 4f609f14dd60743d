// Package client sends flows to a flowd server for an agent. It gathers them into batches, numbers
// the batches, keeps them in a folder until the server has answered for them, and sends each again
// until then, so that neither the end of the agent, nor that of the server, nor a long outage loses
// flows or counts them twice.
//
//	Add --> the open batch --> keeper: compress, number, write  --> queue --> senders --POST /flows-->
//	        count, bytes, age          to the folder, sync                    64 numbers in a row, retries
//
// What it promises, with a folder (Options.Dir) that is synced (not Options.NoSync):
//
//   - Flows of a batch that is in the folder count exactly once at the server, unless Stats names
//     them as refused, in doubt, dropped or damaged.
//   - A batch is in the folder once it is full or Options.BatchAge old, or at the latest when Save or
//     Close returned without an error. What was added since goes with a crash of the agent, and
//     with it alone.
//
// The first promise ends where the server forgets: it remembers the last 64 numbers of an agent, for
// as long as its idempotency-window says, apart for each name of a token. So a token is replaced by
// one of the same name.
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
	// ErrClosed is returned for flows that come before Open or after Close began.
	ErrClosed = errors.New("client: not open")
	// ErrFull is returned for flows that find no room, with Refuse: the server has not taken enough
	// of those before. Nothing was added; the same flow may be added later.
	ErrFull = errors.New("client: the spool is full")
	// ErrNoFolder is what Save returns without Options.Dir.
	ErrNoFolder = errors.New("client: there is no folder to save to")
)

// Client takes flows, and sends them. Its methods may be called by many goroutines.
type Client struct {
	o      Options
	log    *slog.Logger
	poster *poster
	spool  *spool    // nil without a folder
	names  *identity // the keeper's
	lock   io.Closer // of the folder
	ended  chan struct{}

	sending context.Context // ends the posts under way
	cancel  context.CancelFunc
	keeper  sync.WaitGroup
	senders sync.WaitGroup

	mu sync.Mutex
	// changed tells everybody who waits that something below has changed.
	changed sync.Cond
	state   state
	halted  bool
	open    *portion      // takes flows; never nil
	spare   *portion      // nil while the keeper has it
	age     *time.Timer   // of open
	oldest  time.Duration // how old the open batch may become
	kept    uint64        // the number of the last batch that the keeper is through with
	keeping uint64        // the flows of the batch that it is at
	queue   queue
	cached  int64 // bytes of the bodies in memory of batches that are in the folder, too
	gate    gate
	syncing bool  // a sender makes removals durable
	saving  error // why the last batch that is not in the folder is not
	// strange is the agent's name under which the server knows other batches than ours.
	strange  string
	dropping bool // since the server took a batch last
	failing  int  // the status of the last attempt that failed
	stats    Stats
}

// state is how far a client is in its life.
type state uint8

const (
	fresh   state = iota
	running       // takes flows
	closing       // sends what it has
	stopped
)

// New returns a client that does nothing yet. It returns an error for options that cannot be used.
func New(o Options) (*Client, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	c := &Client{o: o, log: o.Logger, ended: make(chan struct{}), open: &portion{number: 1}, spare: &portion{}}
	c.changed.L = &c.mu
	c.poster = newPoster(&c.o)
	c.names = &identity{prefix: o.Agent}
	if o.Dir != "" {
		c.spool = newSpool(&c.o)
		c.names.folder = c.spool
	}
	return c, nil
}

// Open takes the folder, which nobody else may use meanwhile, and begins to send what an earlier
// client left there. After an error the client cannot be used.
func (c *Client) Open() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != fresh {
		return errors.New("client: opened twice")
	}
	compress, err := newCompressor(c.o.Encoding)
	if err == nil {
		err = c.takeFolder()
	}
	if err != nil {
		c.state = stopped
		close(c.ended)
		return err
	}
	c.state = running
	c.sending, c.cancel = context.WithCancel(context.Background())
	c.gate.first, c.gate.longest, c.gate.opened = c.o.pause, c.o.MaxBackoff, c.wake
	c.age = time.AfterFunc(c.o.BatchAge, c.aged)
	c.age.Stop()
	// Agents that start together, or work by the same clock, shall not send together.
	c.oldest = 1 + rand.N(c.o.BatchAge)
	c.keeper.Go(func() { c.keep(compress) })
	for range c.o.Connections {
		c.senders.Go(c.send)
	}
	return nil
}

// takeFolder takes the folder, if there is one, with what is in it.
func (c *Client) takeFolder() (err error) {
	if c.spool == nil {
		return nil
	}
	if c.lock, err = c.spool.lock(); err != nil {
		return err
	}
	if err := c.recover(); err != nil {
		return errors.Join(err, c.lock.Close())
	}
	return nil
}

// recover finds in the folder what an earlier client left, and takes names for new batches.
func (c *Client) recover() error {
	left, err := c.spool.load()
	if err != nil {
		return err
	}
	for _, p := range left.parcels {
		c.queue.push(p)
		c.stats.Recovered.add(p)
	}
	c.kept = left.last
	c.open.number = left.last + 1
	for _, err := range left.damaged {
		c.stats.Damaged.Batches++
		c.log.Error("a batch of the spool is damaged", "error", err)
	}
	if err := c.names.load(); err != nil {
		return err
	}
	if len(left.parcels) > 0 {
		c.log.Info("batches of an earlier client are sent first", "batches", len(left.parcels), "folder", c.o.Dir)
	}
	return nil
}

// Add adds a flow, of which it keeps nothing but the names' text. A flow that no server would take is
// a *FlowError. Where the spool is full, Options.WhenFull decides: ErrFull, or the oldest batch goes,
// or Add waits. After an error nothing was added.
func (c *Client) Add(f *flow.Flow) error {
	if err := check(f); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.add(f)
}

// AddAll adds flows in their order, and returns how many it added: all of them, unless there is an
// error, which is about the next one.
func (c *Client) AddAll(flows []flow.Flow) (added int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range flows {
		if err := check(&flows[i]); err != nil {
			return i, err
		}
		if err := c.add(&flows[i]); err != nil {
			return i, err
		}
	}
	return len(flows), nil
}

// add adds a flow that check has passed.
func (c *Client) add(f *flow.Flow) error {
	for c.state == running && !c.open.takesMore(&c.o) {
		if c.o.WhenFull == Refuse && !c.room() {
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
	case !c.open.takesMore(&c.o):
		c.handOver()
	case c.open.flows == 1:
		c.open.began = time.Now()
		c.age.Reset(c.oldest)
	}
	return nil
}

// aged hands the open batch to the keeper if it is old enough.
func (c *Client) aged() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open.flows > 0 && time.Since(c.open.began) >= c.oldest {
		c.handOver()
		c.oldest = c.o.BatchAge
	}
}

// handOver lets the keeper take the open batch, if it has flows, and returns the number of the last
// batch that has.
func (c *Client) handOver() (last uint64) {
	if c.open.flows == 0 {
		return c.open.number - 1
	}
	if !c.open.due {
		c.open.due = true
		c.changed.Broadcast()
	}
	return c.open.number
}

// room reports whether the open batch can be kept. One batch always can.
func (c *Client) room() bool {
	return c.queue.len() == 0 || c.queue.bytes+int64(len(c.open.body)) <= c.o.SpoolBytes
}

// Save returns once all flows added before are in the folder, or answered for already. An error says
// that they are not: the folder fails, and they are sent from memory; or, with Refuse, ErrFull. They
// are sent all the same. Without a folder it is ErrNoFolder.
func (c *Client) Save() error {
	if c.spool == nil {
		return ErrNoFolder
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for last := c.handOver(); c.kept < last; c.changed.Wait() {
		switch {
		case c.state == fresh || c.state == stopped:
			return ErrClosed
		case c.state == running && c.o.WhenFull == Refuse && c.open.number <= last && !c.room():
			return ErrFull
		}
	}
	if unsaved := c.queue.unsaved(); unsaved.Batches > 0 {
		return fmt.Errorf("client: %v are in memory alone: %w", unsaved, c.saving)
	}
	return nil
}

// Flush returns once the server has answered for all flows added before: they count, or Stats tells
// what became of them. An error is that of ctx, when that ended before, or ErrClosed.
func (c *Client) Flush(ctx context.Context) error {
	defer context.AfterFunc(ctx, c.wake)()
	c.mu.Lock()
	defer c.mu.Unlock()
	for last := c.handOver(); c.kept < last || c.queue.has(last); c.changed.Wait() {
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("client: flushing: %w", context.Cause(ctx))
		case c.state == fresh || c.state == stopped:
			return ErrClosed
		}
	}
	return nil
}

// Halt begins no more POSTs; those under way are finished. With a folder, Halt and then Close is the
// quick way to end: the rest is left to the next client. Flows may still be added.
func (c *Client) Halt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.halted = true
	c.changed.Broadcast()
}

// Close takes no more flows, sends those that there are until ctx ends, or after Halt until nothing is
// under way, and ends. What is not answered for by then is an *UnsentError; it stays in the folder for
// the next client, or is lost where there is no folder. A second Close returns nil when the first one
// is over.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	was := c.state
	switch was {
	case fresh:
		c.state = stopped
		close(c.ended)
	case running:
		c.state = closing
		c.handOver()
		c.changed.Broadcast()
	}
	c.mu.Unlock()
	if was != running {
		<-c.ended
		return nil
	}
	defer close(c.ended)
	c.keeper.Wait()
	err := c.drain(ctx)
	c.cancel()
	c.senders.Wait()
	c.age.Stop()
	c.gate.stop()
	c.poster.close()
	var unlocking error
	if c.lock != nil {
		unlocking = c.lock.Close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queue.len() > 0 {
		return errors.Join(c.unsent(err), unlocking)
	}
	return unlocking
}

// errHalted is why Close leaves something behind after Halt.
var errHalted = errors.New("halted")

// drain waits until everything is answered for, or as much as there will be, and stops the senders. It
// returns why it waited no longer.
func (c *Client) drain(ctx context.Context) (err error) {
	defer context.AfterFunc(ctx, c.wake)()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.queue.len() > 0 && err == nil {
		switch {
		case ctx.Err() != nil:
			err = context.Cause(ctx)
		case c.halted && !c.queue.busy():
			err = errHalted
		default:
			c.changed.Wait()
		}
	}
	c.state = stopped
	c.changed.Broadcast()
	return err
}

// wake has everybody who waits look again.
func (c *Client) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed.Broadcast()
}
