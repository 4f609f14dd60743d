package query

import (
	"math"
	"math/bits"
	"slices"
	"sync/atomic"

	"flowd/flow"
)

// budget is how many rows the workers of a question may hold together.
type budget struct {
	held  atomic.Int64
	limit int
}

func (b *budget) take(n int) error {
	if b.held.Add(int64(n)) > int64(b.limit) {
		return &TooManyGroupsError{b.limit}
	}
	return nil
}

// ranking keeps the rows that come first in an order: all of them, or as many as its limit. It
// gathers up to twice its limit and then drops the half that is not wanted, which costs each row that
// is let in a share of a sort, and those that are not a comparison. It belongs to one goroutine.
type ranking struct {
	order  Order
	limit  int // 0 is none
	budget *budget
	rows   []flow.Row
	seen   uint64
	full   bool // worst is the last of limit rows
	worst  rank
	bar    bar // of worst, in an order by bytes
}

// minRoom is the least that is gathered before a sort.
const minRoom = 64

// take is the sink of a ranking.
func (k *ranking) take(h flow.Hour, s flow.Scan, c *flow.Chunk, rows []uint32) error {
	k.seen += uint64(len(rows))
	for at := k.next(c, rows, 0, h); at < len(rows); at = k.next(c, rows, at+1, h) {
		i := rows[at]
		key := s.Key(int(i))
		if key == nil {
			return &HourError{h, s.Err()}
		}
		if err := k.offer(flow.Row{Key: key, Totals: c.Totals[i], Hour: h}); err != nil {
			return err
		}
	}
	return nil
}

// next returns the place in rows, from at on, of the first row that may be among the first of the order;
// len(rows) if there is none.
func (k *ranking) next(c *flow.Chunk, rows []uint32, at int, h flow.Hour) int {
	if k.full && k.order.By >= ByBytesTx && len(rows) == len(c.Totals) {
		return at + k.bar.first(c.Totals[at:])
	}
	for at < len(rows) && !k.admits(c.Totals[rows[at]], h) {
		at++
	}
	return at
}

// admits reports whether a row with totals t may be among the first.
func (k *ranking) admits(t flow.Totals, h flow.Hour) bool {
	return !k.full || k.order.rank(t, h).compare(k.worst) >= 0
}

// bar is the least rank that rows by bytes must have, in the form in which nearly all of an hour are
// found to have less: a row's rank is (tx&bar.tx + rx&bar.rx) ^ flip, of 65 bits, without a branch.
type bar struct {
	tx, rx, flip uint64
	hi, lo       uint64
}

func newBar(o Order, least rank) bar {
	b := bar{hi: uint64(least.hi), lo: least.lo}
	if o.By != ByBytesRx {
		b.tx = math.MaxUint64
	}
	if o.By != ByBytesTx {
		b.rx = math.MaxUint64
	}
	if !o.Descending {
		b.flip = math.MaxUint64
	}
	return b
}

// first returns the index of the first totals that reach the bar; len(totals) if none do.
func (b *bar) first(totals []flow.Totals) int {
	tx, rx, flip, hi, lo := b.tx, b.rx, b.flip, b.hi, b.lo
	for i := range totals {
		sum, carry := bits.Add64(totals[i].BytesTx&tx, totals[i].BytesRx&rx, 0)
		_, less := bits.Sub64(sum^flip, lo, 0)
		if _, less = bits.Sub64(carry^flip&1, hi, less); less == 0 {
			return i
		}
	}
	return len(totals)
}

// offer adds a row. It does not count it as seen.
func (k *ranking) offer(row flow.Row) error {
	if k.limit == 0 {
		if err := k.budget.take(1); err != nil {
			return err
		}
	} else if len(k.rows) >= max(2*k.limit, minRoom) {
		k.cut()
	}
	k.rows = append(k.rows, row)
	return nil
}

// cut sorts the rows, and drops what is over the limit.
func (k *ranking) cut() {
	slices.SortFunc(k.rows, func(a, b flow.Row) int { return k.order.compare(&a, &b) })
	if k.limit == 0 || len(k.rows) < k.limit {
		return
	}
	clear(k.rows[k.limit:])
	k.rows = k.rows[:k.limit]
	last := &k.rows[k.limit-1]
	k.full, k.worst = true, k.order.rank(last.Totals, last.Hour)
	k.bar = newBar(k.order, k.worst)
}

// merged is the rows of several rankings of the same order, sorted, as flow.Rows.
type merged struct {
	order Order
	limit int
	parts [][]flow.Row
}

// merge ends rankings of the same order. It returns their rows, and whether some are over the limit.
func merge(rankings []*ranking) (*merged, bool) {
	m := &merged{order: rankings[0].order, limit: rankings[0].limit}
	seen := uint64(0)
	for _, k := range rankings {
		k.cut()
		seen += k.seen
		if len(k.rows) > 0 {
			m.parts = append(m.parts, k.rows)
		}
	}
	if m.limit == 0 {
		m.limit = int(seen)
		return m, false
	}
	return m, seen > uint64(m.limit)
}

// Next implements flow.Rows. There are hardly more parts than processors, so all are looked at.
func (m *merged) Next(dst []flow.Row) (n int) {
	for n < len(dst) && m.limit > 0 && len(m.parts) > 0 {
		first := 0
		for i := 1; i < len(m.parts); i++ {
			if m.order.compare(&m.parts[i][0], &m.parts[first][0]) < 0 {
				first = i
			}
		}
		dst[n] = m.parts[first][0]
		n++
		m.limit--
		if m.parts[first] = m.parts[first][1:]; len(m.parts[first]) == 0 {
			m.parts = slices.Delete(m.parts, first, first+1)
		}
	}
	return n
}

// Err implements flow.Rows.
func (m *merged) Err() error { return nil }

// Close implements flow.Rows.
func (m *merged) Close() { m.parts = nil }
