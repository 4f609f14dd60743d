package block

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"sync"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"flowd/disk"
	"flowd/disk/crashfs"
	"flowd/flow"
)

// usualRows returns n rows as a fleet of 2,000 services in 40 VPCs makes them, in no order.
func usualRows(n int, hour flow.Hour) []flow.Row {
	rng := rand.New(rand.NewPCG(1, 2))
	vpcs := make([]string, 40)
	for i := range vpcs {
		vpcs[i] = fmt.Sprintf("vpc-%017x", rng.Uint64()>>4)
	}
	app := func() string { return fmt.Sprintf("svc-%04d", rng.IntN(2000)) }
	size := func() uint64 { return rng.Uint64() >> (34 + rng.IntN(24)) }
	rows := make([]flow.Row, n)
	for i := range rows {
		rows[i] = row(hour, app(), app(), vpcs[rng.IntN(len(vpcs))], size(), size())
	}
	return rows
}

// plainRecord is a row as a program that knows nothing better would declare it.
type plainRecord struct {
	SrcApp  string `parquet:"src_app,dict"`
	DestApp string `parquet:"dest_app,dict"`
	VPCID   string `parquet:"vpc_id,dict"`
	BytesTx uint64 `parquet:"bytes_tx"`
	BytesRx uint64 `parquet:"bytes_rx"`
}

func plainRecords(rows []flow.Row) []plainRecord {
	records := make([]plainRecord, len(rows))
	for i, r := range rows {
		src, dest, vpc := r.Key.Names()
		records[i] = plainRecord{string(src), string(dest), string(vpc), r.Totals.BytesTx, r.Totals.BytesRx}
	}
	return records
}

// writePlain writes records by the library's plain writer, in memory.
func writePlain(b failer, to *bytes.Buffer, records []plainRecord) {
	to.Reset()
	w := parquet.NewGenericWriter[plainRecord](to, parquet.Compression(codec))
	if _, err := w.Write(records); err != nil {
		b.Fatal(err)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
}

const benchRows = 1_000_000

func report(b *testing.B, size int64) {
	b.ReportMetric(float64(benchRows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(size)/benchRows, "B/row")
}

func BenchmarkWrite(b *testing.B) {
	rows := usualRows(benchRows, 7)
	b.Run("block", func(b *testing.B) {
		dir := b.TempDir()
		var f File
		generation := uint64(0)
		for b.Loop() {
			generation++
			f, _ = write(b, disk.OS, dir, rows, Options{Hour: 7, Generation: generation})
		}
		report(b, f.Size)
	})
	b.Run("plain", func(b *testing.B) {
		records := plainRecords(rows)
		var out bytes.Buffer
		for b.Loop() {
			writePlain(b, &out, records)
		}
		report(b, int64(out.Len()))
	})
}

func BenchmarkRead(b *testing.B) {
	rows := usualRows(benchRows, 7)
	dst := make([]flow.Row, 1000)
	b.Run("block", func(b *testing.B) {
		dir := b.TempDir()
		f, _ := write(b, disk.OS, dir, rows, Options{Hour: 7})
		b.ReportAllocs()
		for b.Loop() {
			r, err := Open(disk.OS, dir, f)
			if err != nil {
				b.Fatal(err)
			}
			for r.Next(dst) > 0 {
			}
			if r.Err() != nil {
				b.Fatal(r.Err())
			}
			r.Close()
		}
		report(b, f.Size)
	})
	b.Run("plain", func(b *testing.B) {
		var file bytes.Buffer
		writePlain(b, &file, plainRecords(rows))
		b.ReportAllocs()
		for b.Loop() {
			readPlain[plainRecord](b, file.Bytes())
		}
		report(b, int64(file.Len()))
	})
}

// BenchmarkScan reads a block by columns, by one scan and by two beside each other, and by the library's
// plain reader, which knows of rows alone.
func BenchmarkScan(b *testing.B) {
	dir := b.TempDir()
	f, _ := write(b, disk.OS, dir, usualRows(benchRows, 7), Options{Hour: 7})
	for _, c := range []struct {
		name    string
		options ScanOptions
		keys    int // is how many chunks there are to a call of Key; 0 for none
	}{
		{"totals", ScanOptions{Most: 1}, 0},
		{"totals-and-some-keys", ScanOptions{Most: 1}, 16},
		{"totals-and-vpc", ScanOptions{Names: flow.Fields(0).With(flow.VPCID), Most: 1}, 0},
		{"all", ScanOptions{Names: flow.AllFields, Most: 1}, 0},
		{"2/totals", ScanOptions{Most: 2}, 0},
		{"2/totals-and-some-keys", ScanOptions{Most: 2}, 16},
		{"2/totals-and-vpc", ScanOptions{Names: flow.Fields(0).With(flow.VPCID), Most: 2}, 0},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				scans := openScans(b, disk.OS, dir, f, c.options)
				var all sync.WaitGroup
				for _, s := range scans {
					all.Go(func() {
						defer s.Close()
						if err := runThrough(s, c.keys); err != nil {
							b.Error(err)
						}
					})
				}
				all.Wait()
			}
			report(b, f.Size)
		})
	}
	b.Run("plain", func(b *testing.B) {
		file, err := os.ReadFile(path.Join(dir, f.Name))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			readPlain[record](b, file)
		}
		report(b, f.Size)
	})
}

// runThrough reads a scan to its end, and asks for a key in every so many chunks.
func runThrough(s flow.Scan, every int) error {
	var c flow.Chunk
	for n := 1; s.Next(&c); n++ {
		if every > 0 && n%every == 0 {
			s.Key(0)
		}
	}
	return s.Err()
}

// readPlain reads a file by the library's plain reader, as rows of type T.
func readPlain[T any](b failer, file []byte) {
	records := make([]T, 1000)
	r := parquet.NewGenericReader[T](bytes.NewReader(file))
	for {
		if _, err := r.Read(records); err == io.EOF {
			break
		} else if err != nil {
			b.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkOpen is what a start costs per hour on disk.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	f, _ := write(b, disk.OS, dir, usualRows(benchRows, 7), Options{Hour: 7})
	for b.Loop() {
		r, err := Open(disk.OS, dir, f)
		if err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(time.Microsecond), "µs/open")
}

// BenchmarkWriteSmall is what a checkpoint costs for an hour with hardly any flows, in memory.
func BenchmarkWriteSmall(b *testing.B) {
	fsys := crashfs.New()
	rows := usualRows(10, 7)
	generation := uint64(0)
	for b.Loop() {
		generation++
		f, _ := write(b, fsys, "data", rows, Options{Hour: 7, Generation: generation})
		if err := Remove(fsys, "data", f); err != nil {
			b.Fatal(err)
		}
	}
}
