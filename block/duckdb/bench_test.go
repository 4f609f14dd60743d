package duckdb_test

import (
	"cmp"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"flowd/flow"
	"flowd/local"
	"flowd/query"
)

// The folder that questions are asked about.
const (
	benchHours   = 4
	benchRows    = 1_000_000 // of an hour
	benchThreads = 2
	best         = 10
)

// fillFolder writes hours as 4,000 services in 12 VPCs make them, in no order, and returns the engine,
// which then has them on disk alone.
func fillFolder(b *testing.B, dir string) *local.Engine {
	b.Helper()
	o := local.DefaultOptions()
	o.Dir, o.MemoryBudget = dir, 1
	e, err := local.New(o)
	if err != nil {
		b.Fatal(err)
	}
	if err := e.Open(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := e.Close(); err != nil {
			b.Error(err)
		}
	})
	rng := rand.New(rand.NewPCG(1, 2))
	const perBatch = 10_000
	for from := 0; from < benchHours*benchRows; from += perBatch {
		batch := e.Acquire(time.Minute)
		for range perBatch {
			batch.Add(&flow.Flow{
				SrcApp: fmt.Sprintf("service-%04d", rng.IntN(4000)), DestApp: fmt.Sprintf("service-%04d", rng.IntN(4000)),
				VPCID: fmt.Sprintf("vpc-%d", rng.IntN(12)), BytesTx: rng.Uint64N(1 << 30), BytesRx: rng.Uint64N(1 << 30),
				Hour: flow.Hour(from / benchRows),
			})
		}
		if _, err := e.Append(batch, flow.Origin{}); err != nil {
			b.Fatal(err)
		}
	}
	if err := e.Checkpoint(); err != nil {
		b.Fatal(err)
	}
	return e
}

// answer is a row of an answer: names, where there are some, and bytes.
type answer struct {
	src, dest, vpc string
	tx, rx         uint64
}

// BenchmarkQuestions asks DuckDB and the server's own reader the same, of the same folder and with as
// many threads, after having compared what they answer.
func BenchmarkQuestions(b *testing.B) {
	dir := b.TempDir()
	e := fillFolder(b, dir)
	db := open(b, dir)
	if _, err := db.Exec(fmt.Sprintf("SET threads = %d", benchThreads)); err != nil {
		b.Fatal(err)
	}
	const (
		top    = "SELECT src_app, dest_app, vpc_id, bytes_tx, bytes_rx FROM flows %s ORDER BY bytes_tx DESC LIMIT 10"
		groups = "SELECT '', '', vpc_id, sum(bytes_tx)::UBIGINT, sum(bytes_rx)::UBIGINT FROM flows %s GROUP BY vpc_id"
		hour   = "WHERE hour = 2"
	)
	byVPC := query.Query{To: benchHours, Grouped: true, GroupBy: flow.Fields(0).With(flow.VPCID)}
	first := query.Query{To: benchHours, Limit: best, Order: query.Order{By: query.ByBytesTx, Descending: true}}
	oneHour := func(q query.Query) query.Query {
		q.From, q.To = 2, 3
		return q
	}
	for _, c := range []struct {
		name, sql string
		q         query.Query
	}{
		{"top", fmt.Sprintf(top, hour), oneHour(first)},
		{"by-vpc", fmt.Sprintf(groups, hour), oneHour(byVPC)},
		{"top-of-all", fmt.Sprintf(top, ""), first},
		{"by-vpc-of-all", fmt.Sprintf(groups, ""), byVPC},
	} {
		if want, got := sorted(askDuckDB(b, db, c.sql)), sorted(ask(b, e, &c.q)); !reflect.DeepEqual(want, got) {
			b.Fatalf("%s: %v, and DuckDB has %v", c.name, got, want)
		}
		b.Run(c.name+"/duckdb", func(b *testing.B) {
			for b.Loop() {
				askDuckDB(b, db, c.sql)
			}
			report(b)
		})
		b.Run(c.name+"/flowd", func(b *testing.B) {
			for b.Loop() {
				ask(b, e, &c.q)
			}
			report(b)
		})
	}
}

func report(b *testing.B) {
	b.ReportMetric(1e3*b.Elapsed().Seconds()/float64(b.N), "ms/op")
}

func sorted(a []answer) []answer {
	slices.SortFunc(a, func(x, y answer) int { return cmp.Or(cmp.Compare(y.tx, x.tx), cmp.Compare(x.vpc, y.vpc)) })
	return a
}

func ask(b *testing.B, e *local.Engine, q *query.Query) (all []answer) {
	b.Helper()
	result, err := query.Run(e, q, query.Options{MaxGroups: benchRows, Workers: benchThreads})
	if err != nil {
		b.Fatal(err)
	}
	defer result.Close()
	var rows [64]flow.Row
	for n := result.Next(rows[:]); n > 0; n = result.Next(rows[:]) {
		for _, r := range rows[:n] {
			src, dest, vpc := r.Key.Names()
			a := answer{vpc: string(vpc), tx: r.Totals.BytesTx, rx: r.Totals.BytesRx}
			if !q.Grouped {
				a.src, a.dest = string(src), string(dest)
			}
			all = append(all, a)
		}
	}
	if err := result.Err(); err != nil {
		b.Fatal(err)
	}
	return all
}

func askDuckDB(b *testing.B, db *sql.DB, query string) (all []answer) {
	b.Helper()
	found, err := db.Query(query)
	if err != nil {
		b.Fatal(err)
	}
	defer found.Close()
	for found.Next() {
		var a answer
		if err := found.Scan(&a.src, &a.dest, &a.vpc, &a.tx, &a.rx); err != nil {
			b.Fatal(err)
		}
		all = append(all, a)
	}
	if err := found.Err(); err != nil {
		b.Fatal(err)
	}
	return all
}
