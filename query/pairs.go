package query

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"slices"

	"flowd/flow"
)

// PairsQuery asks what the two ends of each conversation reported.
type PairsQuery struct {
	Hours Hours
	// App keeps pairs one of whose apps matches, VPC those of matching VPCs.
	App, VPC Match
	// Busiest sorts by all bytes reported, most first, instead of by disagreement.
	Busiest bool
	Limit   int // 0 is no limit
}

// PairRow is two apps of a VPC that exchanged bytes, where A is not greater than B, and what each of
// them reported: what A sent to B is the bytes_tx of A's flows to B, and what B received of it the
// bytes_rx of B's flows to A. An app that talks to itself is both, by one report.
type PairRow struct {
	A, B, VPC                []byte
	SentByA, ReceivedByB     uint64 // on the way from A to B
	SentByB, ReceivedByA     uint64 // on the way from B to A
	ReportedByA, ReportedByB bool
}

// Disagreement returns how many bytes the reports differ by, both ways together. An end that did not
// report counts as one that reported 0.
func (r *PairRow) Disagreement() flow.Sum {
	sum := flow.Sum{Lo: distance(r.SentByA, r.ReceivedByB)}
	sum.Add(distance(r.SentByB, r.ReceivedByA))
	return sum
}

func distance(a, b uint64) uint64 { return max(a, b) - min(a, b) }

// bytes returns all that both ends reported.
func (r *PairRow) bytes() flow.Sum {
	sum := flow.Sum{Lo: r.SentByA}
	sum.Add(r.ReceivedByB)
	sum.Add(r.SentByB)
	sum.Add(r.ReceivedByA)
	return sum
}

// Pairs answers q. It holds the tuples of the range, at most o.MaxGroups. Errors are those of
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

// paired puts the tuples of g together whose ends are the same, if one of them matches app.
func paired(g *groups, app *Match) (rows []PairRow) {
	var reverse flow.Key
	for i := range g.entries {
		e := &g.entries[i]
		src, dest, vpc := flow.Key(e.subject).Names()
		if !app.keeps(src) && !app.keeps(dest) {
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
		case !reported: // else the tuple of the lesser app is the row
			rows = append(rows, PairRow{
				A: dest, B: src, VPC: vpc,
				SentByB: e.totals.BytesTx, ReceivedByB: e.totals.BytesRx, ReportedByB: true,
			})
		}
	}
	return rows
}
