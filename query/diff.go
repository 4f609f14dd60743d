package query

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"slices"

	"flowd/flow"
)

// Hours is the range from From to To, To excluded; at most flow.MaxHour+1.
type Hours struct{ From, To flow.Hour }

// DiffQuery asks for the changes between two ranges of hours.
type DiffQuery struct {
	Before, After Hours
	Match         [flow.FieldCount]Match
	GroupBy       flow.Fields
	Order         DiffOrder
	Limit         int // 0 is no limit
}

// DiffOrder is the order of rows. Rows that are equal in it are sorted by their names.
type DiffOrder uint8

// LargestFirst sorts by the amount of the difference, the others by its sign too: the largest growth first,
// or the largest decrease.
const (
	LargestFirst DiffOrder = iota
	GrownFirst
	ShrunkFirst
)

// DiffRow is the change of a tuple or a group. Rows with the same bytes in both ranges are left out.
type DiffRow struct {
	// Key has one zero byte in the place of each name that is aggregated away.
	Key           flow.Key
	Before, After flow.Totals
	// New and Gone tell that it exists only in After, or only in Before.
	New, Gone bool
}

// Difference returns the bytes of After minus those of Before, both directions together, as sign and
// amount.
func (r *DiffRow) Difference() (negative bool, amount flow.Sum) {
	before, after := both(r.Before), both(r.After)
	if compareSums(after, before) < 0 {
		before.Sub(after)
		return true, before
	}
	after.Sub(before)
	return false, after
}

// Change returns "new", "gone", "grown" or "shrunk", or "shifted" if only the shares of the directions
// changed.
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

// both returns the bytes of both directions together.
func both(t flow.Totals) flow.Sum {
	sum := flow.Sum{Lo: t.BytesTx}
	sum.Add(t.BytesRx)
	return sum
}

func compareSums(a, b flow.Sum) int { return cmp.Or(cmp.Compare(a.Hi, b.Hi), cmp.Compare(a.Lo, b.Lo)) }

// compare returns a negative number if a comes before b.
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

// Diff answers q. It holds the groups of both ranges, at most o.MaxGroups each. Its errors are those of
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

// changes returns the rows that differ between before and after.
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

// cutTo truncates rows to limit, unless that is 0.
func cutTo[T any](rows []T, limit int) (_ []T, truncated bool) {
	if limit == 0 || len(rows) <= limit {
		return rows, false
	}
	return rows[:limit], true
}

// compareKeys compares two keys by their names.
func compareKeys(a, b flow.Key) int {
	srcA, destA, vpcA := a.Names()
	srcB, destB, vpcB := b.Names()
	return cmp.Or(bytes.Compare(srcA, srcB), bytes.Compare(destA, destB), bytes.Compare(vpcA, vpcB))
}
