package disk_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"flowd/disk"
)

// TestRenameUnused holds that a file that is open keeps its name.
func TestRenameUnused(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "new"), filepath.Join(dir, "file")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	has := func(name, want string) {
		t.Helper()
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s has %q, %v, want %q", name, got, err, want)
		}
	}
	write(from, "new")
	write(to, "old")
	open, err := os.Open(to)
	if err != nil {
		t.Fatal(err)
	}
	if err := disk.OS.RenameUnused(from, to); !errors.Is(err, disk.ErrInUse) {
		t.Errorf("of a file that is open: %v, want ErrInUse", err)
	}
	has(to, "old")
	has(from, "new")
	if err := open.Close(); err != nil {
		t.Fatal(err)
	}
	if err := disk.OS.RenameUnused(from, to); err != nil {
		t.Fatal(err)
	}
	has(to, "new")
	if _, err := os.Stat(from); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old name: %v", err)
	}
}

// TestRenameUnusedBesideReaders has readers that open a name, and again while they have it open: it
// must be the same file both times.
func TestRenameUnusedBesideReaders(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "new"), filepath.Join(dir, "file")
	const files = 100
	var reading sync.WaitGroup
	var done atomic.Bool
	var twice, differ atomic.Int64
	if err := os.WriteFile(to, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		reading.Go(func() {
			for !done.Load() {
				first, err := os.Open(to)
				if err != nil {
					t.Error(err)
					return
				}
				second, err := os.Open(to)
				if err != nil {
					t.Error(err)
					_ = first.Close()
					return
				}
				a, errA := first.Stat()
				b, errB := second.Stat()
				twice.Add(1)
				if errA != nil || errB != nil || !os.SameFile(a, b) {
					differ.Add(1)
				}
				_, _ = first.Close(), second.Close() // were read alone
				time.Sleep(time.Millisecond)         // so that the file is unused now and then
			}
		})
	}
	inUse := 0
	for i := range files {
		if err := os.WriteFile(from, fmt.Append(nil, i), 0o600); err != nil {
			t.Error(err)
			break
		}
		err := disk.OS.RenameUnused(from, to)
		for errors.Is(err, disk.ErrInUse) {
			inUse++
			time.Sleep(100 * time.Microsecond)
			err = disk.OS.RenameUnused(from, to)
		}
		if err != nil {
			t.Error(err)
			break
		}
	}
	done.Store(true)
	reading.Wait()
	t.Logf("%d files, %d times in use, read %d times", files, inUse, twice.Load())
	if differ.Load() > 0 || twice.Load() == 0 {
		t.Errorf("%d of %d readers found two files", differ.Load(), twice.Load())
	}
}
