// Package shard adds flows up. A Table hashes tuples onto shards; each shard is one goroutine
// that owns its tuples and their totals and shares them with no other goroutine, so the path of the data
// has no locks: batches and questions reach a shard through one channel, in order.
package shard

import (
	"fmt"
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"flowd/flow"
)

// MaxShards is the most shards that a table may have.
const MaxShards = 1024

// Options sets a Table up. The zero value is a table of this machine's size.
type Options struct {
	// Shards is the number of shards, a power of two up to MaxShards. Zero means one per CPU,
	// rounded up.
	Shards int
	// Batches bounds how many batches may be out at once: being filled by their callers, or
	// waiting for a shard. Zero means 32 per shard.
	Batches int
}

// Table is the totals of all tuples in all hours. Its methods but SetOnDisk, Start and Close may be
// called from any goroutine. Send, Ask, AskHours, Freeze, Install and Restore put a message in the
// queue of every shard it concerns, and do not wait for its outcome. Of two that run at once
// some shards may have one first and some the other. Callers that need a consistent view must serialise the
// calls, which is why waiting is left to what they return.
type Table struct {
	shards  []*shard
	running sync.WaitGroup

	tickets chan struct{} // one for each batch that is out
	batches sync.Pool     // of *flow.Batch
	splits  sync.Pool     // of *Split

	freezing atomic.Bool // a Frozen has not ended, so onDisk is not to change
	onDisk   hourSet     // hours with a block on disk that is not in memory
	limits   limits
	bounds   atomic.Pointer[Bounds]
	memory   tableMemory
	hasher   hasher
}

// limits are the numbers from which on what is large is treated as such. They are constants but
// for tests.
type limits struct {
	renew uint32 // a dict with more tuples may be replaced
	move  uint64 // so many tuples are moved to another dict at once
	few   uint64 // so many tuples are copied to be overlaid
	step  int    // so many hours are frozen at once
	names int    // so many names of a field are numbered
	tally int    // so many tuples are counted by VPC at once
}

// New returns a table that is not running yet.
func New(o Options) (*Table, error) { return newTable(o, newHasher()) }

func newTable(o Options, h hasher) (*Table, error) {
	if o.Shards == 0 {
		o.Shards = 1 << bits.Len(uint(min(runtime.GOMAXPROCS(0), MaxShards)-1))
	}
	if o.Shards < 0 || o.Shards > MaxShards || o.Shards&(o.Shards-1) != 0 {
		return nil, fmt.Errorf("shard: %d shards: a power of two from 1 to %d is required", o.Shards, MaxShards)
	}
	if o.Batches == 0 {
		o.Batches = 32 * o.Shards
	}
	if o.Batches < 1 {
		return nil, fmt.Errorf("shard: %d batches: at least 1 is required", o.Batches)
	}
	t := &Table{tickets: make(chan struct{}, o.Batches), limits: limits{renewTuples, moveTuples, overlayFew, barrierStep, namesMost, tallyStep}, hasher: h}
	t.batches.New = func() any { return new(flow.Batch) }
	t.splits.New = func() any { return t.newSplit() }
	t.bounds.Store(new(Bounds))
	for i := range o.Shards {
		t.shards = append(t.shards, newShard(i, o.Batches, h, t))
	}
	return t, nil
}

// Start starts the shards.
func (t *Table) Start() {
	for _, s := range t.shards {
		t.running.Go(s.run)
	}
}

// Close applies what was appended, then ends the shards. Nothing may be appended or asked
// after it was called, or still be under way.
func (t *Table) Close() {
	for _, s := range t.shards {
		close(s.in)
	}
	t.running.Wait()
}

// keepSize is the largest batch, in bytes, that is kept for the next use.
const keepSize = 4 << 20

// Acquire returns an empty batch from the pool to be filled, and waits up to wait for one to come free. It
// returns nil if none did: more comes in than the shards can add up, and the caller should say so. A
// batch returns to the pool by Append or Release.
func (t *Table) Acquire(wait time.Duration) *flow.Batch {
	select {
	case t.tickets <- struct{}{}:
		return t.batches.Get().(*flow.Batch)
	default:
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case t.tickets <- struct{}{}:
		return t.batches.Get().(*flow.Batch)
	case <-timer.C:
		return nil
	}
}

// Places returns the number of batches that callers can hold at once.
func (t *Table) Places() int { return cap(t.tickets) }

// Out returns the number of batches that callers hold, or that are still to be added up.
func (t *Table) Out() int { return len(t.tickets) }

// Release returns a batch to the pool that will not be appended.
func (t *Table) Release(b *flow.Batch) {
	if b.Size() <= keepSize {
		b.Reset()
		t.batches.Put(b)
	}
	<-t.tickets
}

// Stats is what a shard looks like from outside, for metrics.
type Stats struct {
	// Queue is the number of messages that wait for the shard.
	Queue int
	// Tuples and Hours are what the shard holds: tuples, counted once in each dictionary, of which
	// there may be several for a while, and hours.
	Tuples, Hours uint64
	// Bytes is the memory of both, and of the numbers that questions have given to names. What is kept
	// for the reader of one answer is not in it.
	Bytes uint64
	// Flows counts the flows added up since the start.
	Flows uint64
	// Saturated counts additions that would have passed 2^64-1, where a total stays.
	Saturated uint64
	// Frozen counts those of Hours that a checkpoint is taking out of memory.
	Frozen uint64
	// Dictionaries counts the shard's dictionaries of tuples.
	Dictionaries uint64
}

// Stats returns one Stats for each shard, without asking the shards: the figures may lag a
// batch behind each other.
func (t *Table) Stats() []Stats {
	all := make([]Stats, len(t.shards))
	for i, s := range t.shards {
		p := &s.stats
		all[i] = Stats{
			Queue:  len(s.in),
			Tuples: p.tuples.Load(), Hours: p.hours.Load(), Bytes: p.bytes.Load(),
			Flows: p.flows.Load(), Saturated: p.saturated.Load(),
			Frozen: p.frozen.Load(), Dictionaries: p.dicts.Load(),
		}
	}
	return all
}

// tableMemory is what a table takes, as its shards and handlers note it.
type tableMemory struct {
	shards, flight atomic.Int64 // bytes
	short          atomic.Bool
}

// Bytes returns the memory of the shards, as Stats does of each of them. It costs an atomic load.
func (t *Table) Bytes() int64 { return t.memory.shards.Load() }

// Flight returns the memory of the batches that were divided and are not yet added up. It costs an
// atomic load.
func (t *Table) Flight() int64 { return t.memory.flight.Load() }

// SetShort tells the shards whether memory is short. If it is, they take more time to give back what
// a checkpoint has taken out of memory.
func (t *Table) SetShort(short bool) { t.memory.short.Store(short) }
