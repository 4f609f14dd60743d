package disk_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"flowd/disk"
)

// isDirect tells whether a file of disk.OS is in direct mode.
func isDirect(t *testing.T, f disk.File) bool {
	t.Helper()
	flags, err := unix.FcntlInt(f.(interface{ Fd() uintptr }).Fd(), unix.F_GETFL, 0)
	if err != nil {
		t.Fatal(err)
	}
	return flags&unix.O_DIRECT != 0
}

// TestDirectWriteThatIsRefused has the kernel refuse a write, by its memory, first of a file and after
// one that was taken: it must be written all the same, and none after it be tried.
func TestDirectWriteThatIsRefused(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	b := disk.Aligned(2 * disk.DirectBytes)
	odd := b[1 : 1+disk.DirectBytes]
	raw, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_DIRECT, 0o600)
	if err == nil {
		_, err = raw.WriteAt(odd, 0)
		_ = raw.Close() // was opened for its error alone
	}
	if !errors.Is(err, unix.EINVAL) {
		t.Skipf("the file system takes any direct write, or none: %v", err)
	}
	for _, before := range []int{0, 1} {
		f, err := disk.OS.OpenWrite(name)
		if err != nil {
			t.Fatal(err)
		}
		var want []byte
		write := func(b []byte, value byte) {
			t.Helper()
			for i := range b {
				b[i] = value
			}
			n, err := f.WriteDirect(b, int64(len(want)))
			if n != len(b) || err != nil {
				t.Fatalf("wrote %d bytes: %v", n, err)
			}
			want = append(want, b...)
		}
		for range before {
			write(b[:disk.DirectBytes], 1)
			if !isDirect(t, f) {
				t.Error("written through the page cache")
			}
		}
		for value := range byte(3) {
			write(odd, 2+value)
			write(b, 12+value)
			if isDirect(t, f) {
				t.Error("tried once more")
			}
		}
		if err := errors.Join(f.SyncData(), f.Close()); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil || !bytes.Equal(got[:len(want)], want) {
			t.Errorf("%d bytes, %v, are not what was written", len(got), err)
		}
	}
}

// TestDirectModeThatIsRefused writes to a device that has no such mode.
func TestDirectModeThatIsRefused(t *testing.T) {
	f, err := disk.OS.OpenWrite(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if n, err := f.WriteDirect(disk.Aligned(disk.DirectBytes), 0); n != disk.DirectBytes || err != nil {
			t.Errorf("wrote %d bytes: %v", n, err)
		}
	}
	if isDirect(t, f) {
		t.Error("direct")
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
