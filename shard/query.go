package shard

import (
	"cmp"
	"slices"
	"sync"

	"flowd/flow"
)

// gather runs ask in the goroutine of every shard, and returns when all have answered.
func (t *Table) gather(ask func(i int, s *shard)) {
	var answered sync.WaitGroup
	answered.Add(len(t.shards))
	for i, s := range t.shards {
		s.in <- message{ask: func(s *shard) {
			ask(i, s)
			answered.Done()
		}}
	}
	answered.Wait()
}

// Rows returns the rows of hour h as of now, in no particular order.
func (t *Table) Rows(h flow.Hour) flow.Rows {
	parts := make([]*snapshot, len(t.shards))
	t.gather(func(i int, s *shard) {
		if h := s.hours[h]; h != nil {
			parts[i] = h.snapshot(s.dict.keys)
		}
	})
	parts = slices.DeleteFunc(parts, func(s *snapshot) bool { return s == nil })
	return &rows{parts: parts}
}

// rows reads one snapshot after the other.
type rows struct{ parts []*snapshot }

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

func (r *rows) Close() {
	for _, s := range r.parts {
		s.close()
	}
	r.parts = nil
}

// Hours returns what hours there are, in ascending order.
func (t *Table) Hours() []flow.HourTotals {
	parts := make([][]flow.HourTotals, len(t.shards))
	t.gather(func(i int, s *shard) {
		for _, h := range s.hours {
			parts[i] = append(parts[i], flow.HourTotals{Hour: h.label, Tuples: h.tuples, Flows: h.flows, Totals: h.totals})
		}
	})
	all := slices.Concat(parts...)
	slices.SortFunc(all, func(a, b flow.HourTotals) int { return cmp.Compare(a.Hour, b.Hour) })
	merged := all[:0]
	for _, h := range all {
		if last := len(merged) - 1; last >= 0 && merged[last].Hour == h.Hour {
			merged[last].Tuples += h.Tuples
			merged[last].Flows += h.Flows
			plus(&merged[last].Totals, h.Totals)
			continue
		}
		merged = append(merged, h)
	}
	return merged
}
