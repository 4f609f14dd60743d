package duckdb_test

import (
	"cmp"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"

	"flowd/block"
	"flowd/disk"
	"flowd/flow"
)

const (
	benchRows    = 1_000_000
	benchThreads = 2
	best         = 10
)

// benchBlock writes a block as 4,000 services in 12 VPCs make it, in no order.
func benchBlock(b *testing.B, dir string) block.File {
	b.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	rows := make([]flow.Row, benchRows)
	for i := range rows {
		f := flow.Flow{
			SrcApp: fmt.Sprintf("service-%04d", rng.IntN(4000)), DestApp: fmt.Sprintf("service-%04d", rng.IntN(4000)),
			VPCID: fmt.Sprintf("vpc-%d", rng.IntN(12)), BytesTx: rng.Uint64N(1 << 30), BytesRx: rng.Uint64N(1 << 30),
		}
		rows[i] = flow.Row{Key: f.Key(), Totals: flow.Totals{BytesTx: f.BytesTx, BytesRx: f.BytesRx}, Hour: 7}
	}
	f, _, err := block.Write(disk.OS, dir, &listRows{rows}, block.Options{Hour: 7, Generation: 1})
	if err != nil {
		b.Fatal(err)
	}
	return f
}

// answer is a row of an answer: names, where there are some, and bytes.
type answer struct {
	src, dest, vpc string
	tx, rx         uint64
}

// BenchmarkScans asks DuckDB and the scans of a block for the same, of the same file and with as many
// threads, after having compared what they answer.
func BenchmarkScans(b *testing.B) {
	dir := b.TempDir()
	f := benchBlock(b, dir)
	db := open(b, dir)
	if _, err := db.Exec(fmt.Sprintf("SET threads = %d", benchThreads)); err != nil {
		b.Fatal(err)
	}
	from := fmt.Sprintf(" FROM read_parquet('%s') ", filepath.Join(dir, f.Name))
	for _, c := range []struct {
		name, query string
		scan        func(b *testing.B, dir string, f block.File) []answer
	}{
		{"top", fmt.Sprintf("SELECT src_app, dest_app, vpc_id, bytes_tx, bytes_rx%sORDER BY bytes_tx DESC LIMIT %d", from, best), scanTop},
		{"by-vpc", "SELECT '', '', vpc_id, sum(bytes_tx)::UBIGINT, sum(bytes_rx)::UBIGINT" + from + "GROUP BY vpc_id", scanVPCs},
	} {
		want, got := sorted(ask(b, db, c.query)), sorted(c.scan(b, dir, f))
		if !reflect.DeepEqual(want, got) {
			b.Fatalf("%s: %v, and DuckDB has %v", c.name, got, want)
		}
		b.Run(c.name+"/duckdb", func(b *testing.B) {
			for b.Loop() {
				ask(b, db, c.query)
			}
		})
		b.Run(c.name+"/block", func(b *testing.B) {
			for b.Loop() {
				c.scan(b, dir, f)
			}
		})
	}
}

func sorted(a []answer) []answer {
	slices.SortFunc(a, func(x, y answer) int { return cmp.Or(cmp.Compare(y.tx, x.tx), cmp.Compare(x.vpc, y.vpc)) })
	return a
}

func ask(b *testing.B, db *sql.DB, query string) (all []answer) {
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

// scan reads a block by a goroutine for each scan, and gives each chunk to take with the number of its
// scan.
func scan(b *testing.B, dir string, f block.File, names flow.Fields, take func(at int, s flow.Scan, c *flow.Chunk)) {
	b.Helper()
	scans, err := block.OpenScans(disk.OS, dir, f, block.ScanOptions{Names: names, Most: benchThreads})
	if err != nil {
		b.Fatal(err)
	}
	var all sync.WaitGroup
	for at, s := range scans {
		all.Go(func() {
			defer s.Close()
			var c flow.Chunk
			for s.Next(&c) {
				take(at, s, &c)
			}
			if s.Err() != nil {
				b.Error(s.Err())
			}
		})
	}
	all.Wait()
}

// scanTop answers by totals, and by the keys of rows that are among the best when they come.
func scanTop(b *testing.B, dir string, f block.File) []answer {
	var tops [benchThreads][]flow.Row // descending
	descending := func(x, y flow.Row) int { return cmp.Compare(y.Totals.BytesTx, x.Totals.BytesTx) }
	scan(b, dir, f, 0, func(at int, s flow.Scan, c *flow.Chunk) {
		top := tops[at]
		for i, t := range c.Totals {
			if len(top) == best && t.BytesTx <= top[best-1].Totals.BytesTx {
				continue
			}
			r := flow.Row{Key: s.Key(i), Totals: t}
			to, _ := slices.BinarySearchFunc(top, r, descending)
			top = slices.Insert(top, to, r)
			top = top[:min(len(top), best)]
		}
		tops[at] = top
	})
	top := slices.Concat(tops[:]...)
	slices.SortFunc(top, descending)
	var all []answer
	for _, r := range top[:best] {
		src, dest, vpc := r.Key.Names()
		all = append(all, answer{string(src), string(dest), string(vpc), r.Totals.BytesTx, r.Totals.BytesRx})
	}
	return all
}

// sums are bytes by name.
type sums map[string]flow.Totals

func (s sums) add(name string, t flow.Totals) {
	sum := s[name]
	s[name] = flow.Totals{BytesTx: sum.BytesTx + t.BytesTx, BytesRx: sum.BytesRx + t.BytesRx}
}

// scanVPCs answers by adding up codes, and by names once for each row group.
func scanVPCs(b *testing.B, dir string, f block.File) []answer {
	type part struct {
		group int
		dict  []string
		codes []flow.Totals // of the row group
		done  sums          // of those before it
	}
	var parts [benchThreads]part
	for at := range parts {
		parts[at].done = sums{}
	}
	finish := func(p *part) {
		for code, t := range p.codes {
			p.done.add(p.dict[code], t)
		}
	}
	scan(b, dir, f, flow.Fields(0).With(flow.VPCID), func(at int, _ flow.Scan, c *flow.Chunk) {
		p := &parts[at]
		if p.group != c.Group {
			finish(p)
			p.group, p.dict = c.Group, c.Dicts[flow.VPCID]
			p.codes = make([]flow.Totals, len(p.dict))
		}
		for i, code := range c.Codes[flow.VPCID] {
			p.codes[code].BytesTx += c.Totals[i].BytesTx
			p.codes[code].BytesRx += c.Totals[i].BytesRx
		}
	})
	all := sums{}
	for at := range parts {
		finish(&parts[at])
		for name, t := range parts[at].done {
			all.add(name, t)
		}
	}
	var answers []answer
	for name, t := range all {
		answers = append(answers, answer{vpc: name, tx: t.BytesTx, rx: t.BytesRx})
	}
	return answers
}
