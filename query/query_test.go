package query_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"flowd/flow"
	"flowd/local"
	"flowd/query"
)

// words are names that share prefixes.
var words = []string{
	"a", "ab", "abc", "b", "ba", `"<x>\`, "界", "a-name-8", "a-name-of-16-byt", "a-name-of-24-bytes-long!",
	"a-name-of-24-bytes-LONG!", "a-name-of-more-than-24-bytes",
}

var drawFlow = rapid.Custom(func(t *rapid.T) flow.Flow {
	return flow.Flow{
		SrcApp:  rapid.SampledFrom(words).Draw(t, "src"),
		DestApp: rapid.SampledFrom(words).Draw(t, "dest"),
		VPCID:   rapid.SampledFrom(words[6:]).Draw(t, "vpc"),
		BytesTx: rapid.OneOf(rapid.Uint64Range(0, 3), rapid.Uint64Range(0, flow.MaxBytes)).Draw(t, "tx"),
		BytesRx: rapid.OneOf(rapid.Uint64Range(0, 3), rapid.Uint64Range(0, flow.MaxBytes)).Draw(t, "rx"),
		Hour:    flow.Hour(rapid.IntRange(0, 4).Draw(t, "hour")),
	}
})

var drawMatch = rapid.Custom(func(t *rapid.T) query.Match {
	var m query.Match
	switch rapid.IntRange(0, 4).Draw(t, "kind") {
	case 0:
		m.Names = rapid.SliceOfN(rapid.SampledFrom(words), 1, 3).Draw(t, "names")
	case 1:
		m.Prefixes = rapid.SliceOfN(rapid.SampledFrom([]string{"", "a", "ab", "z"}), 1, 2).Draw(t, "prefixes")
	case 2:
		m.Names, m.Prefixes = []string{"b"}, []string{"ab"}
	}
	return m
})

var drawQuery = rapid.Custom(func(t *rapid.T) query.Query {
	from := flow.Hour(rapid.IntRange(0, 4).Draw(t, "from"))
	q := query.Query{
		From: from, To: from + flow.Hour(rapid.IntRange(0, 5).Draw(t, "hours")),
		Grouped: rapid.Bool().Draw(t, "grouped"),
		Order: query.Order{
			By:         query.Column(rapid.IntRange(int(query.Unordered), int(query.ByBytesTotal)).Draw(t, "by")),
			Descending: rapid.Bool().Draw(t, "descending"),
		},
		Limit: rapid.SampledFrom([]int{0, 1, 2, 3, 10, 1000}).Draw(t, "limit"),
	}
	for f := range q.Match {
		q.Match[f] = drawMatch.Draw(t, fmt.Sprint("match ", f))
	}
	if q.Grouped {
		q.GroupBy = flow.Fields(rapid.IntRange(0, int(flow.AllFields)).Draw(t, "group"))
		q.ByHour = q.GroupBy == 0 || rapid.Bool().Draw(t, "by hour")
		if by := q.Order.By; by == query.ByHour && !q.ByHour ||
			by >= query.BySrcApp && by <= query.ByVPCID && !q.GroupBy.Has(flow.Field(by-query.BySrcApp)) {
			q.Order.By = query.ByBytesTx
		}
	}
	return q
})

// plainRow is a row as the plain implementation has it.
type plainRow struct {
	Names  [3]string
	Hour   flow.Hour
	Totals flow.Totals
}

// plain is hours as a list of flows, and answers questions by going through it.
type plain []flow.Flow

func matches(m *query.Match, name string) bool {
	for _, p := range m.Prefixes {
		if bytes.HasPrefix([]byte(name), []byte(p)) {
			return true
		}
	}
	return slices.Contains(m.Names, name) || len(m.Names)+len(m.Prefixes) == 0
}

// rows returns the groups of a question, in no order and without a limit.
func (p plain) rows(q *query.Query) []plainRow {
	sums := make(map[plainRow]*flow.Totals)
	for _, f := range p {
		names := [3]string{f.SrcApp, f.DestApp, f.VPCID}
		if f.Hour < q.From || f.Hour >= q.To || !matches(&q.Match[0], names[0]) ||
			!matches(&q.Match[1], names[1]) || !matches(&q.Match[2], names[2]) {
			continue
		}
		at := plainRow{}
		for i, name := range names {
			if !q.Grouped || q.GroupBy.Has(flow.Field(i)) {
				at.Names[i] = name
			}
		}
		if !q.Grouped || q.ByHour {
			at.Hour = f.Hour
		}
		if sums[at] == nil {
			sums[at] = new(flow.Totals)
		}
		sums[at].Add(flow.Totals{BytesTx: f.BytesTx, BytesRx: f.BytesRx})
	}
	rows := make([]plainRow, 0, len(sums))
	for at, totals := range sums {
		at.Totals = *totals
		rows = append(rows, at)
	}
	slices.SortFunc(rows, comparePlain)
	return rows
}

func comparePlain(a, b plainRow) int {
	return cmp.Or(cmp.Compare(a.Names[0], b.Names[0]), cmp.Compare(a.Names[1], b.Names[1]),
		cmp.Compare(a.Names[2], b.Names[2]), cmp.Compare(a.Hour, b.Hour))
}

// measure is what a row is sorted by, as text that compares as it should.
func measure(r plainRow, by query.Column) string {
	number := func(s flow.Sum) string { return fmt.Sprintf("%020d %020d", s.Hi, s.Lo) }
	switch by {
	case query.BySrcApp, query.ByDestApp, query.ByVPCID:
		return r.Names[by-query.BySrcApp]
	case query.ByHour:
		return number(flow.Sum{Lo: uint64(r.Hour)})
	case query.ByBytesTx:
		return number(flow.Sum{Lo: r.Totals.BytesTx})
	case query.ByBytesRx:
		return number(flow.Sum{Lo: r.Totals.BytesRx})
	}
	total := flow.Sum{Lo: r.Totals.BytesTx}
	total.Add(r.Totals.BytesRx)
	return number(total)
}

func sortPlain(rows []plainRow, o query.Order) {
	slices.SortFunc(rows, func(a, b plainRow) int {
		c := cmp.Compare(measure(a, o.By), measure(b, o.By))
		if o.Descending {
			c = -c
		}
		return cmp.Or(c, comparePlain(a, b))
	})
}

// failer is a test, or one of many that a test makes up.
type failer interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// gather reads a result to its end, some rows at once.
func gather(t failer, q *query.Query, rows flow.Rows, atOnce int) (all []plainRow) {
	t.Helper()
	defer rows.Close()
	block := make([]flow.Row, atOnce)
	for n := rows.Next(block); n > 0; n = rows.Next(block) {
		for _, row := range block[:n] {
			r := plainRow{Totals: row.Totals}
			src, dest, vpc := row.Key.Names()
			for i, name := range [][]byte{src, dest, vpc} {
				if q.Names().Has(flow.Field(i)) {
					r.Names[i] = string(name)
				} else if string(name) != "\x00" {
					t.Fatalf("a name that is summed over is %q", name)
				}
			}
			if q.HasHour() {
				r.Hour = row.Hour
			}
			all = append(all, r)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// fill posts flows to an engine some of whose hours are in memory, some on disk, and some on both.
func fill(t *rapid.T, e *local.Engine, flows []flow.Flow) {
	for i, f := range flows {
		b := e.Acquire(time.Minute)
		b.Add(&f)
		if _, err := e.Append(b, flow.Origin{}); err != nil {
			t.Fatal(err)
		}
		if i == len(flows)/3 || i == len(flows)/2 {
			if err := e.Checkpoint(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func openEngine(t *testing.T, budget int64) *local.Engine {
	t.Helper()
	o := local.DefaultOptions()
	o.Dir, o.MemoryBudget, o.Shards = t.TempDir(), budget, 4
	e, err := local.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Open(); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestAgainstPlain asks random questions, and compares with a plain implementation. With a budget of
// next to nothing every checkpoint takes the hours out of memory.
func TestAgainstPlain(t *testing.T) {
	for name, budget := range map[string]int64{"memory": 1 << 30, "disk": 1} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				flows := plain(rapid.SliceOfN(drawFlow, 0, 60).Draw(rt, "flows"))
				e := openEngine(t, budget)
				defer e.Close()
				fill(rt, e, flows)
				for range 10 {
					checkQuery(rt, e, flows)
				}
				checkDiff(rt, e, flows)
				checkPairs(rt, e, flows)
				checkNames(rt, e, flows)
			})
		})
	}
}

var bounds = query.Options{MaxGroups: 1 << 20, Workers: 3}

func checkQuery(t *rapid.T, src query.Source, flows plain) {
	q := drawQuery.Draw(t, "query")
	result, err := query.Run(src, &q, bounds)
	if err != nil {
		t.Fatal(err)
	}
	got, want := gather(t, &q, result, rapid.IntRange(1, 9).Draw(t, "at once")), flows.rows(&q)
	if cut := q.Limit > 0 && len(want) > q.Limit; cut != result.Truncated {
		t.Fatalf("truncated is %v with %d rows and a limit of %d", result.Truncated, len(want), q.Limit)
	}
	switch {
	case q.Order.By != query.Unordered:
		sortPlain(want, q.Order)
		if q.Limit > 0 {
			want = want[:min(len(want), q.Limit)]
		}
	case q.Limit > 0: // any of the rows, each once
		if len(got) != min(len(want), q.Limit) {
			t.Fatalf("%d rows of %d with a limit of %d", len(got), len(want), q.Limit)
		}
		for i, row := range got {
			if !slices.Contains(want, row) || slices.Contains(got[:i], row) {
				t.Fatalf("%v is not a row, or came twice", row)
			}
		}
		return
	default:
		slices.SortFunc(got, comparePlain)
	}
	if len(got)+len(want) > 0 {
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Fatalf("%+v (-want +got):\n%s", q, diff)
		}
	}
}

func TestTooManyGroups(t *testing.T) {
	e := openEngine(t, 1<<30)
	defer e.Close()
	for _, src := range words {
		for _, dest := range words {
			b := e.Acquire(time.Minute)
			b.Add(&flow.Flow{SrcApp: src, DestApp: dest, VPCID: "v", BytesTx: 1, Hour: 1})
			if _, err := e.Append(b, flow.Origin{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	most := len(words) * len(words)
	for _, c := range []struct {
		name string
		q    query.Query
	}{
		{"sorted rows", query.Query{To: 2, Order: query.Order{By: query.ByBytesTx}}},
		{"groups", query.Query{To: 2, Grouped: true, GroupBy: flow.AllFields}},
		{"sorted groups by hour", query.Query{To: 2, Grouped: true, GroupBy: flow.AllFields, ByHour: true, Order: query.Order{By: query.ByBytesTx}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := query.Run(e, &c.q, query.Options{MaxGroups: most}); err != nil {
				t.Errorf("with room for all: %v", err)
			}
			var tooMany *query.TooManyGroupsError
			if _, err := query.Run(e, &c.q, query.Options{MaxGroups: most - 1}); !errors.As(err, &tooMany) {
				t.Errorf("with room for one less: %v", err)
			}
		})
	}
}

func TestGone(t *testing.T) {
	e := openEngine(t, 1<<30)
	defer e.Close()
	b := e.Acquire(time.Minute)
	b.Add(&flow.Flow{SrcApp: "a", DestApp: "b", VPCID: "v", Hour: 1})
	if _, err := e.Append(b, flow.Origin{}); err != nil {
		t.Fatal(err)
	}
	o := query.Options{MaxGroups: 10, Gone: func() bool { return true }}
	if _, err := query.Run(e, &query.Query{To: 2, Grouped: true}, o); !errors.Is(err, query.ErrGone) {
		t.Errorf("groups: %v", err)
	}
	result, err := query.Run(e, &query.Query{To: 2}, o)
	if err != nil {
		t.Fatal(err)
	}
	defer result.Close()
	if n := result.Next(make([]flow.Row, 1)); n != 0 || !errors.Is(result.Err(), query.ErrGone) {
		t.Errorf("rows: %d and %v", n, result.Err())
	}
}
