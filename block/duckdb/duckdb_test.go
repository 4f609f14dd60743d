// Package duckdb_test has DuckDB read blocks: a reader that shares no code with the writer. It is a
// module of its own, so that the server does not carry DuckDB.
package duckdb_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"

	"flowd/block"
	"flowd/clock"
	"flowd/disk"
	"flowd/flow"
	"flowd/store/manifest"
)

// listRows is a cursor over rows in memory.
type listRows struct{ rows []flow.Row }

func (l *listRows) Next(dst []flow.Row) int {
	n := copy(dst, l.rows)
	l.rows = l.rows[n:]
	return n
}

func (l *listRows) Err() error { return nil }
func (l *listRows) Close()     {}

// Rows that are not like the others.
var (
	longest  = strings.Repeat("ü", flow.MaxName/2)
	strange  = flow.Flow{SrcApp: longest, DestApp: "naïve-服务-🚀", VPCID: `a "b"`, BytesTx: math.MaxUint64, BytesRx: 0}
	ordinary = flow.Flow{SrcApp: "svc-a", DestApp: "svc-b", VPCID: "vpc-0a1b2c3d4e5f60718", BytesTx: 123, BytesRx: 1 << 63}
)

// writeHours writes blocks of some hours, one of them without rows, and returns the rows of each.
func writeHours(t *testing.T, dir string) map[flow.Hour][]flow.Row {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	hours := map[flow.Hour][]flow.Row{482659: nil, 482660: nil, 0: nil, flow.MaxHour: nil}
	for hour := range hours {
		var rows []flow.Row
		for range 10_000 {
			if hour == 0 {
				break
			}
			f := flow.Flow{
				SrcApp: fmt.Sprintf("svc-%04d", rng.IntN(300)), DestApp: fmt.Sprintf("svc-%04d", rng.IntN(300)),
				VPCID: fmt.Sprintf("vpc-%d", rng.IntN(5)), BytesTx: rng.Uint64() >> rng.IntN(64), BytesRx: rng.Uint64() >> rng.IntN(64),
			}
			rows = append(rows, flow.Row{Key: f.Key(), Totals: flow.Totals{BytesTx: f.BytesTx, BytesRx: f.BytesRx}, Hour: hour})
		}
		if hour == 482660 {
			for _, f := range []flow.Flow{strange, ordinary} {
				rows = append(rows, flow.Row{Key: f.Key(), Totals: flow.Totals{BytesTx: f.BytesTx, BytesRx: f.BytesRx}, Hour: hour})
			}
		}
		o := block.Options{Hour: hour, Generation: 7, RowGroup: 3000}
		if _, _, err := block.Write(disk.OS, dir, &listRows{rows}, o); err != nil {
			t.Fatal(err)
		}
		hours[hour] = rows
	}
	return hours
}

// open returns a DuckDB that has the blocks below dir as the view flows.
func open(t testing.TB, dir string) *sql.DB {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	// Views are of one connection's database, which is in memory.
	db.SetMaxOpenConns(1)
	from := filepath.Join(dir, "hours", "*", "*.parquet")
	if _, err := db.Exec(fmt.Sprintf("CREATE VIEW flows AS SELECT * FROM read_parquet('%s', hive_partitioning = true)", from)); err != nil {
		t.Fatal(err)
	}
	return db
}

func TestSumsOfHours(t *testing.T) {
	dir := t.TempDir()
	hours := writeHours(t, dir)
	db := open(t, dir)
	found, err := db.Query("SELECT hour, count(*), sum(bytes_tx), sum(bytes_rx) FROM flows GROUP BY hour")
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	seen := 0
	for found.Next() {
		var hour flow.Hour
		var rows int
		var tx, rx *big.Int
		if err := found.Scan(&hour, &rows, &tx, &rx); err != nil {
			t.Fatal(err)
		}
		var wantTx, wantRx flow.Sum
		for _, r := range hours[hour] {
			wantTx.Add(r.Totals.BytesTx)
			wantRx.Add(r.Totals.BytesRx)
		}
		if rows != len(hours[hour]) || tx.String() != wantTx.String() || rx.String() != wantRx.String() {
			t.Errorf("hour %d has %d rows, %v and %v, not %d, %v and %v", hour, rows, tx, rx, len(hours[hour]), wantTx, wantRx)
		}
		seen++
	}
	if err := found.Err(); err != nil || seen != len(hours)-1 {
		t.Errorf("%d hours have rows, not %d; %v", seen, len(hours)-1, err)
	}
}

