package query

import (
	"math"
	"math/bits"
	"slices"
	"sync/atomic"

	"flowd/flow"
)

// budget bounds the rows that the workers of a query may hold together.
type budget struct {
	held  atomic.Int64
	limit int
}

func (b *budget) acquire(n int) error {
	if b.held.Add(int64(n)) > int64(b.limit) {
		return &TooManyGroupsError{b.limit}
	}
	return nil
}

// ranking keeps the first rows of an order: all rows, or as many as its limit. It collects up to twice its
// limit and then drops the half that comes last, so each row pushed costs a share of a sort, and each row
// below the threshold a comparison. It belongs to one goroutine.
type ranking struct {
	order  Order
	limit  int // 0 is no limit
	budget *budget
	rows   []flow.Row
	seen   uint64
	full   bool // worst and least are set
	worst  rank
	least  threshold // worst in another form, for orders by bytes
}

// minRoom is the least number of rows that is collected before a sort.
const minRoom = 64

// collect is the sink of a ranking.
func (k *ranking) collect(h flow.Hour, s flow.Scan, c *flow.Chunk, rows []uint32) error {
	k.seen += uint64(len(rows))
	for at := k.next(c, rows, 0, h); at < len(rows); at = k.next(c, rows, at+1, h) {
		i := rows[at]
		key := s.Key(int(i))
		if key == nil {
			return &HourError{h, s.Err()}
		}
		if err := k.push(flow.Row{Key: key, Totals: c.Totals[i], Hour: h}); err != nil {
			return err
		}
	}
	return nil
}

// next returns the index in rows, from at on, of the first row that may be among the first of the order, or
// len(rows) if there is no such row.
func (k *ranking) next(c *flow.Chunk, rows []uint32, at int, h flow.Hour) int {
	if k.full && k.order.By >= ByBytesTx && len(rows) == len(c.Totals) {
		return at + k.least.first(c.Totals[at:])
	}
	for at < len(rows) && !k.reachesThreshold(c.Totals[rows[at]], h) {
		at++
	}
	return at
}

// reachesThreshold reports whether a row with totals t may be among the first rows of the order.
func (k *ranking) reachesThreshold(t flow.Totals, h flow.Hour) bool {
	return !k.full || k.order.rank(t, h).compare(k.worst) >= 0
}

// threshold is the least rank of a row to be pushed, for orders by bytes. Its form lets a scan discard
// nearly all rows of an hour without a branch: the rank of a row is (tx&t.tx + rx&t.rx) ^ flip, of 65 bits.
type threshold struct {
	tx, rx, flip uint64
	hi, lo       uint64
}

func newThreshold(o Order, least rank) threshold {
	t := threshold{hi: uint64(least.hi), lo: least.lo}
	if o.By != ByBytesRx {
		t.tx = math.MaxUint64
	}
	if o.By != ByBytesTx {
		t.rx = math.MaxUint64
	}
	if !o.Descending {
		t.flip = math.MaxUint64
	}
	return t
}

// first returns the index of the first totals that reach the threshold, or len(totals) if none do.
func (t *threshold) first(totals []flow.Totals) int {
	tx, rx, flip, hi, lo := t.tx, t.rx, t.flip, t.hi, t.lo
	for i := range totals {
		sum, carry := bits.Add64(totals[i].BytesTx&tx, totals[i].BytesRx&rx, 0)
		_, less := bits.Sub64(sum^flip, lo, 0)
		if _, less = bits.Sub64(carry^flip&1, hi, less); less == 0 {
			return i
		}
	}
	return len(totals)
}

// push adds a row. It does not count the row as seen.
func (k *ranking) push(row flow.Row) error {
	if k.limit == 0 {
		if err := k.budget.acquire(1); err != nil {
			return err
		}
	} else if len(k.rows) >= max(2*k.limit, minRoom) {
		k.truncate()
	}
	k.rows = append(k.rows, row)
	return nil
}

// truncate sorts the rows, and drops those beyond the limit.
func (k *ranking) truncate() {
	slices.SortFunc(k.rows, func(a, b flow.Row) int { return k.order.compare(&a, &b) })
	if k.limit == 0 || len(k.rows) < k.limit {
		return
	}
	clear(k.rows[k.limit:])
	k.rows = k.rows[:k.limit]
	last := &k.rows[k.limit-1]
	k.full, k.worst = true, k.order.rank(last.Totals, last.Hour)
	k.least = newThreshold(k.order, k.worst)
}

// merged implements flow.Rows over the sorted rows of several rankings of the same order.
type merged struct {
	order Order
	limit int
	lists [][]flow.Row
}

// merge ends rankings of the same order. It returns their rows, and whether there are more than the limit.
func merge(rankings []*ranking) (*merged, bool) {
	m := &merged{order: rankings[0].order, limit: rankings[0].limit}
	seen := uint64(0)
	for _, k := range rankings {
		k.truncate()
		seen += k.seen
		if len(k.rows) > 0 {
			m.lists = append(m.lists, k.rows)
		}
	}
	if m.limit == 0 {
		m.limit = int(seen)
		return m, false
	}
	return m, seen > uint64(m.limit)
}

// Next implements flow.Rows. There are hardly more lists than processors, so it compares the first rows of
// all.
func (m *merged) Next(dst []flow.Row) (n int) {
	for n < len(dst) && m.limit > 0 && len(m.lists) > 0 {
		first := 0
		for i := 1; i < len(m.lists); i++ {
			if m.order.compare(&m.lists[i][0], &m.lists[first][0]) < 0 {
				first = i
			}
		}
		dst[n] = m.lists[first][0]
		n++
		m.limit--
		if m.lists[first] = m.lists[first][1:]; len(m.lists[first]) == 0 {
			m.lists = slices.Delete(m.lists, first, first+1)
		}
	}
	return n
}

// Err implements flow.Rows.
func (m *merged) Err() error { return nil }

// Close implements flow.Rows.
func (m *merged) Close() { m.lists = nil }
