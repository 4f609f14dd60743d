package wal

import (
	"bytes"
	"errors"
	"hash/crc32"
	"path"
	"testing"

	"flowd/disk/crashfs"
)

// FuzzReader has the reader read a log of which one segment was written over. Whatever stands
// there, it ends, gives groups that were appended, without a gap and from the first on, and says
// damage or nothing; and what it takes can be opened.
func FuzzReader(f *testing.F) {
	f.Add(uint8(1), uint16(firstFrame), []byte("garbage"), false)
	f.Add(uint8(2), uint16(0), make([]byte, 2*pageBytes), false)
	f.Add(uint8(3), uint16(firstFrame+frameHeader), []byte{0xff}, true)
	f.Add(uint8(3), uint16(firstFrame+8), []byte{0xff, 0xff, 0xff, 0xff}, true)
	whole := crashfs.New()
	l, _ := open(f, small(whole), Position{})
	groups := fillSegments(f, l, 3)
	if err := l.Close(); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, segment uint8, off uint16, b []byte, cut bool) {
		d := &damaged{t: t, fs: whole.Crash(0, nil), groups: groups}
		number := uint64(segment)%4 + 1
		content := d.read(number)
		at := int(off) % len(content)
		content = append(content[:at], append(bytes.Clone(b), content[min(at+len(b), len(content)):]...)...)
		if cut {
			content = content[:min(at+len(b), len(content))]
		}
		d.replace(number, content)
		readsPrefix(t, d)
	})
}

// FuzzFrames has the reader read a segment with frames that are whole, but hold anything: the
// numbers and the payload are the fuzzer's, the checksums are right.
func FuzzFrames(f *testing.F) {
	f.Add(uint64(1), uint64(1), uint32(1), []byte("\x03abc"))
	f.Add(uint64(2), uint64(0), uint32(1), []byte("\x03abc"))
	f.Add(uint64(1), uint64(1), uint32(9), []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01abc"))
	f.Add(uint64(0), uint64(0), uint32(0), []byte{})
	empty := crashfs.New()
	open(f, small(empty), Position{})
	f.Fuzz(func(t *testing.T, group, durable uint64, records uint32, payload []byte) {
		fs := empty.Crash(0, nil)
		l, _ := open(t, small(fs), Position{})
		if len(payload) > 1000 {
			payload = payload[:1000]
		}
		for _, g := range []uint64{group, group + 1} {
			size := frameSize(int64(len(payload)))
			fr := l.build(nil, size)
			from, _ := l.span(size)
			copy(l.buffer[l.current.off-from+frameHeader:], payload)
			fr.length, fr.records, fr.group, fr.durable = uint32(len(payload)), records, g, durable
			fr.payloadSum = crc32.Checksum(payload, castagnoli)
			if _, err := l.write(fr, size); err != nil {
				t.Fatal(err)
			}
			l.count(fr, size, 0)
		}
		r, groups, err := readAll(fs, Position{})
		if err != nil {
			isDamage(t, err)
			return
		}
		for i, g := range groups {
			if g.Position.Group != uint64(i+1) || len(g.Records) != int(records) {
				t.Fatalf("group %v, %d records, want %d and %d", g.Position, len(g.Records), i+1, records)
			}
		}
		if r.Torn() < 0 || r.Position().Group != uint64(len(groups)+1) {
			t.Fatalf("%d bytes torn, ends at %v after %d groups", r.Torn(), r.Position(), len(groups))
		}
	})
}

func isDamage(t *testing.T, err error) {
	t.Helper()
	var damage *CorruptionError
	var unknown *VersionError
	if !errors.As(err, &damage) && !errors.As(err, &unknown) {
		t.Fatalf("error %v is neither damage nor a version", err)
	}
}

func readsPrefix(t *testing.T, d *damaged) {
	t.Helper()
	r, err := NewReader(d.fs, testDir, Position{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	n := 0
	for ; r.Next(); n++ {
		if n == len(d.groups) || string(r.Record()) != d.groups[n].Records[0] || r.Position() != d.groups[n].Position {
			t.Fatalf("record %d is %.20q at %v", n, r.Record(), r.Position())
		}
	}
	if r.Err() != nil {
		isDamage(t, r.Err())
		return
	}
	// What was synced and is not the last group must not vanish in silence.
	if n < len(d.groups)-1 {
		last := path.Base(d.name(d.groups[n].Position.Segment))
		t.Fatalf("group %d of %d is the first that is gone, from %s", n+1, len(d.groups), last)
	}
	l, err := Open(small(d.fs), r)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
