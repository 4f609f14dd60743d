package query_test

import (
	"math/big"
	"slices"
	"strings"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"flowd/flow"
	"flowd/query"
)

// sum returns the bytes of both ways.
func sum(t flow.Totals) *big.Int {
	return new(big.Int).Add(new(big.Int).SetUint64(t.BytesTx), new(big.Int).SetUint64(t.BytesRx))
}

func checkDiff(t *rapid.T, src query.Source, flows plain) {
	q := query.DiffQuery{
		Before: query.Hours{From: 0, To: 2}, After: query.Hours{From: 2, To: 5},
		GroupBy: flow.Fields(rapid.IntRange(1, int(flow.AllFields)).Draw(t, "diff by")),
		Order:   query.DiffOrder(rapid.IntRange(0, 2).Draw(t, "diff order")),
	}
	q.Match[0] = drawMatch.Draw(t, "diff match")
	rows, _, err := query.Diff(src, &q, bounds)
	if err != nil {
		t.Fatal(err)
	}
	type change struct{ before, after *flow.Totals }
	want := make(map[[3]string]*change)
	for i, hours := range []query.Hours{q.Before, q.After} {
		for _, row := range flows.rows(&query.Query{From: hours.From, To: hours.To, Match: q.Match, Grouped: true, GroupBy: q.GroupBy}) {
			at := want[row.Names]
			if at == nil {
				at = new(change)
				want[row.Names] = at
			}
			if i == 0 {
				at.before = &row.Totals
			} else {
				at.after = &row.Totals
			}
		}
	}
	for names, c := range want {
		if c.before != nil && c.after != nil && *c.before == *c.after {
			delete(want, names)
		}
	}
	if len(rows) != len(want) {
		t.Fatalf("%d rows, want %d", len(rows), len(want))
	}
	var last *big.Int
	for i := range rows {
		src, dest, vpc := rows[i].Key.Names()
		var names [3]string
		for f, name := range [][]byte{src, dest, vpc} {
			if q.GroupBy.Has(flow.Field(f)) {
				names[f] = string(name)
			}
		}
		c := want[names]
		if c == nil || (c.before == nil) != rows[i].New || (c.after == nil) != rows[i].Gone ||
			c.before != nil && *c.before != rows[i].Before || c.after != nil && *c.after != rows[i].After {
			t.Fatalf("%v: %+v is not %+v", names, rows[i], c)
		}
		delete(want, names)
		last = checkDifference(t, q.Order, &rows[i], last)
	}
}

// checkDifference checks a row's own figures, and that it may come behind the last one.
func checkDifference(t *rapid.T, order query.DiffOrder, row *query.DiffRow, last *big.Int) *big.Int {
	difference := new(big.Int).Sub(sum(row.After), sum(row.Before))
	negative, amount := row.Difference()
	if amount.String() != new(big.Int).Abs(difference).String() || negative != (difference.Sign() < 0) {
		t.Fatalf("the difference is %v %v, want %v", negative, amount, difference)
	}
	word := []string{"shrunk", "shifted", "grown"}[difference.Sign()+1]
	if row.New {
		word = "new"
	} else if row.Gone {
		word = "gone"
	}
	if got := row.Change(); got != word {
		t.Fatalf("the change is %q, want %q", got, word)
	}
	if last != nil {
		c := difference.Cmp(last)
		if order == query.LargestFirst {
			c = difference.CmpAbs(last)
		}
		if order == query.ShrunkFirst {
			c = -c
		}
		if c > 0 {
			t.Fatalf("order %d: %v comes behind %v", order, difference, last)
		}
	}
	return difference
}

func checkPairs(t *rapid.T, src query.Source, flows plain) {
	q := query.PairsQuery{Hours: query.Hours{To: 5}, App: drawMatch.Draw(t, "app"), VPC: drawMatch.Draw(t, "vpc")}
	rows, _, err := query.Pairs(src, &q, bounds)
	if err != nil {
		t.Fatal(err)
	}
	tuples := make(map[[3]string]flow.Totals)
	pairs := make(map[[3]string]bool)
	for _, row := range flows.rows(&query.Query{To: 5, Grouped: true, GroupBy: flow.AllFields}) {
		tuples[row.Names] = row.Totals
		a, b := min(row.Names[0], row.Names[1]), max(row.Names[0], row.Names[1])
		if matches(&q.VPC, row.Names[2]) && (matches(&q.App, a) || matches(&q.App, b)) {
			pairs[[3]string{a, b, row.Names[2]}] = true
		}
	}
	if len(rows) != len(pairs) {
		t.Fatalf("%d pairs, want %d", len(rows), len(pairs))
	}
	for i := range rows {
		r := &rows[i]
		a, b, vpc := string(r.A), string(r.B), string(r.VPC)
		if !pairs[[3]string{a, b, vpc}] {
			t.Fatalf("%s and %s in %s are no pair, or came twice", a, b, vpc)
		}
		delete(pairs, [3]string{a, b, vpc})
		ab, byA := tuples[[3]string{a, b, vpc}]
		ba, byB := tuples[[3]string{b, a, vpc}]
		want := query.PairRow{
			A: r.A, B: r.B, VPC: r.VPC, ReportedByA: byA, ReportedByB: byB,
			SentByA: ab.BytesTx, ReceivedByA: ab.BytesRx, SentByB: ba.BytesTx, ReceivedByB: ba.BytesRx,
		}
		if a == b {
			want.SentByB, want.ReceivedByA = 0, 0
		}
		if diff := gocmp.Diff(want, *r); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		if i > 0 {
			before, now := rows[i-1].Disagreement(), r.Disagreement()
			if now.Hi > before.Hi || now.Hi == before.Hi && now.Lo > before.Lo {
				t.Fatalf("a disagreement of %v comes behind %v", now, before)
			}
		}
	}
}

func checkNames(t *rapid.T, src query.Source, flows plain) {
	q := query.NamesQuery{
		Field:  flow.Field(rapid.IntRange(0, 2).Draw(t, "field")),
		Hours:  query.Hours{To: 5},
		Prefix: rapid.SampledFrom([]string{"", "a", "b", "z"}).Draw(t, "prefix"),
		Limit:  rapid.IntRange(0, 3).Draw(t, "most names"),
	}
	q.Match[1] = drawMatch.Draw(t, "names of")
	got, truncated, err := query.Names(src, &q, bounds)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, row := range flows.rows(&query.Query{To: 5, Match: q.Match}) {
		if name := row.Names[q.Field]; strings.HasPrefix(name, q.Prefix) {
			want = append(want, name)
		}
	}
	slices.Sort(want)
	want = slices.Compact(want)
	cut := q.Limit > 0 && len(want) > q.Limit
	if cut {
		want = want[:q.Limit]
	}
	if cut != truncated || !slices.Equal(want, got) {
		t.Fatalf("%v (truncated %v), want %v (%v)", got, truncated, want, cut)
	}
}
