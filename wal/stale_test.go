package wal

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowd/disk/crashfs"
)

// A segment that is used again is full of frames that were whole, behind the last one of now.
func TestStaleFramesOfARecycledSegment(t *testing.T) {
	fs := crashfs.New()
	l, _ := open(t, small(fs), Position{})
	fillSegments(t, l, 3)
	from := l.Position()
	if err := l.Drop(from); err != nil {
		t.Fatal(err)
	}
	want := append([]group(nil), fillSegments(t, l, 7)...)
	d := &damaged{t: t, fs: fs}
	last := want[len(want)-1].Position.Segment
	if h, why := readHeader(d.read(last)); why != "" || h.number != last {
		t.Fatalf("header %+v: %s", h, why)
	}
	if stale := d.read(last)[3*pageBytes:]; len(stale) == 0 || stale[100] == 0 {
		t.Fatalf("segment %d was not used before, this test proves nothing", last)
	}
	_, got, err := readAll(fs, from)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	// A whole frame of before, where the next one would begin: it has another salt, and the number
	// that is due.
	c := source{salted: saltSum(12345)}
	b := make([]byte, pageBytes)
	f := frame{length: 2, records: 1, group: want[len(want)-1].Position.Group + 1, durable: 1}
	copy(b[frameHeader:], "\x01x")
	f.put(b, c.salted)
	d.write(last, firstFrame+frameSize(int64(len(want[len(want)-1].Records[0]))+2), b)
	r, got, err := readAll(fs, from)
	if err != nil || r.Torn() == 0 {
		t.Fatalf("%d bytes torn, %v", r.Torn(), err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

// Groups that were not synced may come to the disk in any order: one that is missing is the torn
// tail, with all behind it, though those are whole.
func TestAnUnsyncedHoleIsATornTail(t *testing.T) {
	for _, c := range []struct {
		name     string
		segment  uint64
		group    int // of that segment, from 0
		syncFrom int // groups before which all are synced
		damage   bool
	}{
		{name: "in the last segment", segment: 3, group: 1, syncFrom: 0},
		{name: "in an earlier segment", segment: 1, group: 2, syncFrom: 0},
		{name: "the first group of a segment", segment: 2, group: 0, syncFrom: 0},
		{name: "the very first group", segment: 1, group: 0, syncFrom: 0},
		{name: "the first that was not synced", segment: 1, group: 3, syncFrom: 3},
		{name: "the last that was synced", segment: 1, group: 3, syncFrom: 4, damage: true},
		{name: "synced in an earlier segment", segment: 2, group: 0, syncFrom: 20, damage: true},
	} {
		for _, durability := range []Durability{Interval, None} {
			t.Run(c.name+", "+durability.String(), func(t *testing.T) {
				holed(t, durability, c.segment, c.group, c.syncFrom, c.damage)
			})
		}
	}
}

func holed(t *testing.T, durability Durability, segment uint64, index, syncFrom int, damage bool) {
	o := small(crashfs.New())
	o.Durability = durability
	l, _ := open(t, o, Position{})
	d := &damaged{t: t, fs: o.FS}
	for len(d.groups) == 0 || d.groups[len(d.groups)-1].Position.Segment < 3 || len(d.groups) < 22 {
		if len(d.groups) == syncFrom {
			if err := l.syncWritten(); err != nil {
				t.Fatal(err)
			}
		}
		l.prepareSpares()
		d.groups = append(d.groups, appendText(t, l, text("g", 1500)))
	}
	hole, off := d.at(segment, index)
	d.write(segment, off, make([]byte, 600))
	r, got, err := readAll(o.FS, Position{})
	if damage {
		var e *CorruptionError
		if !errors.As(err, &e) || e.Segment != segment || e.Offset != off {
			t.Fatalf("error %v, want damage in %d at %d", err, segment, off)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if r.Torn() == 0 {
		t.Error("nothing torn")
	}
	survives(t, d, r, got, len(d.groups)-int(hole.Position.Group)+1)
}

// A frame that ends with its page is followed by zeros, not by what was there before, which would
// look like a torn frame.
func TestStaleFramesBehindAFullPage(t *testing.T) {
	fs := crashfs.New()
	l, _ := open(t, small(fs), Position{})
	fillSegments(t, l, 3)
	if err := l.Drop(l.Position()); err != nil {
		t.Fatal(err)
	}
	fillSegments(t, l, 6)
	from := l.Position()
	for range 2 {
		if err := l.advance(); err != nil {
			t.Fatal(err)
		}
		l.prepareSpares()
		appendText(t, l, text("page", pageBytes-frameHeader-2))
	}
	if r, _, err := readAll(fs, from); err != nil || r.Torn() != 0 {
		t.Fatalf("%d bytes torn, %v", r.Torn(), err)
	}
}

// A frame is found wherever it stands to the windows in which a segment is read.
func TestScanFindsFramesAcrossWindows(t *testing.T) {
	fs := crashfs.New()
	f, err := fs.Create(segmentName(1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := fill(f, 0, 3*windowBytes); err != nil {
		t.Fatal(err)
	}
	for off := int64(windowBytes - 2*frameHeader); off <= windowBytes+2*frameHeader; off += frameAlign {
		s, err := openSource(fs, ".", 1)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, frameHeader)
		frame{length: 5, records: 1, group: 7, durable: 6}.put(b, s.salted)
		if err := writeAll(f, b, off); err != nil {
			t.Fatal(err)
		}
		w, err := s.scan(0, 1, 100)
		if want := (witness{first: 7, durable: 6, at: off, end: off + frameSize(5)}); err != nil || w != want {
			t.Fatalf("at %d: %+v, %v, want %+v", off, w, err, want)
		}
		if err := errors.Join(writeAll(f, make([]byte, frameHeader), off), s.close()); err != nil {
			t.Fatal(err)
		}
	}
}
