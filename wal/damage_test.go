package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowd/disk"
	"flowd/disk/crashfs"
)

// damaged is a log with groups in segments 1 to 3, and two prepared segments behind them.
type damaged struct {
	t      *testing.T
	fs     disk.FS
	groups []group
}

func (d *damaged) name(segment uint64) string { return path.Join(testDir, segmentName(segment)) }

// at returns the group that is the i-th in a segment, or the i-th from its end if i is negative,
// and where it stands.
func (d *damaged) at(segment uint64, i int) (g group, off int64) {
	var in []group
	for _, g := range d.groups {
		if g.Position.Segment == segment {
			in = append(in, g)
		}
	}
	if i < 0 {
		i += len(in)
	}
	off = firstFrame
	for _, g := range in[:i] {
		off += frameSize(int64(len(g.Records[0])) + 2)
	}
	return in[i], off
}

func (d *damaged) write(segment uint64, off int64, b []byte) {
	d.t.Helper()
	f, err := d.fs.OpenWrite(d.name(segment))
	if err == nil {
		err = errors.Join(writeAll(f, b, off), f.Close())
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *damaged) read(segment uint64) []byte {
	d.t.Helper()
	f, err := d.fs.Open(d.name(segment))
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	size, err := f.Size()
	if err != nil {
		d.t.Fatal(err)
	}
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil && size > 0 {
		d.t.Fatal(err)
	}
	return b
}

// flip changes a bit of the byte at off.
func (d *damaged) flip(segment uint64, off int64) {
	d.write(segment, off, []byte{d.read(segment)[off] ^ 0x10})
}

// replace makes the file have these bytes alone.
func (d *damaged) replace(segment uint64, b []byte) {
	d.t.Helper()
	err := d.fs.Remove(d.name(segment))
	var f disk.File
	if err == nil {
		f, err = d.fs.Create(d.name(segment))
	}
	if err == nil {
		err = errors.Join(writeAll(f, b, 0), f.Close())
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *damaged) rename(from, to string) {
	d.t.Helper()
	if err := d.fs.Rename(from, to); err != nil {
		d.t.Fatal(err)
	}
}

func (d *damaged) remove(segment uint64) {
	d.t.Helper()
	if err := d.fs.Remove(d.name(segment)); err != nil {
		d.t.Fatal(err)
	}
}

// flipIn flips a byte in the header or the payload of a frame.
func flipIn(segment uint64, i int, byteOf int64) func(*damaged) {
	return func(d *damaged) {
		_, off := d.at(segment, i)
		d.flip(segment, off+byteOf)
	}
}

// TestDamage is the table of what is done to a log, and what survives: a refusal that names the
// place, or the groups that are left.
func TestDamage(t *testing.T) {
	const inHeader, inPayload = 17, 200
	for _, c := range []struct {
		name    string
		change  func(*damaged)
		segment uint64 // that is named as damaged; 0 if the log can be read
		reason  string
		lost    int   // groups from the end that are gone, -1 for all
		torn    int64 // bytes that are counted
	}{
		{name: "nothing", change: func(*damaged) {}},
		{name: "torn last frame", change: tearLast, lost: 1, torn: 1536},
		{name: "last frame without its first page", change: func(d *damaged) { _, off := d.at(3, -1); d.write(3, off, make([]byte, 1500)) }, lost: 1},
		{name: "flipped bit in the last frame", change: flipIn(3, -1, inPayload), lost: 1, torn: 1536},
		{name: "flipped bit in the header of the last frame", change: flipIn(3, -1, inHeader), lost: 1, torn: 2048},
		{name: "flipped bit in the padding", change: func(d *damaged) { g, off := d.at(2, 1); d.flip(2, off+frameHeader+2+int64(len(g.Records[0]))+1) }},

		{name: "flipped bit in the middle", change: flipIn(2, 3, inPayload), segment: 2, reason: "payload"},
		{name: "flipped bit in the first frame", change: flipIn(1, 0, inPayload), segment: 1, reason: "payload"},
		{name: "flipped bit in the middle, in a frame's header", change: flipIn(2, 3, inHeader), segment: 2, reason: "header"},
		{name: "flipped bit in a frame's length", change: flipIn(3, 2, 10), segment: 3, reason: "header"},
		{name: "flipped bit in the first frame of the last segment", change: flipIn(3, 0, inPayload), segment: 3, reason: "payload"},
		{name: "flipped bit in the last frame of an earlier segment", change: flipIn(1, -1, inPayload), segment: 1, reason: segmentName(2)},
		{name: "flipped bit in the last frame but one", change: flipIn(3, -2, inPayload), segment: 3, reason: "payload"},
		{name: "flipped bit in the last frame of an earlier segment, one group behind it", change: func(d *damaged) { clearBehind(d, 3, 1); flipIn(2, -1, inPayload)(d) }, segment: 2, reason: segmentName(3)},
		{name: "page of zeros in the middle", change: func(d *damaged) { d.write(2, 2*pageBytes, make([]byte, pageBytes)) }, segment: 2, reason: "CRC"},
		{name: "end of an earlier segment gone", change: func(d *damaged) { d.replace(1, d.read(1)[:2*pageBytes]) }, segment: 1, reason: "ends"},
		{name: "end of the last segment gone", change: func(d *damaged) { g, off := d.at(3, -1); d.replace(3, d.read(3)[:off+int64(len(g.Records[0]))]) }, lost: 1, torn: 1500},

		{name: "first segment missing", change: func(d *damaged) { d.remove(1) }, segment: 1, reason: "missing"},
		{name: "middle segment missing", change: func(d *damaged) { d.remove(2) }, segment: 2, reason: "missing"},
		{name: "all segments missing", change: func(d *damaged) { removeAll(d) }, lost: -1},

		{name: "empty segment in the middle", change: func(d *damaged) { d.replace(2, nil) }, segment: 2, reason: "0 bytes"},
		{name: "empty first segment", change: func(d *damaged) { d.replace(1, nil) }, segment: 1, reason: "0 bytes"},
		{name: "empty last segment", change: func(d *damaged) { d.replace(5, nil) }},
		{name: "segment of zeros in the middle", change: func(d *damaged) { d.replace(2, make([]byte, minSegmentBytes)) }, segment: 2, reason: "no header"},
		{name: "segment of zeros at the end", change: func(d *damaged) { d.replace(5, make([]byte, minSegmentBytes)) }},
		{name: "half a header at the end", change: func(d *damaged) { d.write(5, 20, make([]byte, 16)) }},
		{name: "flipped bit in a header", change: func(d *damaged) { d.flip(2, 25) }, segment: 2, reason: "header's CRC"},
		{name: "flipped bit in the header of the last segment with groups", change: func(d *damaged) { d.flip(3, 25) }, segment: 3, reason: "header's CRC"},
		{name: "flipped bit in the magic", change: func(d *damaged) { d.flip(3, 2) }, segment: 3, reason: "flowdwal"},
		{name: "flipped bit in the version", change: func(d *damaged) { d.flip(1, 9) }, segment: 1, reason: "header's CRC"},

		{name: "wrong order", change: swap, segment: 1, reason: "segment 2"},
		{name: "one segment twice", change: func(d *damaged) { d.replace(3, d.read(2)) }, segment: 3, reason: "segment 2"},
		{name: "file of another name", change: func(d *damaged) { d.rename(d.name(5), path.Join(testDir, "notes.txt")) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDamaged(t)
			c.change(d)
			r, got, err := readAll(d.fs, Position{})
			if c.segment == 0 {
				if err != nil {
					t.Fatal(err)
				}
				if r.Torn() != c.torn {
					t.Errorf("%d bytes torn, want %d", r.Torn(), c.torn)
				}
				survives(t, d, r, got, c.lost)
				return
			}
			var damage *CorruptionError
			if !errors.As(err, &damage) {
				t.Fatalf("error %v, want damage", err)
			}
			if damage.Segment != c.segment || !strings.Contains(damage.Reason, c.reason) {
				t.Errorf("%v, want segment %d and %q", err, c.segment, c.reason)
			}
			if r != nil {
				if _, err := Open(small(d.fs), r); err == nil {
					t.Error("the damaged log was opened")
				}
			}
		})
	}
}

func newDamaged(t *testing.T) *damaged {
	fs := crashfs.New()
	l, _ := open(t, small(fs), Position{})
	groups := fillSegments(t, l, 3)
	for range 4 {
		groups = append(groups, appendText(t, l, text(fmt.Sprint("g", len(groups)+1), 1500)))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return &damaged{t: t, fs: fs, groups: groups}
}

// survives checks the groups that are left, and that the log goes on behind them for good.
func survives(t *testing.T, d *damaged, r *Reader, got []group, lost int) {
	t.Helper()
	want := d.groups
	if lost < 0 {
		lost = len(want)
	}
	want = want[:len(want)-lost]
	if diff := cmp.Diff(want, got, cmp.Transformer("empty", func(g []group) []group { return append([]group{}, g...) })); diff != "" {
		t.Fatal(diff)
	}
	l, err := Open(small(d.fs), r)
	if err != nil {
		t.Fatal(err)
	}
	next := appendText(t, l, "and on")
	if want := uint64(len(want) + 1); next.Position.Group != want {
		t.Errorf("goes on with group %d, want %d", next.Position.Group, want)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, again, err := readAll(d.fs, Position{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(append(want[:len(want):len(want)], next), again); diff != "" {
		t.Fatal(diff)
	}
}

// tearLast leaves the first page of the last frame, which crosses one, and zeros behind it.
func tearLast(d *damaged) {
	g, off := d.at(3, -1)
	end := off + frameSize(int64(len(g.Records[0]))+2)
	d.write(3, off+600, make([]byte, end-off-600))
}

// clearBehind leaves the first frames of a segment alone.
func clearBehind(d *damaged, segment uint64, frames int) {
	_, off := d.at(segment, frames)
	d.write(segment, off, make([]byte, minSegmentBytes-off))
}

func swap(d *damaged) {
	aside := path.Join(testDir, "aside")
	d.rename(d.name(1), aside)
	d.rename(d.name(2), d.name(1))
	d.rename(aside, d.name(2))
}

func removeAll(d *damaged) {
	for n := range uint64(5) {
		d.remove(n + 1)
	}
}

func TestUnknownVersionIsNotDamage(t *testing.T) {
	d := newDamaged(t)
	b := d.read(2)[:headerBytes]
	b[8] = 2
	binary.LittleEndian.PutUint32(b[32:], crc32.Checksum(b[:32], castagnoli))
	d.write(2, 0, b)
	_, _, err := readAll(d.fs, Position{})
	var unknown *VersionError
	if !errors.As(err, &unknown) || *unknown != (VersionError{Segment: 2, Version: 2, Known: 1}) {
		t.Fatalf("error %v, want version 2", err)
	}
	var damage *CorruptionError
	if errors.As(err, &damage) {
		t.Error("and says it is damaged")
	}
}

// A segment without a header is damage where groups follow, even if none seems to be missing.
func TestNoHeaderBeforeTheNextGroup(t *testing.T) {
	d := newDamaged(t)
	clearBehind(d, 1, 2)
	d.groups = d.groups[:2]
	var damage *CorruptionError
	if _, _, err := readAll(d.fs, Position{}); !errors.As(err, &damage) || damage.Segment != 1 {
		t.Fatalf("%v", err)
	}
	d.remove(2)
	d.remove(3)
	d.rename(d.name(4), d.name(2))
	d.rename(d.name(5), d.name(3))
	for n := range uint64(2) {
		header := make([]byte, pageBytes)
		putHeader(header, n+2, n+100)
		d.write(n+2, 0, header)
	}
	r, _, err := readAll(d.fs, Position{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(small(d.fs), r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if err := l.advance(); err != nil {
		t.Fatal(err)
	}
	d.groups = append(d.groups, appendText(t, l, "in 3"))
	if _, got, err := readAll(d.fs, Position{}); err != nil || len(got) != 3 {
		t.Fatalf("a prepared segment in between: %v, %v", got, err)
	}
	d.write(2, 0, make([]byte, pageBytes))
	if _, _, err := readAll(d.fs, Position{}); !errors.As(err, &damage) || damage.Segment != 2 {
		t.Fatalf("%v", err)
	}
}

// What was there when the log was opened had been synced, whatever the durability is.
func TestWhatWasOpenedWasSynced(t *testing.T) {
	d := newDamaged(t)
	o := small(d.fs)
	o.Durability = Interval
	l, _ := open(t, o, Position{})
	appendText(t, l, "never synced")
	flipIn(3, -1, 200)(d)
	var damage *CorruptionError
	if _, _, err := readAll(d.fs, Position{}); !errors.As(err, &damage) || damage.Segment != 3 {
		t.Fatalf("%v", err)
	}
}
