package dedupe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"flowd/flow"
)

var options = Options{Window: time.Minute, Keys: 100, Agents: 10}

// file is what is written of some keys and agents.
func file(t testing.TB) []byte {
	w := New(options)
	for i, o := range []flow.Origin{key("a"), sent("x", 3), key("b"), sent("y", 100), sent("x", 1), sent("x", 1<<40)} {
		if duplicate, err := w.Check(&o, uint64(i), int64(i)); duplicate || err != nil {
			t.Fatal(duplicate, err)
		}
	}
	return written(t, w)
}

// summed replaces the checksum at the end by the right one.
func summed(file []byte) []byte {
	if len(file) < trailerSize {
		return file
	}
	body := bytes.Clone(file[:len(file)-trailerSize])
	return binary.LittleEndian.AppendUint32(body, crc32.Checksum(body, castagnoli))
}

func TestReadRefuses(t *testing.T) {
	whole := file(t)
	const keys, firstAgent = headSize + 3, headSize + 3 + 2*keyHead // behind the client c
	change := func(at int, b ...byte) []byte {
		changed := bytes.Clone(whole)
		copy(changed[at:], b)
		return summed(changed)
	}
	for _, tt := range []struct {
		name   string
		file   []byte
		offset int64
		what   string
	}{
		{"nothing", nil, 0, "ends"},
		{"another file", change(0, 'x'), 0, "begins with"},
		{"no clients", change(12, 0), keys - 3, "is of client"},
		{"more clients than there are", change(12, 2), int64(len(whole)), "ends"},
		{"a client that has nothing", summed(slices.Concat(whole[:12], []byte{2}, whole[13:keys], []byte{1, 0, 'd'}, whole[keys:])), int64(len(whole)) - 1, "neither a key"},
		{"clients out of order", summed(slices.Concat(whole[:12], []byte{2}, whole[13:keys], []byte{1, 0, 'b'}, whole[keys:])), keys, "behind"},
		{"a client that there is not", change(keys+keySize, 2), keys, "client 2 of 1"},
		{"keys out of order", change(keys+keyHead+keySize, 0), keys + keyHead, "behind"},
		{"another client's agent", change(firstAgent+agentHead-clientField, 2), firstAgent, "client 2 of 1"},
		{"more keys than there are", change(16, 3), int64(len(whole)), "ends"},
		{"fewer keys than there are", change(16, 1), keys + keyHead, "cannot be"},
		{"many keys", change(16, 0, 0, 0, 0, 0, 0, 0, 0xff), keys + 3*keyHead, "is of client"},
		{"many agents", change(24, 0, 0, 0, 0, 1), 24, "agents"},
		{"fewer agents than there are", change(24, 1), firstAgent + agentHead + 8, "checksum"},
		{"the highest unseen", change(firstAgent+32, 2), firstAgent, "cannot be"},
		{"sequences before the first", change(firstAgent+24, 2, 0, 0, 0, 0, 0, 0, 0, 1|8), firstAgent, "cannot be"},
		{"an agent twice", change(firstAgent+agentHead+8, whole[firstAgent:firstAgent+16]...), firstAgent + agentHead + 8, "second"},
		{"something behind", append(bytes.Clone(whole), 0), int64(len(whole)), "goes on"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Read(bytes.NewReader(tt.file), options)
			var bad *FormatError
			if !errors.As(err, &bad) || bad.Offset != tt.offset || !strings.Contains(bad.What, tt.what) {
				t.Errorf("%v, not %q at %d", err, tt.what, tt.offset)
			}
		})
	}
	t.Run("another version", func(t *testing.T) {
		_, err := Read(bytes.NewReader(change(8, 3)), options)
		var other *VersionError
		if !errors.As(err, &other) || *other != (VersionError{Found: 3, Known: 2}) {
			t.Errorf("%v", err)
		}
	})
}

// TestReadFindsAllDamage cuts the file at each byte, and flips each bit.
func TestReadFindsAllDamage(t *testing.T) {
	whole := file(t)
	for at := range whole {
		_, err := Read(bytes.NewReader(whole[:at]), options)
		var bad *FormatError
		if !errors.As(err, &bad) || bad.Offset != int64(at) {
			t.Fatalf("cut at %d: %v", at, err)
		}
		for bit := range 8 {
			damaged := bytes.Clone(whole)
			damaged[at] ^= 1 << bit
			if _, err := Read(bytes.NewReader(damaged), options); err == nil {
				t.Fatalf("bit %d of byte %d flipped: no error", bit, at)
			}
		}
	}
}

var errDisk = errors.New("the disk is gone")

func TestReadPassesErrors(t *testing.T) {
	whole := file(t)
	for at := range whole {
		r := io.MultiReader(bytes.NewReader(whole[:at]), iotest.ErrReader(errDisk))
		if _, err := Read(r, options); !errors.Is(err, errDisk) {
			t.Fatalf("an error at %d became %v", at, err)
		}
	}
	if _, err := Read(io.MultiReader(bytes.NewReader(whole), iotest.ErrReader(errDisk)), options); !errors.Is(err, errDisk) {
		t.Fatalf("an error behind the end became %v", err)
	}
	if _, err := Read(iotest.OneByteReader(bytes.NewReader(whole)), options); err != nil {
		t.Fatalf("byte by byte: %v", err)
	}
}

// full is a disk with room for so many bytes.
type full struct{ room int }

func (f *full) Write(b []byte) (int, error) {
	n := min(len(b), f.room)
	f.room -= n
	if n < len(b) {
		return n, errDisk
	}
	return n, nil
}

