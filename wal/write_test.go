package wal

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"flowd/disk"
	"flowd/disk/crashfs"
)

// refusingFS has files whose direct writes the kernel refuses, by their memory. That is known only on
// file systems that do refuse such.
type refusingFS struct{ disk.FS }

func (r refusingFS) OpenWrite(name string) (disk.File, error) {
	f, err := r.FS.OpenWrite(name)
	return refusingFile{f}, err
}

func (r refusingFS) Create(name string) (disk.File, error) {
	f, err := r.FS.Create(name)
	return refusingFile{f}, err
}

type refusingFile struct{ disk.File }

func (f refusingFile) WriteDirect(b []byte, off int64) (int, error) {
	odd := append(disk.Aligned(disk.DirectBytes)[:1], b...)
	return f.File.WriteDirect(odd[1:], off)
}

// TestBytesOfEachWayToWrite holds what segments have, byte for byte, to the format, and so the ways to
// write them to each other.
func TestBytesOfEachWayToWrite(t *testing.T) {
	for _, way := range []struct {
		name       string
		fs         disk.FS // a simulated one if nil
		durability Durability
		lives      uint64
	}{
		{"simulated, direct", nil, Fsync, 40},
		{"simulated, cached", nil, None, 40},
		{"direct", disk.OS, Fsync, 3},
		{"refused", refusingFS{disk.OS}, Fsync, 3},
		{"cached", disk.OS, Interval, 3},
	} {
		t.Run(way.name, func(t *testing.T) {
			for seed := range way.lives {
				t.Chdir(t.TempDir())
				fs := way.fs
				if fs == nil {
					fs = crashfs.New()
				}
				o := small(fs)
				o.Durability = way.durability
				l, _ := open(t, o, Position{})
				w := &watched{t: t, l: l, d: &damaged{t: t, fs: fs}, want: map[uint64][]byte{}}
				w.live(rand.New(rand.NewPCG(seed, 11)))
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// watched is a log, and what its segments must have.
type watched struct {
	t    *testing.T
	l    *Log
	d    *damaged
	want map[uint64][]byte
}

// live appends groups, many of which end about where a page does, and uses segments again.
func (w *watched) live(rng *rand.Rand) {
	for range 100 {
		if !w.l.prepareSpares() {
			w.t.Fatal(w.l.SpaceErr())
		}
		var records [][]byte
		for range 1 + rng.IntN(3) {
			size := rng.IntN(400)
			switch rng.IntN(4) {
			case 0:
				size = rng.IntN(3000)
			case 1:
				size = int(pageBytes - (w.l.current.off+frameHeader)%pageBytes - 60 + rng.Int64N(70))
			}
			record := make([]byte, max(0, size))
			for i := range record {
				record[i] = byte(rng.Uint32())
			}
			records = append(records, record)
		}
		w.append(records)
		if at := w.l.Position(); rng.IntN(12) == 0 {
			if err := w.l.Drop(at); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// append appends a group, and compares the segment with what it had, the frame, and zeros.
func (w *watched) append(records [][]byte) {
	l := w.l
	for _, s := range append(slices.Clone(l.spares), l.current) {
		if w.want[s.number] == nil {
			w.want[s.number] = w.d.read(s.number)
		}
	}
	f := frame{records: uint32(len(records)), group: l.group, durable: l.durable}
	at, err := l.Append(records)
	if err != nil {
		w.t.Fatal(err)
	}
	b := make([]byte, frameHeader)
	for _, r := range records {
		b = append(binary.AppendUvarint(b, uint64(len(r))), r...)
	}
	f.length = uint32(len(b) - frameHeader)
	f.payloadSum = crc32.Checksum(b[frameHeader:], castagnoli)
	f.put(b, l.current.salted)

	want := w.want[at.Segment]
	next := l.current.off
	clear(want[next-f.size() : min(roundUp(next+frameHeader, pageBytes), int64(len(want)))])
	copy(want[next-f.size():], b)
	if got := w.d.read(at.Segment); !bytes.Equal(got, want) {
		i := 0
		for got[i] == want[i] {
			i++
		}
		w.t.Fatalf("group %d of %d bytes before offset %d: byte %d of segment %d is %d, want %d",
			at.Group, f.size(), next, i, at.Segment, got[i], want[i])
	}
}

// A power cut leaves any of a write's sectors. The groups before, which share pages with it, must come
// back whichever these are.
func TestTornSectorsOfAWrite(t *testing.T) {
	for _, used := range []bool{false, true} {
		for _, size := range []int{200, 1500, 4500, 9000} {
			tornSectors(t, used, size)
		}
	}
}

func tornSectors(t *testing.T, used bool, size int) {
	const sector = 512
	fs := crashfs.New()
	l, _ := open(t, small(fs), Position{})
	var from Position
	if used { // in a segment that has groups of before
		fillSegments(t, l, 3)
		if from = l.Position(); l.Drop(from) != nil {
			t.Fatal("not dropped")
		}
		fillSegments(t, l, 7)
	}
	for range 3 {
		appendText(t, l, text("before", 333))
	}
	_, want, err := readAll(fs, from)
	if err != nil {
		t.Fatal(err)
	}
	number := l.current.number
	d := &damaged{t: t, fs: fs}
	before := d.read(number)
	off := l.current.off
	last := appendText(t, l, text("torn", size))
	after := d.read(number)
	if last.Position.Segment != number {
		t.Fatal("the group is in another segment")
	}
	var differ []int
	for i := 0; i < len(after); i += sector {
		if !bytes.Equal(before[i:i+sector], after[i:i+sector]) {
			differ = append(differ, i)
		}
	}
	rng := rand.New(rand.NewPCG(uint64(size), 3))
	for n := range 2*len(differ) + 50 {
		b := slices.Clone(before)
		for i, at := range differ {
			first, last := i < n, i >= n-len(differ)
			if n <= len(differ) && first || n > len(differ) && n < 2*len(differ) && last || n >= 2*len(differ) && rng.IntN(2) == 0 {
				copy(b[at:], after[at:at+sector])
			}
		}
		cut := fs.Crash(0, nil)
		(&damaged{t: t, fs: cut}).write(number, 0, b)
		next := l.current.off
		reopened(t, cut, from, want, last, bytes.Equal(b[off:next], after[off:next]))
	}
}

// reopened holds that a log has the groups, and the last one if it is whole, and goes on.
func reopened(t *testing.T, fs disk.FS, from Position, want []group, last group, whole bool) {
	t.Helper()
	o := small(fs)
	o.Salt = randomSalt
	l, got := open(t, o, from)
	want = slices.Clone(want)
	if whole {
		want = append(want, last)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	want = append(want, appendText(t, l, "and on"))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, got, err := readAll(fs, from)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Fatal(diff, err)
	}
}

func TestPayloadSize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(0, 300), rapid.SampledFrom([]int{127, 128, 16383, 16384, 2097151, 2097152})), 0, 5)
		var records [][]byte
		for _, n := range sizes.Draw(t, "sizes") {
			records = append(records, make([]byte, n))
		}
		if got, want := payloadSize(records), len(appendPayload(nil, records)); got != int64(want) {
			t.Errorf("%d bytes, want %d", got, want)
		}
	})
}

func TestAppendAllocatesNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	o := small(disk.OS)
	o.SegmentBytes = 1 << 20
	l, _ := open(t, o, Position{})
	records := [][]byte{make([]byte, 300)}
	one := func() {
		if _, err := l.Append(records); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(100, one); n > 0 {
		t.Errorf("%v allocations of an append", n)
	}
}
