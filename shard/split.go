package shard

import (
	"sync/atomic"

	"flowd/flow"
)

// split is a batch on its way through the shards: the numbers of its flows, sorted by shard. The
// shards share it, read only, and the last one gives it back.
type split struct {
	table *Table
	batch *flow.Batch
	order []uint32
	ends  []uint32 // where the part of each shard ends in order
	left  atomic.Int32
}

// divide sorts the flows of b by shard (a counting sort) and returns how many shards have some.
func (s *split) divide(b *flow.Batch, shards int) (parts int32) {
	s.batch = b
	if cap(s.order) < b.Len() {
		s.order = make([]uint32, b.Len())
	}
	s.order = s.order[:b.Len()]
	mask := uint64(shards - 1)
	clear(s.ends)
	for i := range b.Items {
		s.ends[b.Items[i].Hash&mask]++
	}
	from := uint32(0)
	for i, n := range s.ends {
		s.ends[i] = from
		from += n
		parts += int32(min(n, 1))
	}
	for i := range b.Items {
		at := &s.ends[b.Items[i].Hash&mask]
		s.order[*at] = uint32(i)
		*at++
	}
	return parts
}

// done is called by each shard that has applied its part.
func (s *split) done() {
	if s.left.Add(-1) == 0 {
		t := s.table
		t.Release(s.batch)
		s.batch = nil
		t.splits.Put(s)
	}
}
