package query

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"slices"

	"flowd/flow"
)

// Hours are those from From up to, not including, To; at most flow.MaxHour+1.
type Hours struct{ From, To flow.Hour }

// DiffQuery asks what changed between two ranges of hours.
type DiffQuery struct {
	Before, After Hours
	Match         [flow.FieldCount]Match
	GroupBy       flow.Fields
	Order         DiffOrder
	Limit         int // 0 is no limit
}

// DiffOrder is how rows are sorted. Rows that are equal come by their names.
type DiffOrder uint8

// LargestFirst is by the difference in either direction, the others by its sign: what grew most
// first, or what shrank most.
const (
	LargestFirst DiffOrder = iota
	GrownFirst
	ShrunkFirst
)

// DiffRow is what became of a tuple or a group. Rows whose bytes are the same in both are left out.
type DiffRow struct {
	// Key has one zero byte in the place of each name that is summed over.
	Key           flow.Key
	Before, After flow.Totals
	// New and Gone say that it was not there before, or is not any more.
	New, Gone bool
}

// Difference returns bytes after less bytes before, both ways together, as its sign and its amount.
func (r *DiffRow) Difference() (negative bool, amount flow.Sum) {
	before, after := both(r.Before), both(r.After)
	if compareSums(after, before) < 0 {
		before.Sub(after)
		return true, before
	}
	after.Sub(before)
	return false, after
}

// Change is "new", "gone", "grown", "shrunk", or "shifted" where only the shares of both ways changed.
func (r *DiffRow) Change() string {
	negative, amount := r.Difference()
	switch {
	case r.New:
		return "new"
	case r.Gone:
		return "gone"
	case amount == flow.Sum{}:
		return "shifted"
	case negative:
		return "shrunk"
	}
	return "grown"
}

// both returns the bytes of both ways together.
func both(t flow.Totals) flow.Sum {
	sum := flow.Sum{Lo: t.BytesTx}
	sum.Add(t.BytesRx)
	return sum
}

func compareSums(a, b flow.Sum) int { return cmp.Or(cmp.Compare(a.Hi, b.Hi), cmp.Compare(a.Lo, b.Lo)) }

// compare is negative if a comes before b.
func (o DiffOrder) compare(a, b *DiffRow) int {
	negativeA, amountA := a.Difference()
	negativeB, amountB := b.Difference()
	c := 0
	switch {
	case o == LargestFirst:
		c = compareSums(amountB, amountA)
	case negativeA != negativeB && negativeA:
		c = 1
	case negativeA != negativeB:
		c = -1
	case negativeA:
		c = compareSums(amountA, amountB)
	default:
		c = compareSums(amountB, amountA)
	}
	if o == ShrunkFirst {
		c = -c
	}
	return cmp.Or(c, compareKeys(a.Key, b.Key))
}

// Diff answers q. It holds the groups of both ranges, each at most o.MaxGroups. Errors are those of
// Result.Err.
func Diff(src Source, q *DiffQuery, o Options) (rows []DiffRow, truncated bool, err error) {
	by := grouping{q.Match, q.GroupBy, maphash.MakeSeed()}
	var sums [2]*groups
	for i, hours := range [...]Hours{q.Before, q.After} {
		labels, err := src.Labels(hours.From, hours.To)
		if err != nil {
			return nil, false, err
		}
		if sums[i], err = sumOver(src, by, labels, o); err != nil {
			return nil, false, err
		}
	}
	rows = changes(sums[0], sums[1])
	slices.SortFunc(rows, func(a, b DiffRow) int { return q.Order.compare(&a, &b) })
	rows, truncated = cutTo(rows, q.Limit)
	return rows, truncated, nil
}

// changes returns the rows that are not the same in both.
func changes(before, after *groups) (rows []DiffRow) {
	met := make([]bool, len(before.entries))
	for i := range after.entries {
		e := &after.entries[i]
		row := DiffRow{After: e.totals}
		if at, known := before.find(e.subject, e.hash); known {
			met[at] = true
			row.Before = before.entries[at].totals
			if row.Before == row.After {
				continue
			}
		} else {
			row.New = true
		}
		row.Key = after.row(e, 0).Key
		rows = append(rows, row)
	}
	for i := range before.entries {
		if e := &before.entries[i]; !met[i] {
			rows = append(rows, DiffRow{Key: before.row(e, 0).Key, Before: e.totals, Gone: true})
		}
	}
	return rows
}

// cutTo cuts rows off after limit, if that is not 0.
func cutTo[T any](rows []T, limit int) (_ []T, truncated bool) {
	if limit == 0 || len(rows) <= limit {
		return rows, false
	}
	return rows[:limit], true
}

// compareKeys compares keys by their names.
func compareKeys(a, b flow.Key) int {
	srcA, destA, vpcA := a.Names()
	srcB, destB, vpcB := b.Names()
	return cmp.Or(bytes.Compare(srcA, srcB), bytes.Compare(destA, destB), bytes.Compare(vpcA, vpcB))
}
