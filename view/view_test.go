package view

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"flowd/disk"
	"flowd/disk/crashfs"
	"flowd/flow"
)

var modes = []Mode{Link, Copy}

// countFS counts what is done to files.
type countFS struct {
	disk.FS
	renamed int
}

func (c *countFS) RenameUnused(from, to string) error {
	c.renamed++
	return c.FS.RenameUnused(from, to)
}

// TestFollows goes through checkpoints: each touches what it changed alone.
func TestFollows(t *testing.T) {
	for _, mode := range modes {
		t.Run(string(mode), func(t *testing.T) {
			count := &countFS{FS: disk.OS}
			d := &data{t: t, fs: count, dir: t.TempDir()}
			d.checkpoint([]flow.Hour{1, 2, 3})
			f := d.folder(mode)
			d.want(map[string]uint64{"hour=1": 1, "hour=2": 1, "hour=3": 1})

			step := func(touched int, want map[string]uint64) {
				t.Helper()
				count.renamed = 0
				f.Follow(d.m.Blocks())
				if inUse, failures := f.pass(false); inUse+failures > 0 {
					t.Errorf("%d files are in use, %d changes fail", inUse, failures)
				}
				d.want(want)
				if count.renamed != touched || f.Behind() != 0 {
					t.Errorf("%d files were touched, want %d; behind: %d", count.renamed, touched, f.Behind())
				}
			}
			d.checkpoint([]flow.Hour{2})
			step(1, map[string]uint64{"hour=1": 1, "hour=2": 2, "hour=3": 1})
			d.checkpoint(nil, 3)
			step(1, map[string]uint64{"hour=1": 1, "hour=2": 2, "hour=3": 0})
			d.checkpoint([]flow.Hour{3, 4}, 1) // flows for an hour that expired
			step(3, map[string]uint64{"hour=1": 0, "hour=2": 2, "hour=3": 4, "hour=4": 4})
			step(0, map[string]uint64{"hour=1": 0, "hour=2": 2, "hour=3": 4, "hour=4": 4})

			now := time.Now()
			f.sweep(now.Add(emptySweep - time.Minute))
			d.want(map[string]uint64{"hour=1": 0, "hour=2": 2, "hour=3": 4, "hour=4": 4})
			f.sweep(now.Add(emptySweep + time.Minute))
			d.want(map[string]uint64{"hour=2": 2, "hour=3": 4, "hour=4": 4})
			if _, err := os.Stat(path.Join(d.dir, "parquet/hour=1")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the folder of the hour that expired: %v", err)
			}
			if mode == Link {
				same, err := disk.OS.Same(path.Join(d.dir, d.m.Hours[0].Block.Name), path.Join(d.dir, FileName(2)))
				if err != nil || !same {
					t.Errorf("the hour's file is its block: %v, %v", same, err)
				}
			}
			if text := d.log.String(); text != "" {
				t.Errorf("it was logged: %s", text)
			}
		})
	}
}

// TestFileInUse has a reader that keeps a file open: it is replaced when the reader lets go, or by force.
func TestFileInUse(t *testing.T) {
	if old := usable(t); !old {
		t.Skip("this system does not tell who has a file open")
	}
	for _, forced := range []bool{false, true} {
		d := &data{t: t, fs: disk.OS, dir: t.TempDir()}
		d.checkpoint([]flow.Hour{1, 2})
		f := d.folder(Link)
		reader, err := os.Open(path.Join(d.dir, FileName(1)))
		d.must(err)
		d.checkpoint([]flow.Hour{2}, 1)
		f.Follow(d.m.Blocks())
		for range 3 {
			if inUse, failures := f.pass(false); inUse != 1 || failures != 0 || f.Behind() != 1 {
				t.Errorf("%d files are in use, %d changes fail, %d behind", inUse, failures, f.Behind())
			}
		}
		if got := d.shows(); got["hour=1"] != 999 || got["hour=2"] != 2 {
			t.Errorf("the folder shows %v", got)
		}
		if !forced {
			d.must(reader.Close())
		}
		if inUse, failures := f.pass(forced); inUse+failures != 0 || f.Behind() != 0 {
			t.Errorf("then %d files are in use, %d changes fail, %d behind", inUse, failures, f.Behind())
		}
		d.want(map[string]uint64{"hour=1": 0, "hour=2": 2})
		_ = reader.Close()
	}
}

