package wal_test

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowd/disk"
	"flowd/disk/crashfs"
	"flowd/wal"
)

const logDir = "data/wal"

// openLog opens the log of a disk, with segments of 16 KiB.
func openLog(t *testing.T, fsys disk.FS, d wal.Durability) *wal.Log {
	t.Helper()
	if err := fsys.MkdirAll("data"); err != nil {
		t.Fatal(err)
	}
	r, err := wal.NewReader(fsys, logDir, wal.Position{})
	if err != nil {
		t.Fatal(err)
	}
	for r.Next() {
	}
	l, err := wal.Open(wal.Options{Dir: logDir, FS: fsys, SegmentBytes: 16 << 10, Durability: d}, r)
	if err = errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return l
}

// appendGroups appends groups of one record, each its number and some bytes.
func appendGroups(l *wal.Log, from, to int) error {
	for n := from; n < to; n++ {
		record := fmt.Appendf(nil, "%06d %0*d", n, 100+n*37%900, 0)
		if err := l.Reserve(len(record) + wal.RecordOverhead); err != nil {
			return err
		}
		if _, err := l.Append([][]byte{record}); err != nil {
			return err
		}
	}
	return nil
}

// copyLog copies the segments of a log from the last to the first.
func copyLog(fsys disk.FS) (map[uint64][]byte, error) {
	heads, err := wal.Heads(fsys, logDir)
	if err != nil {
		return nil, err
	}
	copies := map[uint64][]byte{}
	for i := len(heads) - 1; i >= 0; i-- {
		var b bytes.Buffer
		info, size, err := wal.CopySegment(&b, fsys, logDir, heads[i].Number)
		if err != nil {
			return nil, err
		}
		if size != int64(b.Len()) || info.Number != heads[i].Number {
			return nil, fmt.Errorf("segment %d: copied %d bytes, and says %d of segment %d", heads[i].Number, b.Len(), size, info.Number)
		}
		copies[info.Number] = b.Bytes()
	}
	return copies, nil
}

