package query

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"slices"

	"flowd/flow"
)

// PairsQuery asks for the reports of both ends of each conversation.
type PairsQuery struct {
	Hours Hours
	// App selects pairs with at least one matching app, VPC those of matching VPCs.
	App, VPC Match
	// Busiest sorts by the sum of all reported bytes, the largest first, instead of by disagreement.
	Busiest bool
	Limit   int // 0 is no limit
}

// PairRow is two apps of a VPC that exchanged bytes, where A is not greater than B, and the report of each
// of them. A's report of its bytes to B is the bytes_tx of its flows to B, and B's report of them the
// bytes_rx of its flows to A. An app that talks to itself is both ends, with one report.
type PairRow struct {
	A, B, VPC                []byte
	SentByA, ReceivedByB     uint64 // on the way from A to B
	SentByB, ReceivedByA     uint64 // on the way from B to A
	ReportedByA, ReportedByB bool
}

// Disagreement returns the difference of the reports in bytes, both directions together. An end without a
// report counts as one that reported 0.
func (r *PairRow) Disagreement() flow.Sum {
	sum := flow.Sum{Lo: distance(r.SentByA, r.ReceivedByB)}
	sum.Add(distance(r.SentByB, r.ReceivedByA))
	return sum
}

func distance(a, b uint64) uint64 { return max(a, b) - min(a, b) }

// bytes returns the sum of all bytes that both ends reported.
func (r *PairRow) bytes() flow.Sum {
	sum := flow.Sum{Lo: r.SentByA}
	sum.Add(r.ReceivedByB)
	sum.Add(r.SentByB)
	sum.Add(r.ReceivedByA)
	return sum
}

// Pairs answers q. It holds the tuples of the range, at most o.MaxGroups. Its errors are those of
// Result.Err.
func Pairs(src Source, q *PairsQuery, o Options) (rows []PairRow, truncated bool, err error) {
	labels, err := src.Labels(q.Hours.From, q.Hours.To)
	if err != nil {
		return nil, false, err
	}
	var match [flow.FieldCount]Match
	match[flow.VPCID] = q.VPC
	sums, err := sumOver(src, grouping{match, flow.AllFields, maphash.MakeSeed()}, labels, o)
	if err != nil {
		return nil, false, err
	}
	rows = paired(sums, &q.App)
	measure := (*PairRow).Disagreement
	if q.Busiest {
		measure = (*PairRow).bytes
	}
	slices.SortFunc(rows, func(a, b PairRow) int {
		return cmp.Or(compareSums(measure(&b), measure(&a)),
			bytes.Compare(a.A, b.A), bytes.Compare(a.B, b.B), bytes.Compare(a.VPC, b.VPC))
	})
	rows, truncated = cutTo(rows, q.Limit)
	return rows, truncated, nil
}

// paired joins the tuples of g that have the same ends, if at least one end matches app.
func paired(g *groups, app *Match) (rows []PairRow) {
	var reverse flow.Key
	for i := range g.entries {
		e := &g.entries[i]
		src, dest, vpc := flow.Key(e.subject).Names()
		if !app.matches(src) && !app.matches(dest) {
			continue
		}
		other, reported := flow.Totals{}, false
		reverse = flow.AppendKey(reverse[:0], string(dest), string(src), string(vpc))
		if at, known := g.find(reverse, maphash.Bytes(g.seed, reverse)); known {
			other, reported = g.entries[at].totals, true
		}
		switch c := bytes.Compare(src, dest); {
		case c < 0:
			rows = append(rows, PairRow{
				A: src, B: dest, VPC: vpc,
				SentByA: e.totals.BytesTx, ReceivedByB: other.BytesRx, SentByB: other.BytesTx, ReceivedByA: e.totals.BytesRx,
				ReportedByA: true, ReportedByB: reported,
			})
		case c == 0:
			rows = append(rows, PairRow{
				A: src, B: dest, VPC: vpc,
				SentByA: e.totals.BytesTx, ReceivedByB: e.totals.BytesRx, ReportedByA: true, ReportedByB: true,
			})
		case !reported: // otherwise the tuple of the lesser app makes the row
			rows = append(rows, PairRow{
				A: dest, B: src, VPC: vpc,
				SentByB: e.totals.BytesTx, ReceivedByB: e.totals.BytesRx, ReportedByB: true,
			})
		}
	}
	return rows
}