// usable tells whether the system knows who has a file open.
func usable(t *testing.T) bool {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"/a", "/b"} {
		if err := os.WriteFile(dir+name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.Open(dir + "/b")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	return errors.Is(disk.OS.RenameUnused(dir+"/a", dir+"/b"), disk.ErrInUse)
}

// TestGoroutine has the folder's own goroutine follow, and wait for a reader.
func TestGoroutine(t *testing.T) {
	d := &data{t: t, fs: disk.OS, dir: t.TempDir()}
	d.checkpoint([]flow.Hour{1})
	f := d.folder(Link)
	f.Start()
	reader, err := os.Open(path.Join(d.dir, FileName(1)))
	d.must(err)
	f.Follow(d.checkpoint([]flow.Hour{1, 2}).Blocks())
	settled := func(done func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the folder shows %v", d.shows())
			}
		}
	}
	settled(func() bool { return d.shows()["hour=2"] == 2 })
	d.must(reader.Close())
	settled(func() bool { return d.shows()["hour=1"] == 2 && f.Behind() == 0 })
	f.Follow(d.checkpoint([]flow.Hour{1, 3}, 2).Blocks())
	f.Close() // makes it, whether or not the goroutine did
	d.want(map[string]uint64{"hour=1": 3, "hour=2": 0, "hour=3": 3})
}

// TestNoHardLinks has a file system without hard links: that is said, and there is no folder but by copies.
func TestNoHardLinks(t *testing.T) {
	for _, cause := range []error{syscall.EPERM, syscall.ENOTSUP, syscall.ENOSYS, syscall.EXDEV} {
		mem := crashfs.New()
		mem.Inject(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpLink {
				return cause
			}
			return nil
		})
		d := &data{t: t, fs: mem, dir: "data"}
		d.must(mem.MkdirAll("data"))
		d.checkpoint([]flow.Hour{1})
		f := d.folder(Copy)
		d.want(map[string]uint64{"hour=1": 1})
		f.Follow(d.checkpoint([]flow.Hour{1, 2}, 1).Blocks())
		f.pass(false)
		d.want(map[string]uint64{"hour=1": 0, "hour=2": 2})

		f = d.folder(Link)
		f.Start()
		f.Follow(d.m.Blocks())
		f.Close()
		if found := d.shows(); len(found) > 0 {
			t.Errorf("%v: the folder shows %v", cause, found)
		}
		if text := d.log.String(); strings.Count(text, "level=WARN") != 1 || !strings.Contains(text, "set parquet-folder to copy") {
			t.Errorf("%v: it was logged: %s", cause, text)
		}
		if found, err := Check(d.fs, d.dir, d.m.Blocks(), true); found != nil || err != nil {
			t.Errorf("%v: the check finds %+v, %v", cause, found, err)
		}
	}
}

// TestFullDisk has no room for anything new: an hour that expires must let go of its bytes all the same,
// and what changed is shown as it was until there is room.
func TestFullDisk(t *testing.T) {
	mem := crashfs.New()
	d := &data{t: t, fs: mem, dir: "data"}
	d.must(mem.MkdirAll("data"))
	d.checkpoint([]flow.Hour{1, 2, 3})
	f := d.folder(Link)
	f.Follow(d.checkpoint([]flow.Hour{2}, 1).Blocks())
	mem.Inject(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpLink || op.Kind == errorfs.OpCreate {
			return &os.PathError{Op: "link", Path: op.Path, Err: syscall.ENOSPC}
		}
		return nil
	})
	for range 3 {
		f.pass(false)
	}
	if got := d.shows(); len(got) != 3 || got["hour=2"] != 999 || got["hour=3"] != 1 {
		t.Errorf("the folder shows %v", got)
	}
	if f.Behind() != 1 || strings.Count(d.log.String(), "level=WARN") != 1 {
		t.Errorf("%d hours are behind; it was logged: %s", f.Behind(), d.log.String())
	}
	mem.Inject(nil)
	f.pass(false)
	d.want(map[string]uint64{"hour=2": 2, "hour=3": 1})
}
