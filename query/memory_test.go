package query_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"flowd/flow"
	"flowd/query"
	"flowd/shard"
)

// memory is a table as a source, and what form the chunks had that came from it.
type memory struct {
	table *shard.Table
	// byKeys says that hours are read by rows, and not by columns.
	byKeys bool

	codes, keys atomic.Int64 // chunks that have names by number, and as keys
}

func newMemory(t *testing.T, shards int) *memory {
	t.Helper()
	table, err := shard.New(shard.Options{Shards: shards})
	if err != nil {
		t.Fatal(err)
	}
	table.Start()
	return &memory{table: table}
}

// post appends flows as one batch.
func (m *memory) post(flows ...flow.Flow) {
	b := m.table.Acquire(time.Minute)
	for i := range flows {
		b.Add(&flows[i])
	}
	m.table.Append(b)
}

func (m *memory) Labels(from, to flow.Hour) (labels []flow.Hour, err error) {
	for _, h := range m.table.Hours() {
		if h.Hour >= from && h.Hour < to {
			labels = append(labels, h.Hour)
		}
	}
	return labels, nil
}

func (m *memory) Scan(h flow.Hour, o flow.ScanOptions) ([]flow.Scan, error) {
	if m.byKeys {
		return []flow.Scan{&watched{flow.ScanRows(m.table.Rows(h)), m}}, nil
	}
	scans := m.table.Ask(h).Columns(o.Names)
	for i := range scans {
		scans[i] = &watched{scans[i], m}
	}
	return scans, nil
}

func (m *memory) Find(flow.Hour, []flow.Key) ([]flow.Row, bool, error) { return nil, false, nil }

// watched notes the form of chunks.
type watched struct {
	flow.Scan
	of *memory
}

func (w *watched) Next(c *flow.Chunk) bool {
	more := w.Scan.Next(c)
	switch {
	case !more:
	case c.Keys != nil:
		w.of.keys.Add(1)
	case c.Group != 0:
		w.of.codes.Add(1)
	}
	return more
}

// TestMemoryAgainstPlain asks random questions of hours in memory alone, some of which continue what a
// checkpoint has frozen, with names in either form.
func TestMemoryAgainstPlain(t *testing.T) {
	for name, byKeys := range map[string]bool{"by codes": false, "by keys": true} {
		t.Run(name, func(t *testing.T) {
			codes, keys := int64(0), int64(0)
			rapid.Check(t, func(rt *rapid.T) {
				m := newMemory(t, 4)
				defer m.table.Close()
				m.byKeys = byKeys
				flows := plain(rapid.SliceOfN(drawFlow, 0, 200).Draw(rt, "flows"))
				half := len(flows) / 2
				m.post(flows[:half]...)
				frozen := m.table.Freeze(func(h flow.Hour) shard.Action { return shard.Action(h % 2) })
				m.post(flows[half:]...)
				for range 10 {
					checkQuery(rt, m, flows)
				}
				frozen.Restore()
				checkDiff(rt, m, flows)
				checkPairs(rt, m, flows)
				checkNames(rt, m, flows)
				codes, keys = codes+m.codes.Load(), keys+m.keys.Load()
			})
			if (codes == 0) != byKeys || keys == 0 {
				t.Errorf("%d chunks had codes and %d had keys", codes, keys)
			}
		})
	}
}

// TestMoreNamesThanAreNumbered asks about an hour before and after one of its fields has more names than a
// table numbers. There are more groups than a worker adds up by itself.
func TestMoreNamesThanAreNumbered(t *testing.T) {
	const before, after = 20_000, 66_000
	m := newMemory(t, 1)
	defer m.table.Close()
	var flows plain
	var batch []flow.Flow
	ask := func(when string, wantKeys bool) {
		for _, q := range []query.Query{
			{To: 2, Grouped: true, GroupBy: flow.Fields(0).With(flow.SrcApp)},
			{To: 2, Grouped: true, GroupBy: flow.Fields(0).With(flow.VPCID)},
			{To: 2, Grouped: true, GroupBy: flow.Fields(0).With(flow.SrcApp).With(flow.VPCID)},
			{To: 2, Grouped: true, GroupBy: flow.Fields(0).With(flow.VPCID), Match: prefixOf(flow.SrcApp, "s1")},
			{To: 2, Order: query.Order{By: query.ByBytesRx, Descending: true}, Limit: 30, Match: prefixOf(flow.SrcApp, "s12")},
		} {
			m.codes.Store(0)
			m.keys.Store(0)
			compare(t, m, &q, sorted(flows, &q))
			byKeys := wantKeys && (q.GroupBy.Has(flow.SrcApp) || !q.Match[flow.SrcApp].All())
			if (m.keys.Load() > 0) != byKeys || (m.codes.Load() > 0) == byKeys {
				t.Errorf("%s: %+v: %d chunks by codes and %d by keys", when, q, m.codes.Load(), m.keys.Load())
			}
		}
	}
	for n := range after {
		f := flow.Flow{SrcApp: fmt.Sprint("s", n), DestApp: fmt.Sprint("d", n%100), VPCID: fmt.Sprint("v", n%3), BytesTx: uint64(n % 7), BytesRx: uint64(n % 11), Hour: 1}
		flows, batch = append(flows, f), append(batch, f)
		if n+1 == before || n+1 == after {
			m.post(batch...)
			batch = nil
			ask(fmt.Sprint(n+1, " names"), n+1 == after)
		}
	}
}