// readCopy reads copied segments as a log and returns how many records it has, which must be those
// from the first on.
func readCopy(t *testing.T, copies map[uint64][]byte) int {
	t.Helper()
	fsys := crashfs.New()
	if err := fsys.MkdirAll(logDir); err != nil {
		t.Fatal(err)
	}
	for number, b := range copies {
		f, err := fsys.Create(path.Join(logDir, wal.SegmentName(number)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(b, 0); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	r, err := wal.NewReader(fsys, logDir, wal.Position{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; r.Next(); n++ {
		if want := fmt.Sprintf("%06d ", n); string(r.Record()[:7]) != want {
			t.Fatalf("record %d of the copy begins with %q, want %q", n, r.Record()[:7], want)
		}
		if off, size := r.Frame(); off%8 != 0 || off < 4096 || size < int64(len(r.Record())) {
			t.Errorf("record %d of %d bytes is said to be in a group of %d bytes at %d", n, len(r.Record()), size, off)
		}
	}
	if err := errors.Join(r.Err(), r.Close()); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestCopyOfALogAtRest(t *testing.T) {
	fsys := crashfs.New()
	const groups = 150
	for round := range 3 { // opened again, it goes on in another segment
		l := openLog(t, fsys, wal.Fsync)
		l.Start()
		if err := errors.Join(appendGroups(l, round*groups/3, (round+1)*groups/3), l.Close()); err != nil {
			t.Fatal(err)
		}
	}
	copies, err := copyLog(fsys)
	if err != nil {
		t.Fatal(err)
	}
	if n := readCopy(t, copies); n != groups {
		t.Errorf("the copy has %d groups, want %d", n, groups)
	}
	heads, err := wal.Heads(fsys, logDir)
	if err != nil {
		t.Fatal(err)
	}
	salts := map[uint64]bool{}
	for i, h := range heads {
		if h.Number != uint64(i+1) || h.Bytes != 16<<10 || h.Version != 1 || h.Unfinished != "" || salts[h.Salt] {
			t.Errorf("head %d: %+v, want segment %d of version 1 with a salt of its own", i, h, i+1)
		}
		salts[h.Salt] = true
	}
}

func TestCopyWhileTheLogIsWritten(t *testing.T) {
	for _, d := range []wal.Durability{wal.Fsync, wal.Interval, wal.None} {
		t.Run(d.String(), func(t *testing.T) { copyWhileWritten(t, crashfs.New(), d, 1000) })
	}
	// Here the log writes past the page cache what is read through it.
	t.Run("on disk", func(t *testing.T) {
		t.Chdir(t.TempDir())
		copyWhileWritten(t, disk.OS, wal.Fsync, 500)
	})
}

func copyWhileWritten(t *testing.T, fsys disk.FS, d wal.Durability, groups int) {
	l := openLog(t, fsys, d)
	l.Start()
	var written atomic.Int64
	done := make(chan error, 1)
	go func() {
		for n := range groups {
			if err := appendGroups(l, n, n+1); err != nil {
				done <- err
				return
			}
			written.Add(1)
		}
		done <- nil
	}()
	for running := true; running; {
		select {
		case err := <-done:
			if running = false; err != nil {
				t.Fatal(err)
			}
		default:
		}
		before := int(written.Load())
		copies, err := copyLog(fsys)
		if err != nil {
			t.Fatal(err)
		}
		if n := readCopy(t, copies); n < before {
			t.Fatalf("a copy has %d groups, and %d were appended before it was begun", n, before)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// staleFS shows a part of a segment as zeros, in the first reads or in all.
type staleFS struct {
	disk.FS
	off, size int64
	reads     int // that are stale
}

type staleFile struct {
	disk.File
	fsys *staleFS
}

func (s *staleFS) Open(name string) (disk.File, error) {
	f, err := s.FS.Open(name)
	return staleFile{f, s}, err
}

func (f staleFile) ReadAt(b []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(b, off)
	if f.fsys.reads > 0 {
		f.fsys.reads--
		for i := max(f.fsys.off-off, 0); i < min(f.fsys.off+f.fsys.size-off, int64(n)); i++ {
			b[i] = 0
		}
	}
	return n, err
}

// A group that was read before it was written, and those behind it after, is no damage; one that
// stays away is.
func TestCopyTellsARaceFromDamage(t *testing.T) {
	fsys := crashfs.New()
	l := openLog(t, fsys, wal.Fsync)
	if err := errors.Join(appendGroups(l, 0, 12), l.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := wal.NewReader(fsys, logDir, wal.Position{})
	if err != nil {
		t.Fatal(err)
	}
	type place struct{ off, size int64 }
	var places []place
	for r.Next() {
		off, size := r.Frame()
		places = append(places, place{off, size})
	}
	if err := errors.Join(r.Err(), r.Close()); err != nil {
		t.Fatal(err)
	}
	const always = 1 << 30
	for _, c := range []struct {
		name    string
		group   int
		off     int64 // from the frame's begin on
		reads   int
		damaged bool
		groups  uint64
	}{
		{"first, once", 0, 0, 1, false, 12},
		{"first, always", 0, 0, always, true, 0},
		{"middle, once", 5, 0, 1, false, 12},
		{"middle, always", 5, 0, always, true, 5},
		{"payload, once", 5, 40, 1, false, 12},
		{"payload, always", 5, 40, always, true, 5},
		{"last, once", 11, 0, 1, false, 11},
		{"last, always", 11, 0, always, false, 11},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := places[c.group]
			stale := &staleFS{FS: fsys, off: at.off + c.off, size: at.size - c.off, reads: c.reads}
			var b bytes.Buffer
			info, _, err := wal.CopySegment(&b, stale, logDir, 1)
			var damage *wal.CorruptionError
			if errors.As(err, &damage) != c.damaged || !c.damaged && err != nil || info.Frames != c.groups {
				t.Fatalf("%d groups, error %v; want %d, damage %v", info.Frames, err, c.groups, c.damaged)
			}
			if c.damaged && damage.Offset != at.off {
				t.Errorf("damage at %d, want %d", damage.Offset, at.off)
			}
		})
	}
}

func TestHeadsOfUnfinishedSegments(t *testing.T) {
	fsys := crashfs.New()
	if err := fsys.MkdirAll(logDir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{wal.SegmentName(7), "notes.txt"} {
		f, err := fsys.Create(path.Join(logDir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	heads, err := wal.Heads(fsys, logDir)
	if err != nil {
		t.Fatal(err)
	}
	want := []wal.Head{{Number: 7, Unfinished: "0 bytes are no header"}}
	if diff := cmp.Diff(want, heads); diff != "" {
		t.Errorf("heads (-want +got):\n%s", diff)
	}
	var b bytes.Buffer
	if info, _, err := wal.CopySegment(&b, fsys, logDir, 7); err != nil || !info.Unfinished || b.Len() > 0 {
		t.Errorf("copied %d bytes of it: %+v, %v", b.Len(), info, err)
	}
}