// TestExactRows asks for rows by each column, which has DuckDB use the statistics of pages and row
// groups too.
func TestExactRows(t *testing.T) {
	dir := t.TempDir()
	writeHours(t, dir)
	db := open(t, dir)
	for _, f := range []flow.Flow{strange, ordinary} {
		for where, value := range map[string]any{
			"src_app = ?": f.SrcApp, "dest_app = ?": f.DestApp, "vpc_id = ?": f.VPCID,
			"bytes_tx = CAST(? AS UBIGINT)": fmt.Sprint(f.BytesTx), "bytes_rx = CAST(? AS UBIGINT)": fmt.Sprint(f.BytesRx),
		} {
			got := flow.Flow{}
			err := db.QueryRow("SELECT * FROM flows WHERE hour = 482660 AND src_app = ? AND "+where, f.SrcApp, value).
				Scan(&got.SrcApp, &got.DestApp, &got.VPCID, &got.BytesTx, &got.BytesRx, &got.Hour)
			want := f
			want.Hour = 482660
			if err != nil || got != want {
				t.Errorf("by %s: %+v, not %+v; %v", where, got, want, err)
			}
		}
	}
}

func TestFilteredCounts(t *testing.T) {
	dir := t.TempDir()
	hours := writeHours(t, dir)
	db := open(t, dir)
	for _, name := range []string{"svc-0000", "svc-0150", "svc-0299", "svc-0300"} {
		want := 0
		for _, rows := range hours {
			for _, r := range rows {
				if src, _, _ := r.Key.Names(); string(src) == name {
					want++
				}
			}
		}
		got := 0
		if err := db.QueryRow("SELECT count(*) FROM flows WHERE src_app = ?", name).Scan(&got); err != nil || got != want {
			t.Errorf("%d rows from %s, not %d; %v", got, name, want, err)
		}
	}
}

func TestTypes(t *testing.T) {
	dir := t.TempDir()
	writeHours(t, dir)
	found, err := open(t, dir).Query("SELECT column_name, column_type FROM (DESCRIBE flows)")
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	var got []string
	for found.Next() {
		var column, kind string
		if err := found.Scan(&column, &kind); err != nil {
			t.Fatal(err)
		}
		got = append(got, column+" "+kind)
	}
	want := "[src_app VARCHAR dest_app VARCHAR vpc_id VARCHAR bytes_tx UBIGINT bytes_rx UBIGINT hour BIGINT]"
	if fmt.Sprint(got) != want || found.Err() != nil {
		t.Errorf("%v, not %s; %v", got, want, found.Err())
	}
}

// TestFilesOfTheManifest reads as a program does that must not count an hour twice while a checkpoint
// runs: the files that the manifest names, which it reads as JSON behind a line.
func TestFilesOfTheManifest(t *testing.T) {
	dir := t.TempDir()
	m := &manifest.Manifest{Generation: 2, Log: manifest.Position("{}"), Clock: &clock.State{}}
	for generation := range uint64(4) {
		r := flow.Row{Key: ordinary.Key(), Totals: flow.Totals{BytesTx: generation}, Hour: 5}
		f, _, err := block.Write(disk.OS, dir, &listRows{[]flow.Row{r}}, block.Options{Hour: 5, Generation: generation})
		if err != nil {
			t.Fatal(err)
		}
		if generation == m.Generation {
			m.Hours = []manifest.Hour{{Hour: 5, Tuples: 1, Block: f}, {Hour: 6}}
		}
	}
	if err := manifest.Write(disk.OS, dir, m); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, manifest.Name))
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := bytes.Cut(text, []byte("\n"))
	var manifest struct {
		Hours []struct{ Block struct{ Name string } }
	}
	if err := json.Unmarshal(body, &manifest); err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, h := range manifest.Hours {
		if h.Block.Name != "" {
			files = append(files, "'"+filepath.Join(dir, h.Block.Name)+"'")
		}
	}
	sum := new(big.Int)
	err = open(t, dir).QueryRow("SELECT sum(bytes_tx) FROM read_parquet([" + strings.Join(files, ", ") + "], hive_partitioning = true)").Scan(&sum)
	if err != nil || sum.Uint64() != m.Generation {
		t.Errorf("%v bytes in %v, not %d; %v", sum, files, m.Generation, err)
	}
}
