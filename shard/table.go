// Package shard adds flows up. A Table hashes tuples onto shards; each shard is one goroutine
// that owns its tuples and their totals and shares them with nobody, so the path of the data
// has no locks: batches and questions reach a shard through one channel, in order.
package shard

import (
	"time"

	"flowd/flow"
)

// Options sets a Table up. The zero value is a table of this machine's size.
type Options struct {
	// Shards is the number of shards, a power of two. Zero means one per CPU, rounded up.
	Shards int
	// Batches bounds how many batches may be out at once: being filled by their callers, or
	// waiting for a shard. Zero means 32 per shard.
	Batches int
}

// Table is the totals of all tuples in all hours.
type Table struct{}

// New returns a table that is not running yet.
func New(o Options) (*Table, error) { panic("being written") }

// Start starts the shards.
func (t *Table) Start() { panic("being written") }

// Close applies what was appended, then ends the shards. Nothing may be appended or asked
// after it was called, or still be under way.
func (t *Table) Close() { panic("being written") }

// Acquire lends an empty batch to fill, and waits up to wait for one to come free. It returns
// nil if none did: the table is over its load, and the caller should say so. A batch goes back
// by Append or Release.
func (t *Table) Acquire(wait time.Duration) *flow.Batch { panic("being written") }

// Release takes back a batch that will not be appended.
func (t *Table) Release(b *flow.Batch) { panic("being written") }

// Append hands b over to be added up, and owns it from here on. Every Rows and Hours that
// starts after Append returned counts b's flows.
func (t *Table) Append(b *flow.Batch) { panic("being written") }

// Rows returns the rows of hour h as of now, in no particular order.
func (t *Table) Rows(h flow.Hour) flow.Rows { panic("being written") }

// Hours returns what hours there are, in ascending order.
func (t *Table) Hours() []flow.HourTotals { panic("being written") }

// Stats is what a shard looks like from outside, for metrics.
type Stats struct {
	// Queue is the number of messages that wait for the shard.
	Queue int
	// Tuples and Hours are what the shard holds: distinct tuples, and hours.
	Tuples, Hours uint64
	// Bytes is the memory of both.
	Bytes uint64
	// Flows counts the flows added up since the start.
	Flows uint64
	// Saturated counts totals that reached 2^64-1 and stay there.
	Saturated uint64
}

// Stats returns one Stats for each shard, without asking the shards: the figures may lag a
// batch behind each other.
func (t *Table) Stats() []Stats { panic("being written") }
