package shard

import (
	"sync"

	"flowd/flow"
)

// FindAnswer is a question for some tuples of an hour that is on its way. Rows must be called on it.
type FindAnswer struct {
	answered *sync.WaitGroup
	parts    [][]flow.Row
	partial  bool
}

// AskFor asks the shards for those of the tuples that they have in hour h, as Ask does for all. It
// takes a look-up for each, however large the hour is.
func (t *Table) AskFor(h flow.Hour, tuples []flow.Key) *FindAnswer {
	var keys flow.Batch
	for _, key := range tuples {
		addKey(&keys, key)
	}
	split := t.newSplit()
	split.divide(&keys)
	a := &FindAnswer{parts: make([][]flow.Row, len(t.shards))}
	a.answered = t.scatter(func(i int, s *shard) {
		order, hashes := split.slice(i)
		a.parts[i] = s.find(h, &keys, order, hashes)
		if i == 0 {
			a.partial = s.isPartial(h)
		}
	})
	return a
}

// Rows waits for the answer and returns the rows, in no particular order. If partial is true there is a
// block of the hour on disk as of when AskFor was called, which may have more of the same tuples.
func (a *FindAnswer) Rows() (rows []flow.Row, partial bool) {
	a.answered.Wait()
	for _, p := range a.parts {
		rows = append(rows, p...)
	}
	return rows, a.partial
}

// find returns the rows of the items of keys that order names, whose hashes are given.
func (s *shard) find(label flow.Hour, keys *flow.Batch, order []uint32, hashes []uint64) (rows []flow.Row) {
	h := s.hours[label]
	frozen := s.frozen[label]
	if h == nil {
		h, frozen = frozen, nil
	}
	if h == nil || len(order) == 0 {
		return nil
	}
	ids := make([]uint32, len(order))
	h.dict.lookUp(keys, order, hashes, ids)
	for _, id := range ids {
		if id == noID {
			continue
		}
		totals, known := h.column().at(id)
		if frozen != nil {
			more, also := frozen.column().at(id)
			totals.Add(more)
			known = known || also
		}
		if known {
			rows = append(rows, flow.Row{Key: h.dict.key(id), Totals: totals, Hour: label})
		}
	}
	return rows
}
