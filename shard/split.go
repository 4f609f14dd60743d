package shard

import (
	"sync/atomic"

	"flowd/flow"
)

// Split is a batch on its way through the shards: the numbers of its flows with the hashes of
// their tuples, sorted by shard. The shards share it, read only, and the last one gives it back.
type Split struct {
	table  *Table
	batch  *flow.Batch
	order  []uint32
	hashes []uint64 // of the tuples, in that order
	ends   []uint32 // where the slice of each shard ends in both
	left   atomic.Int32
	bytes  int64 // of batch

	unsorted []uint64 // the hashes, while it is divided
}

func (t *Table) newSplit() *Split { return &Split{table: t, ends: make([]uint32, len(t.shards))} }

// size returns the bytes that s keeps allocated beside the batch.
func (s *Split) size() int { return 4*cap(s.order) + 8*cap(s.hashes) + 8*cap(s.unsorted) }

// slice returns what shard i has of order and hashes.
func (s *Split) slice(i int) (order []uint32, hashes []uint64) {
	from, to := uint32(0), s.ends[i]
	if i > 0 {
		from = s.ends[i-1]
	}
	return s.order[from:to], s.hashes[from:to]
}

// Divide prepares b to be sent, which is the costly half of Append: any goroutine may do it, in
// any order. It owns b from here on. What it returns goes back by either Send or Discard.
func (t *Table) Divide(b *flow.Batch) *Split {
	s := t.splits.Get().(*Split)
	s.left.Store(s.divide(b))
	s.bytes = int64(b.Size() + s.size())
	t.memory.flight.Add(s.bytes)
	return s
}

// Send hands s over to be added up, and owns it from here on. Every Ask, AskHours and Freeze that
// begins after Send returned counts all of its flows; one that runs at the same time may count those of some
// shards only, so callers that need whole batches must serialise them with Send. It waits for nothing but, at most, questions that
// are already in the queues.
func (t *Table) Send(s *Split) {
	parts := s.left.Load()
	if parts == 0 {
		t.Discard(s)
		return
	}
	from := uint32(0)
	for i, to := range s.ends {
		if from < to {
			t.shards[i].in <- message{split: s, from: from, to: to}
			if parts--; parts == 0 {
				return // the shards may have given s back by now
			}
		}
		from = to
	}
}

// Discard gives a divided batch back that will not be sent.
func (t *Table) Discard(s *Split) {
	t.memory.flight.Add(-s.bytes)
	t.Release(s.batch)
	s.batch = nil
	t.splits.Put(s)
}

// Batch returns what was divided. It belongs to s.
func (s *Split) Batch() *flow.Batch { return s.batch }

// Fold folds flows of the batch, by their numbers, and divides it anew.
func (s *Split) Fold(numbers []uint32) {
	s.batch.Fold(numbers)
	s.left.Store(s.divide(s.batch))
}

// Append hands b over to be added up, and owns it from here on: it is Divide and Send.
func (t *Table) Append(b *flow.Batch) { t.Send(t.Divide(b)) }

// divide sorts the flows of b by shard (a counting sort) and returns how many shards have some.
func (s *Split) divide(b *flow.Batch) (parts int32) {
	s.batch = b
	n := b.Len()
	if cap(s.order) < n {
		s.order, s.hashes, s.unsorted = make([]uint32, n), make([]uint64, n), make([]uint64, n)
	}
	s.order, s.hashes, s.unsorted = s.order[:n], s.hashes[:n], s.unsorted[:n]
	s.table.hasher.batch(b, s.unsorted)
	clear(s.ends)
	shards := uint64(len(s.ends))
	for _, hash := range s.unsorted {
		s.ends[shardOf(hash, shards)]++
	}
	from := uint32(0)
	for i, n := range s.ends {
		s.ends[i] = from
		from += n
		parts += int32(min(n, 1))
	}
	for i, hash := range s.unsorted {
		end := &s.ends[shardOf(hash, shards)]
		s.order[*end], s.hashes[*end] = uint32(i), hash
		*end++
	}
	return parts
}

// done is called by each shard that has applied its slice.
func (s *Split) done() {
	if s.left.Add(-1) == 0 {
		s.table.Discard(s)
	}
}
