package crashfs

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/go-cmp/cmp"

	"flowd/disk"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// file returns a durable file of two blocks of 'a'.
func file(t *testing.T, f *FS) disk.File {
	t.Helper()
	must(t, f.MkdirAll("dir"))
	must(t, f.SyncDir("."))
	a, err := f.Create("dir/a")
	must(t, err)
	t.Cleanup(func() { _ = a.Close() })
	write(t, a, 'a', 0, 2*blockBytes)
	must(t, a.Sync())
	must(t, f.SyncDir("dir"))
	return a
}

func write(t *testing.T, f disk.File, b byte, off int64, n int) {
	t.Helper()
	_, err := f.WriteAt(bytes.Repeat([]byte{b}, n), off)
	must(t, err)
}

// has returns the first byte of each block of the file.
func has(t *testing.T, f *FS) string {
	t.Helper()
	a, err := f.Open("dir/a")
	must(t, err)
	defer func() { _ = a.Close() }()
	size, err := a.Size()
	must(t, err)
	b := make([]byte, size)
	_, err = a.ReadAt(b, 0)
	must(t, err)
	var s []byte
	for i := 0; i < len(b); i += blockBytes {
		s = append(s, b[i])
	}
	return string(s)
}

func want(t *testing.T, f *FS, is string) {
	t.Helper()
	if got := has(t, f); got != is {
		t.Errorf("the file has %q, want %q", got, is)
	}
}

func TestOnlyWhatWasSyncedSurvives(t *testing.T) {
	f := New()
	a := file(t, f)
	write(t, a, 'b', 0, 10)
	want(t, f, "ba")
	want(t, f.Crash(0, nil), "aa")
	want(t, f.Crash(100, rand.New(rand.NewPCG(1, 1))), "ba")
	want(t, f.Kill(), "ba")
}

func TestOnlyNamesThatWereSyncedSurvive(t *testing.T) {
	f := New()
	file(t, f)
	must(t, f.Rename("dir/a", "dir/b"))
	names, err := f.Crash(0, nil).List("dir")
	must(t, err)
	if diff := cmp.Diff([]string{"a"}, names); diff != "" {
		t.Error(diff)
	}
	must(t, f.SyncDir("dir"))
	names, err = f.Crash(0, nil).List("dir")
	must(t, err)
	if diff := cmp.Diff([]string{"b"}, names); diff != "" {
		t.Error(diff)
	}
}

// After a sync that failed, one that succeeds makes durable what was written since, not what was
// written before.
func TestAFailedSyncLoses(t *testing.T) {
	f := New()
	a := file(t, f)
	write(t, a, 'b', 0, 10)
	f.Inject(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData {
			return syscall.EIO
		}
		return nil
	})
	if err := a.SyncData(); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	f.Inject(nil)
	write(t, a, 'c', blockBytes, 10)
	must(t, a.SyncData())
	want(t, f, "bc")
	want(t, f.Crash(0, nil), "ac")
	write(t, a, 'b', 0, 10)
	must(t, a.SyncData())
	want(t, f.Crash(0, nil), "bc")
}

func TestInjectedErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		inject error
		n      int
		err    error
		is     string
	}{
		{"fails", syscall.ENOSPC, 0, syscall.ENOSPC, "aa"},
		{"is skipped", ErrSkip, 2 * blockBytes, nil, "aa"},
		{"is short", ErrShort, blockBytes, nil, "ba"},
		{"is done and fails", AfterDoing(syscall.EIO), 0, syscall.EIO, "bb"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := New()
			a := file(t, f)
			f.Inject(func(op errorfs.Op) error {
				if op.Kind == errorfs.OpFileWriteAt {
					return c.inject
				}
				return nil
			})
			n, err := a.WriteAt(bytes.Repeat([]byte{'b'}, 2*blockBytes), 0)
			if n != c.n || !errors.Is(err, c.err) {
				t.Errorf("wrote %d, %v, want %d, %v", n, err, c.n, c.err)
			}
			want(t, f, c.is)
		})
	}
}

func TestAKilledProcessDoesNothing(t *testing.T) {
	f := New()
	a := file(t, f)
	_, err := f.Lock("dir/LOCK")
	must(t, err)
	write(t, a, 'b', 0, 10)
	next := f.Kill()
	if _, err := a.WriteAt([]byte("c"), 0); !errors.Is(err, ErrDead) {
		t.Error(err)
	}
	if err := a.Sync(); !errors.Is(err, ErrDead) {
		t.Error(err)
	}
	if _, err := f.Open("dir/a"); !errors.Is(err, ErrDead) {
		t.Error(err)
	}
	want(t, next, "ba")
	want(t, next.Crash(0, nil), "aa")
	lock, err := next.Lock("dir/LOCK")
	must(t, err)
	must(t, lock.Close())
}

// A direct write is one like others, but for its alignment, and for the file that it leaves.
func TestDirectWrites(t *testing.T) {
	f := New()
	a := file(t, f)
	b := disk.Aligned(3 * blockBytes)
	for i := range b {
		b[i] = 'b'
	}
	for _, c := range []struct {
		b   []byte
		off int64
	}{{b[:blockBytes-1], 0}, {b[1 : blockBytes+1], 0}, {b[:blockBytes], 512}} {
		if _, err := a.WriteDirect(c.b, c.off); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%d bytes at %d: %v", len(c.b), c.off, err)
		}
	}
	n, err := a.WriteDirect(b[:blockBytes], blockBytes)
	if n != blockBytes || err != nil {
		t.Fatalf("wrote %d, %v", n, err)
	}
	want(t, f, "ab")
	want(t, f.Crash(0, nil), "aa")
	must(t, a.SyncData())
	want(t, f.Crash(0, nil), "ab")
	if _, err := a.WriteAt(b, 0); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("WriteAt behind it: %v", err)
	}
	if _, err := a.ReadAt(b, 0); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("ReadAt behind it: %v", err)
	}
	f.Inject(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWriteAt {
			return ErrShort
		}
		return nil
	})
	if n, err := a.WriteDirect(b[:2*blockBytes], 0); n != blockBytes || err != nil {
		t.Errorf("wrote %d, %v, want the half", n, err)
	}
}
