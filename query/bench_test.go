package query_test

import (
	"fmt"
	"testing"
	"time"

	"flowd/flow"
	"flowd/flow/flowjson"
	"flowd/local"
	"flowd/query"
)

// benchTuples is how many tuples an hour has.
const benchTuples = 1_000_000

func vpc(i int) string { return fmt.Sprintf("vpc-%08x", (i%1000+i/1000)%5*0x9e3779b) }

// fillHour posts an hour of benchTuples tuples of 1,000 apps in 5 VPCs.
func fillHour(b *testing.B, e *local.Engine, h flow.Hour) {
	b.Helper()
	const perBatch = 20_000
	for from := 0; from < benchTuples; from += perBatch {
		batch := e.Acquire(time.Minute)
		for n := from; n < from+perBatch; n++ {
			i := n * 700_001 % benchTuples // in no order that a processor could learn
			batch.Add(&flow.Flow{
				SrcApp: fmt.Sprintf("app-%d", i%1000), DestApp: fmt.Sprintf("service-%d", i/1000),
				VPCID: vpc(i), Hour: h,
				BytesTx: uint64(i) * 2654435761 % (1 << 30), BytesRx: uint64(i) * 40503 % (1 << 30),
			})
		}
		if _, err := e.Append(batch, flow.Origin{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHour asks for an hour of a million tuples, in memory and on disk. The first question is
// what the others are compared with: all rows as JSON.
func BenchmarkHour(b *testing.B) {
	top := query.Query{To: 2, Order: query.Order{By: query.ByBytesTotal, Descending: true}, Limit: 10}
	one := query.Query{To: 2}
	for f, name := range []string{"app-7", "service-70", vpc(70_007)} {
		one.Match[f].Names = []string{name}
	}
	for name, budget := range map[string]int64{"memory": 4 << 30, "disk": 1} {
		o := local.DefaultOptions()
		o.Dir, o.MemoryBudget = b.TempDir(), budget
		e, err := local.New(o)
		if err != nil {
			b.Fatal(err)
		}
		if err := e.Open(); err != nil {
			b.Fatal(err)
		}
		fillHour(b, e, 1)
		if err := e.Checkpoint(); err != nil {
			b.Fatal(err)
		}
		for _, c := range []struct {
			name string
			q    query.Query
			rows int
		}{
			{"all", query.Query{To: 2}, benchTuples},
			{"top 10", top, 10},
			{"by vpc_id", query.Query{To: 2, Grouped: true, GroupBy: flow.Fields(0).With(flow.VPCID)}, 5},
			{"by src_app", query.Query{To: 2, Grouped: true, GroupBy: flow.Fields(0).With(flow.SrcApp)}, 1000},
			{"by src_app and vpc_id", query.Query{To: 2, Grouped: true, GroupBy: flow.AllFields &^ (1 << flow.DestApp)}, 5000},
			{"one tuple", one, 1},
		} {
			b.Run(name+"/"+c.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if rows := encode(b, e, &c.q); rows != c.rows {
						b.Fatalf("%d rows, want %d", rows, c.rows)
					}
				}
			})
		}
		if err := e.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// encode asks q and turns what comes into JSON, as an answer is.
func encode(b *testing.B, e *local.Engine, q *query.Query) (rows int) {
	b.Helper()
	result, err := query.Run(e, q, query.Options{MaxGroups: benchTuples})
	if err != nil {
		b.Fatal(err)
	}
	defer result.Close()
	var block [64]flow.Row
	var text []byte
	for n := result.Next(block[:]); n > 0; n = result.Next(block[:]) {
		rows += n
		if text = text[:0]; q.Grouped {
			continue
		}
		for i := range block[:n] {
			text = flowjson.AppendRow(text, &block[i])
		}
	}
	if err := result.Err(); err != nil {
		b.Fatal(err)
	}
	return rows
}
