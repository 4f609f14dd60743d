package wal

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"flowd/disk"
)

// BenchmarkGroup appends durable groups of one record to a log on the disk that TMPDIR is on. In
// turn with each it does the least that any log must there, one write and one fdatasync on a file
// that was filled before: so both see the same disk, whoever else uses it.
func BenchmarkGroup(b *testing.B) {
	for _, size := range []int{100, 4 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) { groups(b, size) })
	}
}

func groups(b *testing.B, size int) {
	record := make([]byte, size)
	for i := range record {
		record[i] = byte(i * 7)
	}
	l := benchLog(b, Fsync)
	f, err := disk.OS.Create(filepath.Join(b.TempDir(), "plain"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := fill(f, 0, DefaultSegmentBytes); err != nil {
		b.Fatal(err)
	}
	var plain, log []time.Duration
	var off int64
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		if off+int64(size) > DefaultSegmentBytes {
			off = 0
		}
		began := time.Now()
		if err := writeAll(f, record, off); err != nil {
			b.Fatal(err)
		}
		if err := f.SyncData(); err != nil {
			b.Fatal(err)
		}
		plain = append(plain, time.Since(began))
		off += roundUp(int64(size), pageBytes)

		began = time.Now()
		benchAppend(b, l, record)
		log = append(log, time.Since(began))
	}
	report(b, "plain", plain, size)
	report(b, "log", log, size)
}

// report reports the median time of a group, and the bytes per second of all of them.
func report(b *testing.B, name string, took []time.Duration, size int) {
	slices.Sort(took)
	var sum time.Duration
	for _, d := range took {
		sum += d
	}
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "p50-µs-"+name)
	b.ReportMetric(float64(size*len(took))/sum.Seconds()/1e6, "MB/s-"+name)
}

// BenchmarkUnsynced is what the log itself costs, with the page cache.
func BenchmarkUnsynced(b *testing.B) {
	for _, size := range []int{100, 4 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			l := benchLog(b, None)
			record := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				benchAppend(b, l, record)
			}
		})
	}
}

// benchLog returns a new log with its spares ready.
func benchLog(b *testing.B, d Durability) *Log {
	o := Options{Dir: filepath.Join(b.TempDir(), "wal"), Durability: d}
	r, err := NewReader(disk.OS, o.Dir, Position{})
	if err != nil {
		b.Fatal(err)
	}
	if r.Next() {
		b.Fatal("a new log has records")
	}
	l, err := Open(o, r)
	if err != nil {
		b.Fatal(err)
	}
	l.Start()
	b.Cleanup(func() {
		if err := l.Close(); err != nil {
			b.Error(err)
		}
	})
	for l.Stats().Spares < wantedSpares {
		<-l.changed
	}
	return l
}

// benchAppend appends a record, and drops now and then as a checkpoint does.
func benchAppend(b *testing.B, l *Log, record []byte) {
	if err := l.Reserve(len(record) + RecordOverhead); err != nil {
		b.Fatal(err)
	}
	at, err := l.Append([][]byte{record})
	if err != nil {
		b.Fatal(err)
	}
	if l.Stats().Segments > 2 {
		if err := l.Drop(at); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRead reads a log of 128 MiB that is in the page cache, in groups of 64 records.
func BenchmarkRead(b *testing.B) {
	l := benchLog(b, None)
	records := make([][]byte, 64)
	for i := range records {
		records[i] = make([]byte, 2000)
	}
	for l.Size() < 128<<20 {
		if _, err := l.Append(records); err != nil {
			b.Fatal(err)
		}
	}
	size := l.Size()
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		r, err := NewReader(disk.OS, l.o.Dir, Position{})
		if err != nil {
			b.Fatal(err)
		}
		for r.Next() {
		}
		if r.Err() != nil || r.bytes != size {
			b.Fatal(r.Err(), r.bytes, size)
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