func TestWriteToPassesErrors(t *testing.T) {
	w := New(Options{Window: time.Hour, Keys: 10_000, Agents: 10})
	for i := range uint64(5000) {
		o := key(string(binaryName(i)))
		if _, err := w.Check(&o, 1, 1); err != nil {
			t.Fatal(err)
		}
	}
	size := len(written(t, w))
	for _, room := range []int{0, 1, 1 << 16, size - trailerSize - 1, size - trailerSize, size - 1} {
		if n, err := w.Snapshot().WriteTo(&full{room}); !errors.Is(err, errDisk) || n != int64(room) {
			t.Errorf("with room for %d of %d bytes: %d, %v", room, size, n, err)
		}
	}
}

// TestReadWithOtherBounds reads more than the options allow.
func TestReadWithOtherBounds(t *testing.T) {
	w, err := Read(bytes.NewReader(file(t)), Options{Window: time.Minute, Keys: 1, Agents: 1})
	if err != nil {
		t.Fatal(err)
	}
	if s := w.Stats(); s.Keys != 1 || s.ForgottenByNumber != 1 || s.Agents != 2 {
		t.Errorf("%+v", s)
	}
	for _, a := range []asked{{key("b"), 2, 5, true, nil}, {key("a"), 0, 5, false, nil}, {sent("x", 1<<40), 5, 5, true, nil}, {sent("y", 100), 3, 5, true, nil},
		{sent("z", 1), 1, 5, false, ErrTooManyAgents}, {sent("z", 1), 1, 60_004, false, ErrTooManyAgents}, {sent("x", 1<<40), 5, 60_004, true, nil},
		{sent("z", 1), 1, 60_006, false, nil}} {
		if duplicate, err := w.Check(&a.o, a.fingerprint, a.now); duplicate != a.duplicate || err != a.err {
			t.Errorf("%+v: %v, %v", a, duplicate, err)
		}
	}
}

// TestReadVersion1 reads what a program wrote that did not note whose keys and agents it has: whoever sent
// them, they are known again, and those that are heard of count for their client from then on.
func TestReadVersion1(t *testing.T) {
	old, err := os.ReadFile("testdata/windows-version-1")
	if err != nil {
		t.Fatal(err)
	}
	w, err := Read(bytes.NewReader(old), options)
	if err != nil {
		t.Fatal(err)
	}
	other := flow.Origin{Client: "other", Key: "a"}
	again := func() {
		t.Helper()
		for _, a := range []asked{{key("a"), 0, 9, true, nil}, {key("a"), 7, 9, false, flow.ErrReused}, {other, 1, 9, true, nil}, {key("b"), 3, 9, true, nil},
			{sent("x", 1<<40), 6, 9, true, nil}, {sent("y", 100), 4, 9, true, nil}, {sent("y", 100), 5, 9, false, flow.ErrReused}} {
			if duplicate, err := w.Check(&a.o, a.fingerprint, a.now); duplicate != a.duplicate || err != a.err {
				t.Errorf("%+v: %v, %v", a, duplicate, err)
			}
		}
	}
	again()
	if held, all, _ := w.Agents("c"); held != 0 || all != 2 {
		t.Errorf("%d of %d agents are said to be of a client of which the file says nothing", held, all)
	}
	for _, o := range []flow.Origin{sent("x", 1<<40+1), key("new")} {
		if duplicate, err := w.Check(&o, 9, 9); duplicate || err != nil {
			t.Errorf("%+v: %v, %v", o, duplicate, err)
		}
	}
	if held, all, _ := w.Agents("c"); held != 1 || all != 2 {
		t.Errorf("%d of %d agents are of the client that was heard of with one", held, all)
	}
	if w, err = Read(bytes.NewReader(written(t, w)), options); err != nil {
		t.Fatal(err)
	}
	again()
	// Keys that came without their client count as those of one more, and go when it has the most.
	for i := range uint64(100) {
		o := key(string(binaryName(i)))
		if duplicate, err := w.Check(&o, 9, 9); duplicate || err != nil {
			t.Errorf("%+v: %v, %v", o, duplicate, err)
		}
	}
	again()
}

// FuzzRead reads anything, with its own checksum and with the right one: an error, or Windows that
// are written as the same bytes, and work.
func FuzzRead(f *testing.F) {
	f.Add(file(f))
	if old, err := os.ReadFile("testdata/windows-version-1"); err == nil {
		f.Add(old)
	}
	f.Add(written(f, New(options)))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, file := range [][]byte{data, summed(data)} {
			w, err := Read(bytes.NewReader(file), Options{Window: time.Minute, Keys: 1 << 20, Agents: 1 << 20})
			if err != nil {
				var bad *FormatError
				var other *VersionError
				if !errors.As(err, &bad) && !errors.As(err, &other) {
					t.Fatalf("%T: %v", err, err)
				}
				continue
			}
			if file[8] == unowned {
				file = written(t, w)
				if w, err = Read(bytes.NewReader(file), Options{Window: time.Minute, Keys: 1 << 20, Agents: 1 << 20}); err != nil {
					t.Fatalf("what was written of a file of version 1 is not read: %v", err)
				}
			}
			if got := written(t, w); !bytes.Equal(got, file) {
				t.Fatalf("%x was read, and is written as %x", file, got)
			}
			for _, o := range []flow.Origin{key("a"), sent("a", 1<<20)} {
				_, _ = w.Check(&o, 77, 5)
				if duplicate, err := w.Check(&o, 77, 5); err == nil && !duplicate {
					t.Fatalf("%+v counts twice", o)
				}
			}
		}
	})
}
