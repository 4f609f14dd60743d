package shard

import (
	"cmp"
	"slices"
	"sync"

	"flowd/flow"
)

// scatter sends ask to the goroutine of every shard. What it returns has been waited for when all
// have run it.
func (t *Table) scatter(ask func(i int, s *shard)) *sync.WaitGroup {
	answered := new(sync.WaitGroup)
	answered.Add(len(t.shards))
	for i, s := range t.shards {
		s.in <- message{ask: func(s *shard) {
			ask(i, s)
			answered.Done()
		}}
	}
	return answered
}

// Answer is a question for the rows of an hour that is on its way. Rows must be called on it.
type Answer struct {
	answered *sync.WaitGroup
	parts    []*snapshot
	partial  bool
}

// Ask asks all shards for hour h, and waits at most until the question is in their queues. The
// answer has what was sent before, and nothing that is sent later.
func (t *Table) Ask(h flow.Hour) *Answer {
	a := &Answer{parts: make([]*snapshot, len(t.shards))}
	a.answered = t.scatter(func(i int, s *shard) {
		a.parts[i] = s.snapshot(h)
		if i == 0 {
			a.partial = s.isPartial(h)
		}
	})
	return a
}

// Rows waits for the answer and returns the rows, in no particular order. It must be called
// once, and what it returns be closed. If partial is true there is a block of the hour on disk as of
// when Ask was called, and the rows are to be added to its rows (Overlay).
func (a *Answer) Rows() (rs flow.Rows, partial bool) {
	a.answered.Wait()
	return newRows(a.parts), a.partial
}

// Rows returns the rows that are in memory of hour h as of now, in no particular order.
func (t *Table) Rows(h flow.Hour) flow.Rows {
	rs, _ := t.Ask(h).Rows()
	return rs
}

// rows reads one snapshot after the other.
type rows struct{ parts []*snapshot }

// newRows returns the rows of those parts that are not nil.
func newRows(parts []*snapshot) *rows {
	return &rows{slices.DeleteFunc(parts, func(s *snapshot) bool { return s == nil })}
}

// Next implements flow.Rows.
func (r *rows) Next(dst []flow.Row) (n int) {
	for n < len(dst) && len(r.parts) > 0 {
		n += r.parts[0].read(dst[n:])
		if n < len(dst) {
			r.parts[0].close()
			r.parts = r.parts[1:]
		}
	}
	return n
}

// Err implements flow.Rows: reading memory does not fail.
func (r *rows) Err() error { return nil }

// Close implements flow.Rows.
func (r *rows) Close() {
	for _, s := range r.parts {
		s.close()
	}
	r.parts = nil
}

// MemoryHour is what memory holds of an hour: all of it or, if Partial is true, what came for it since its
// block on disk was written. Tuples then counts tuples of the block again that have come again.
type MemoryHour struct {
	flow.HourTotals
	// Saturated counts additions to tuples that would have passed 2^64-1, where a total stays. It
	// may miss some where Totals have themselves come to 2^64-1, and only there.
	Saturated uint64
	Partial   bool
}

func compareHours(a, b *MemoryHour) int { return cmp.Compare(a.Hour, b.Hour) }

// add adds what another shard holds of the same hour.
func (h *MemoryHour) add(other *MemoryHour) {
	h.Tuples += other.Tuples
	h.Flows += other.Flows
	h.Saturated += other.Saturated
	h.Totals.Add(other.Totals)
}

// HoursAnswer is a question for the hours in memory that is on its way.
type HoursAnswer struct {
	answered *sync.WaitGroup
	parts    [][]MemoryHour
}

// AskHours asks all shards for the hours that they hold, and waits at most until the question is in
// their queues.
func (t *Table) AskHours() *HoursAnswer {
	a := &HoursAnswer{parts: make([][]MemoryHour, len(t.shards))}
	a.answered = t.scatter(func(i int, s *shard) { a.parts[i] = s.summary() })
	return a
}

// Hours waits for the answer and returns the hours of which there is something in memory, in
// ascending order. It must be called at most once.
func (a *HoursAnswer) Hours() []MemoryHour {
	a.answered.Wait()
	all := slices.Concat(a.parts...)
	slices.SortFunc(all, func(a, b MemoryHour) int { return compareHours(&a, &b) })
	merged := all[:0]
	for i := range all {
		if last := len(merged) - 1; last >= 0 && merged[last].Hour == all[i].Hour {
			merged[last].add(&all[i])
			continue
		}
		merged = append(merged, all[i])
	}
	return merged
}

// Hours returns the hours that are in memory and their sums, in ascending order.
func (t *Table) Hours() []flow.HourTotals {
	parts := t.AskHours().Hours()
	all := make([]flow.HourTotals, len(parts))
	for i := range parts {
		all[i] = parts[i].HourTotals
	}
	return all
}
