package shard

import "sync/atomic"

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