func prefixOf(f flow.Field, prefix string) (match [flow.FieldCount]query.Match) {
	match[f].Prefixes = []string{prefix}
	return match
}

// sorted returns all rows of the answer to q as the plain implementation has them, in its order.
func sorted(flows plain, q *query.Query) []plainRow {
	rows := flows.rows(q)
	if q.Order.By != query.Unordered {
		sortPlain(rows, q.Order)
	}
	return rows
}

// compare asks q, whose answer is the first of want.
func compare(t *testing.T, src query.Source, q *query.Query, want []plainRow) {
	t.Helper()
	result, err := query.Run(src, q, bounds)
	if err != nil {
		t.Fatal(err)
	}
	got := gather(t, q, result, 1000)
	if q.Order.By == query.Unordered {
		slices.SortFunc(got, comparePlain)
	}
	if q.Limit > 0 {
		want = want[:min(len(want), q.Limit)]
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v (-want +got):\n%s", q, gocmp.Diff(want[:min(len(want), 20)], got[:min(len(got), 20)]))
	}
}

// TestFirstOfMany asks for the first rows of hours of many chunks, where most rows are passed by. Totals
// are such that many rows are equal in rank, and that both ways together are more than fits 64 bits.
func TestFirstOfMany(t *testing.T) {
	m := newMemory(t, 2)
	defer m.table.Close()
	var flows plain
	for h := range flow.Hour(2) {
		for n := range 1500 {
			f := flow.Flow{SrcApp: fmt.Sprint("s", n*7919%1500), DestApp: "d", VPCID: fmt.Sprint("v", n%3), Hour: h}
			f.BytesTx, f.BytesRx = uint64(n*31%50)<<57, uint64(n*17%40)<<57
			// Twice, since a flow has half of what a total may have.
			flows = append(flows, f, f)
		}
	}
	m.post(flows...)
	for by := query.BySrcApp; by <= query.ByBytesTotal; by++ {
		for _, descending := range []bool{false, true} {
			for _, match := range [][flow.FieldCount]query.Match{{}, prefixOf(flow.SrcApp, "s4")} {
				q := query.Query{To: 2, Order: query.Order{By: by, Descending: descending}, Match: match}
				want := sorted(flows, &q)
				for _, q.Limit = range []int{1, 10, 700} {
					compare(t, m, &q, want)
				}
			}
		}
	}
}

// TestAskedWhileItGrows has writers, and readers of groups and of first rows.
func TestAskedWhileItGrows(t *testing.T) {
	m := newMemory(t, 4)
	defer m.table.Close()
	var began, sent atomic.Uint64
	var writers, readers sync.WaitGroup
	var done atomic.Bool
	for w := range 2 {
		writers.Go(func() {
			for n := range 200 {
				var flows []flow.Flow
				for i := range 50 {
					flows = append(flows, flow.Flow{SrcApp: fmt.Sprint("s", n), DestApp: fmt.Sprint("d", i), VPCID: fmt.Sprint("v", w), BytesTx: 1, Hour: 1})
				}
				began.Add(50)
				m.post(flows...)
				sent.Add(50)
			}
		})
	}
	questions := []query.Query{
		{To: 2, Grouped: true, GroupBy: flow.Fields(0).With(flow.VPCID)},
		{To: 2, Grouped: true, GroupBy: flow.Fields(0).With(flow.SrcApp).With(flow.DestApp)},
		{To: 2, Grouped: true, GroupBy: flow.AllFields},
		{To: 2, Order: query.Order{By: query.ByBytesTx, Descending: true}, Limit: 1 << 20},
	}
	for i := range questions {
		readers.Go(func() {
			for !done.Load() {
				least := sent.Load()
				result, err := query.Run(m, &questions[i], bounds)
				most := began.Load()
				if err != nil {
					t.Error(err)
					return
				}
				sum := uint64(0)
				for _, row := range gather(t, &questions[i], result, 100) {
					sum += row.Totals.BytesTx
				}
				if sum < least || sum > most {
					t.Errorf("question %d: %d bytes, not %d to %d", i, sum, least, most)
				}
			}
		})
	}
	writers.Wait()
	done.Store(true)
	readers.Wait()
}
