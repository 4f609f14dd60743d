package shard

import (
	"sync/atomic"

	"flowd/flow"
)

// Split is a batch on its way through the shards: the numbers of its flows, sorted by shard. The
// shards share it, read only, and the last one gives it back.
type Split struct {
	table *Table
	batch *flow.Batch
	order []uint32
	ends  []uint32 // where the part of each shard ends in order
	left  atomic.Int32
	bytes int64 // of batch

	shards []uint16 // of each flow, while it is divided
}

// Divide prepares b to be sent, which is the costly half of Append: any goroutine may do it, in
// any order. It owns b from here on. What it returns goes back by either Send or Discard.
func (t *Table) Divide(b *flow.Batch) *Split {
	s := t.splits.Get().(*Split)
	s.left.Store(s.divide(b))
	s.bytes = int64(b.Size())
	t.memory.flight.Add(s.bytes)
	return s
}

// Send hands s over to be added up, and owns it from here on. Every Ask, AskHours and Freeze that
// begins after Send returned counts all of its flows; one that runs meanwhile may count those of
// some shards, so who minds keeps them apart. It waits for nothing but, at most, questions that
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
func (s *Split) done() {
	if s.left.Add(-1) == 0 {
		s.table.Discard(s)
	}
}
