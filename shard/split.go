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

	shards []uint16 // of each flow, while it is divided
}

// divide sorts the flows of b by shard (a counting sort) and returns how many shards have some.
func (s *split) divide(b *flow.Batch) (parts int32) {
	s.batch = b
	if n := b.Len(); cap(s.order) < n {
		s.order, s.shards = make([]uint32, n), make([]uint16, n)
	}
	s.order, s.shards = s.order[:b.Len()], s.shards[:b.Len()]
	clear(s.ends)
	mask := uint64(len(s.ends) - 1)
	for i := range b.Items {
		to := b.Hash(&b.Items[i]) & mask
		s.shards[i] = uint16(to)
		s.ends[to]++
	}
	from := uint32(0)
	for i, n := range s.ends {
		s.ends[i] = from
		from += n
		parts += int32(min(n, 1))
	}
	for i, to := range s.shards {
		s.order[s.ends[to]] = uint32(i)
		s.ends[to]++
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
