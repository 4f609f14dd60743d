package block

import (
	"encoding/binary"
	"runtime"
	"testing"
	"time"

	"flowd/disk"
	"flowd/flow"
)

// manyRows is a cursor that makes rows as they are asked for, all with names of their own.
type manyRows struct{ next, end uint64 }

func (m *manyRows) Next(dst []flow.Row) int {
	n := 0
	for n < len(dst) && m.next < m.end {
		name := [200]byte{}
		binary.BigEndian.PutUint64(name[:], m.next*0x9e3779b97f4a7c15)
		dst[n] = row(7, string(name[:]), "dest", "vpc", m.next, m.next)
		m.next++
		n++
	}
	return n
}

func (m *manyRows) Err() error { return nil }
func (m *manyRows) Close()     {}

// liveHeap is how many bytes are in use.
func liveHeap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // pools are emptied by the second
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// TestMemoryIsBoundedByARowGroup writes, reads and scans a block of 26 MB of names in row groups of 1 MB.
// All hold a few copies of one at a time: as names, hashed, encoded, compressed.
func TestMemoryIsBoundedByARowGroup(t *testing.T) {
	const rows, rowGroup, most = 130_000, 5_000, 10 << 20
	dir := t.TempDir()
	before, writing := liveHeap(), int64(0)
	calls := 0
	f, _, err := Write(disk.OS, dir, &manyRows{end: rows}, Options{
		Hour: 7, Generation: 1, RowGroup: rowGroup,
		Pace: func(time.Duration) {
			if calls++; calls%10 == 0 {
				writing = max(writing, liveHeap()-before)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(disk.OS, dir, f)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	before = liveHeap()
	reading, count := int64(0), 0
	dst := make([]flow.Row, 1000)
	for n := r.Next(dst); n > 0; n = r.Next(dst) {
		if count += n; count%8000 == 0 {
			reading = max(reading, liveHeap()-before)
		}
	}
	if count != rows || r.Err() != nil {
		t.Fatalf("%d rows of %d, %v", count, rows, r.Err())
	}
	scanning := heldByScan(t, dir, f)
	t.Logf("writing held %d KiB, reading %d KiB, scanning %d KiB", writing>>10, reading>>10, scanning>>10)
	if writing > most || reading > most || scanning > most {
		t.Errorf("writing held %d bytes, reading %d and scanning %d, more than %d", writing, reading, scanning, most)
	}
}

// heldByScan scans the block f with all of its keys, and returns how much memory that held at most.
func heldByScan(t *testing.T, dir string, f File) (most int64) {
	t.Helper()
	s := openScans(t, disk.OS, dir, f, ScanOptions{Names: flow.AllFields})[0]
	defer s.Close()
	before := liveHeap()
	rows := uint64(0)
	var c flow.Chunk
	for s.Next(&c) {
		for i := range c.Totals {
			s.Key(i)
		}
		rows += uint64(len(c.Totals))
		most = max(most, liveHeap()-before)
	}
	if rows != f.Rows || s.Err() != nil {
		t.Fatalf("%d rows of %d, %v", rows, f.Rows, s.Err())
	}
	return most
}
