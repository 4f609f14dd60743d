package wal

import (
	"errors"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/go-cmp/cmp"

	"flowd/disk"
	"flowd/disk/crashfs"
)

func TestDroppedSegmentsBecomeSparesOrGo(t *testing.T) {
	fs := crashfs.New()
	l, _ := open(t, small(fs), Position{})
	fillSegments(t, l, 6)
	if err := l.Drop(Position{Segment: 9, Group: 1}); err == nil {
		t.Error("dropped before a position that does not exist")
	}
	at := l.Position()
	if err := l.Drop(at); err != nil {
		t.Fatal(err)
	}
	// 4 and 5 wait to be used again, 7 and 8 are spares.
	wantNames(t, fs, 4, 5, 6, 7, 8)
	kept := fillSegments(t, l, 8)
	wantNames(t, fs, 6, 7, 8, 9, 10)
	if s := l.Stats(); s.Segments != 3 || s.Spares != 2 {
		t.Errorf("stats %+v", s)
	}
	r, got, err := readAll(fs, at)
	if err != nil || r.Torn() != 0 {
		t.Fatal(err, r.Torn())
	}
	if diff := cmp.Diff(kept, got); diff != "" {
		t.Fatal(diff)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, small(fs), at)
	wantNames(t, fs, 6, 7, 8, 9, 10)
}

// What goes between two drops is kept and used again: nothing is filled with zeros from the second
// interval on, and when less is used, less is kept.
func TestSegmentsOfAnIntervalAreNotFilledTwice(t *testing.T) {
	fs := crashfs.New()
	o := small(fs)
	o.KeepBytes = 12 * minSegmentBytes
	l, _ := open(t, o, Position{})
	made := 0
	fs.Inject(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate {
			made++
		}
		return nil
	})
	interval := func(segments uint64) {
		t.Helper()
		fillSegments(t, l, int(l.Position().Segment+segments))
		if err := l.Drop(l.Position()); err != nil {
			t.Fatal(err)
		}
		l.prepareSpares()
	}
	interval(8)
	for range 5 {
		made = 0
		interval(8)
		if s := l.Stats(); made != 0 || s.Segments+s.Spares+s.Kept > 12 || s.Kept != 8 {
			t.Errorf("%d segments were made anew, then %+v", made, s)
		}
	}
	// One drop out of turn tells nothing, two do.
	interval(0)
	if s := l.Stats(); s.Kept != 8 {
		t.Errorf("after an interval of nothing: %+v", s)
	}
	interval(3)
	if s := l.Stats(); s.Kept != 3 {
		t.Errorf("after 0 and 3 segments: %+v", s)
	}
	// What came of a long time without drops goes at once.
	interval(40)
	if s := l.Stats(); s.Segments+s.Spares+s.Kept != 12 || s.Kept != 9 {
		t.Errorf("after 40 segments: %+v", s)
	}
	names, err := fs.List(testDir)
	if err != nil || len(names) != 12 {
		t.Errorf("%v, %v", names, err)
	}
}

// A full disk gets back all but what is needed at once.
func TestAFullDiskGetsBackItsSegments(t *testing.T) {
	fs := crashfs.New()
	o := small(fs)
	o.KeepBytes = 100 * minSegmentBytes
	l, _ := open(t, o, Position{})
	fillSegments(t, l, 9)
	fs.Inject(failing(errorfs.OpCreate, ".wal", syscall.ENOSPC))
	for l.Stats().Spares > 0 {
		appendText(t, l, text("g", 1500)) // until the last spare is in use
	}
	if l.prepareSpares() {
		t.Fatal("a segment was made on a full disk")
	}
	if err := l.Drop(l.Position()); err != nil {
		t.Fatal(err)
	}
	if s := l.Stats(); s.Kept != leastKept {
		t.Errorf("stats %+v, want %d kept", s, leastKept)
	}
}

// What cannot be removed is removed by the next drop, and is neither used again nor in the log.
func TestWhatCannotBeRemovedGoesWithTheNextDrop(t *testing.T) {
	fs := crashfs.New()
	l, _ := open(t, small(fs), Position{})
	fillSegments(t, l, 6)
	fs.Inject(failing(errorfs.OpRemove, "2.wal", syscall.EIO))
	if err := l.Drop(l.Position()); !errors.Is(err, syscall.EIO) {
		t.Fatalf("error %v", err)
	}
	wantNames(t, fs, 2, 4, 5, 6, 7, 8)
	fs.Inject(nil)
	if err := l.Drop(l.Position()); err != nil {
		t.Fatal(err)
	}
	wantNames(t, fs, 4, 5, 6, 7, 8)
}

func wantNames(t *testing.T, fs disk.FS, numbers ...uint64) {
	t.Helper()
	names, err := fs.List(testDir)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, n := range numbers {
		want = append(want, segmentName(n))
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Fatal(diff)
	}
}
