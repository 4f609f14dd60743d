package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowd/disk"
	"flowd/disk/crashfs"
)

const testDir = "data/wal"

// counter returns salts that are all different.
func counter() func() uint64 {
	n := uint64(0)
	return func() uint64 { n++; return n * 0x9e3779b97f4a7c15 }
}

// small returns options for segments of four pages.
func small(fs disk.FS) Options {
	return Options{Dir: testDir, FS: fs, SegmentBytes: minSegmentBytes, Salt: counter()}
}

// group is a group as it was appended or read.
type group struct {
	Position Position
	Records  []string
}

// readAll reads a log to its end.
func readAll(fs disk.FS, from Position) (*Reader, []group, error) {
	r, err := NewReader(fs, testDir, from)
	if err != nil {
		return nil, nil, err
	}
	var groups []group
	for r.Next() {
		if n := len(groups); n == 0 || groups[n-1].Position != r.Position() {
			groups = append(groups, group{Position: r.Position()})
		}
		last := &groups[len(groups)-1]
		last.Records = append(last.Records, string(r.Record()))
	}
	return r, groups, errors.Join(r.Err(), r.Close())
}

// open reads a log that must be in order, and opens it. It is closed when the test ends.
func open(t testing.TB, o Options, from Position) (*Log, []group) {
	t.Helper()
	if err := errors.Join(o.FS.MkdirAll(path.Dir(o.Dir)), o.FS.SyncDir(".")); err != nil {
		t.Fatal(err)
	}
	r, groups, err := readAll(o.FS, from)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(o, r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, groups
}

// text returns n bytes that say which they are.
func text(name string, n int) string {
	return strings.Repeat(name+" ", n/(len(name)+1)+1)[:n]
}

// appendText appends a group of one record.
func appendText(t testing.TB, l *Log, record string) group {
	t.Helper()
	at, err := l.Append([][]byte{[]byte(record)})
	if err != nil {
		t.Fatalf("group of %d bytes: %v", len(record), err)
	}
	return group{at, []string{record}}
}

// fillSegments appends groups until so many segments have some, and returns them.
func fillSegments(t testing.TB, l *Log, segments int) []group {
	t.Helper()
	var groups []group
	for {
		if !l.prepareSpares() {
			t.Fatal(l.SpaceErr())
		}
		if len(groups) > 0 && groups[len(groups)-1].Position.Segment >= uint64(segments) {
			return groups
		}
		groups = append(groups, appendText(t, l, text(fmt.Sprint("g", len(groups)+1), 1500)))
	}
}

func TestWhatWasAppendedIsRead(t *testing.T) {
	for _, d := range []Durability{Fsync, Interval, None} {
		t.Run(d.String(), func(t *testing.T) {
			fs := crashfs.New()
			o := small(fs)
			o.Durability = d
			l, groups := open(t, o, Position{})
			if len(groups) > 0 {
				t.Fatalf("a new log has %v", groups)
			}
			var want []group
			for _, records := range [][]string{{"a"}, {"", "b", ""}, {text("c", 5000)}, {text("d", 4032), "e"}, {""}} {
				var b [][]byte
				for _, r := range records {
					b = append(b, []byte(r))
				}
				at, err := l.Append(b)
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, group{at, records})
			}
			at := l.Position()
			if got, err := l.Append(nil); got != at || err != nil {
				t.Fatalf("no records: %v, %v, want %v", got, err, at)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			r, got, err := readAll(fs, Position{})
			if err != nil || r.Torn() != 0 {
				t.Fatal(err, r.Torn())
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatal(diff)
			}
			if r.Position() != at {
				t.Errorf("reader ends at %v, log at %v", r.Position(), at)
			}
			if read, total := r.Progress(); read != total || total != minSegmentBytes {
				t.Errorf("progress %d of %d", read, total)
			}
		})
	}
}

func TestReadFromEachPosition(t *testing.T) {
	fs := crashfs.New()
	l, _ := open(t, small(fs), Position{})
	groups := fillSegments(t, l, 4)
	for i, g := range groups {
		_, got, err := readAll(fs, g.Position)
		if err != nil {
			t.Fatalf("from %v: %v", g.Position, err)
		}
		if diff := cmp.Diff(groups[i:], got); diff != "" {
			t.Fatalf("from %v: %s", g.Position, diff)
		}
	}
	if _, got, err := readAll(fs, l.Position()); err != nil || len(got) > 0 {
		t.Fatalf("from the end: %v, %v", got, err)
	}
}

func TestOpenedAgainTheLogGoesOnInAFreshSegment(t *testing.T) {
	fs := crashfs.New()
	var want []group
	for range 5 {
		l, got := open(t, small(fs), Position{})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		g := appendText(t, l, fmt.Sprint("group", len(want)))
		if s := uint64(len(want) + 1); g.Position != (Position{s, s}) {
			t.Fatalf("group %d is at %v", s, g.Position)
		}
		want = append(want, g)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpenRefusesWhatWasNotReadToItsEnd(t *testing.T) {
	fs := crashfs.New()
	l, _ := open(t, small(fs), Position{})
	appendText(t, l, "a")
	r, err := NewReader(fs, testDir, Position{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if _, err := Open(small(fs), r); err == nil {
		t.Error("opened unread")
	}
	if !r.Next() {
		t.Fatal(r.Err())
	}
	if _, err := Open(small(fs), r); err == nil {
		t.Error("opened half read")
	}
}

func TestBadOptions(t *testing.T) {
	for _, o := range []Options{
		{SegmentBytes: minSegmentBytes - 1},
		{SegmentBytes: maxSegmentBytes + 1},
		{SegmentBytes: -1},
		{Durability: 3},
		{SyncEvery: -1},
		{KeepBytes: -1},
	} {
		if _, err := o.withDefaults(); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

func TestSizeIsWhatWasNotDropped(t *testing.T) {
	fs := crashfs.New()
	l, _ := open(t, small(fs), Position{})
	fillSegments(t, l, 3)
	at := l.Position()
	after := appendText(t, l, text("x", 3000))
	whole := int64(l.Stats().Bytes)
	if got := l.Size(); got != whole {
		t.Errorf("size %d, %d were written", got, whole)
	}
	if err := l.Drop(at); err != nil {
		t.Fatal(err)
	}
	if least := frameSize(3002); l.Size() < least || l.Size() > least+minSegmentBytes/64+frameSize(1502) {
		t.Errorf("size %d after a drop, want %d or little more", l.Size(), least)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, groups := open(t, small(fs), at)
	if diff := cmp.Diff([]group{after}, groups); diff != "" {
		t.Fatal(diff)
	}
	if l.Size() != frameSize(3002) {
		t.Errorf("size %d after opening, want %d", l.Size(), frameSize(3002))
	}
}

func TestAnOlderSizeOfSegmentsIsReplaced(t *testing.T) {
	fs := crashfs.New()
	l, _ := open(t, small(fs), Position{})
	want := fillSegments(t, l, 2)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	o := small(fs)
	o.SegmentBytes *= 2
	l, got := open(t, o, Position{})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	large := appendText(t, l, text("y", minSegmentBytes+5000))
	_, got, err := readAll(fs, Position{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(append(want, large), got); diff != "" {
		t.Fatal(diff)
	}
}

func TestFrameAsDrawn(t *testing.T) {
	fs := crashfs.New()
	l, _ := open(t, small(fs), Position{})
	appendText(t, l, "abc")
	f, err := fs.Open(path.Join(testDir, segmentName(1)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	b := make([]byte, 2*pageBytes)
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	at := b[pageBytes:]
	if string(b[:8]) != "flowdwal" || le.Uint32(b[8:]) != 1 || le.Uint64(b[16:]) != 1 {
		t.Errorf("header % x", b[:headerBytes])
	}
	if le.Uint32(at[8:]) != 4 || le.Uint32(at[12:]) != 1 || le.Uint64(at[16:]) != 1 || le.Uint64(at[24:]) != 1 {
		t.Errorf("frame % x", at[:frameHeader])
	}
	if string(at[32:36]) != "\x03abc" || len(bytes.Trim(at[36:], "\x00")) > 0 {
		t.Errorf("payload % x", at[32:48])
	}
}
