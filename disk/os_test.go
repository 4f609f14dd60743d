package disk_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowd/disk"
	"flowd/disk/crashfs"
)

// TestFS holds the operating system's file system, and the tests' own, to the interface.
func TestFS(t *testing.T) {
	t.Run("OS", func(t *testing.T) { contract(t, disk.OS, t.TempDir()) })
	t.Run("crashfs", func(t *testing.T) { contract(t, crashfs.New(), ".") })
}

func contract(t *testing.T, f disk.FS, root string) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	is := func(err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("error %v, want %v", err, want)
		}
	}
	dir := path.Join(root, "a/b")
	must(f.MkdirAll(dir))
	must(f.MkdirAll(dir))
	one, two := path.Join(dir, "one"), path.Join(dir, "two")

	_, err := f.Open(one)
	is(err, fs.ErrNotExist)
	_, err = f.OpenWrite(one)
	is(err, fs.ErrNotExist)
	is(f.Remove(one), fs.ErrNotExist)
	_, err = f.List(path.Join(root, "none"))
	is(err, fs.ErrNotExist)

	file, err := f.Create(one)
	must(err)
	_, err = f.Create(one)
	is(err, fs.ErrExist)
	_, err = file.WriteAt([]byte("world"), 6)
	must(err)
	_, err = file.WriteAt([]byte("hello "), 0)
	must(err)
	must(file.Sync())
	must(file.Close())

	file, err = f.OpenWrite(one)
	must(err)
	_, err = file.WriteAt([]byte("W"), 6)
	must(err)
	must(file.SyncData())
	must(file.Close())

	must(f.Rename(one, two))
	must(f.SyncDir(dir))
	file, err = f.Open(two)
	must(err)
	size, err := file.Size()
	must(err)
	b := make([]byte, size)
	_, err = file.ReadAt(b, 0)
	must(err)
	if !bytes.Equal(b, []byte("hello World")) {
		t.Errorf("read %q", b)
	}
	if _, err := file.WriteAt(b, 0); err == nil {
		t.Error("wrote to a file that was opened for reading")
	}
	must(file.Close())
	contractDirect(t, f, two)

	is(f.Link(one, two), fs.ErrNotExist)
	must(f.Link(two, one))
	is(f.Link(two, one), fs.ErrExist)
	same := func(want bool) {
		t.Helper()
		is, err := f.Same(one, two)
		must(err)
		if is != want {
			t.Errorf("one file under both names: %v, want %v", is, want)
		}
	}
	same(true)
	must(f.Rename(two, one)) // of one file under two names: that leaves both
	same(true)
	must(f.Remove(one))
	_, err = f.Same(one, two)
	is(err, fs.ErrNotExist)

	again, err := f.Create(one)
	must(err)
	must(again.Close())
	same(false)
	names, err := f.List(dir)
	must(err)
	if diff := cmp.Diff([]string{"one", "two"}, names); diff != "" {
		t.Error(diff)
	}
	if err := f.Remove(dir); err == nil {
		t.Error("removed a folder that is not empty")
	}
	must(f.RenameUnused(one, two))
	_, err = f.Open(one)
	is(err, fs.ErrNotExist)
	must(f.RenameUnused(two, one)) // over no file
	must(f.Remove(one))
	must(f.Remove(dir))

	name := path.Join(root, "LOCK")
	lock, err := f.Lock(name)
	must(err)
	_, err = f.Lock(name)
	is(err, disk.ErrLocked)
	must(lock.Close())
	lock, err = f.Lock(name)
	must(err)
	must(lock.Close())
}

// contractDirect holds that others who have the file open read what is written past the page cache.
func contractDirect(t *testing.T, f disk.FS, name string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	want := disk.Aligned(3 * disk.DirectBytes)
	writer, err := f.OpenWrite(name)
	must(err)
	_, err = writer.WriteAt(want, 0)
	must(err)
	must(writer.Sync())
	reader, err := f.Open(name)
	must(err)
	got := make([]byte, len(want))
	for i := range 4 {
		off := i % 2 * disk.DirectBytes
		for j := off; j < off+2*disk.DirectBytes; j++ {
			want[j] = byte(i*50 + j%49)
		}
		n, err := writer.WriteDirect(want[off:off+2*disk.DirectBytes], int64(off))
		if n != 2*disk.DirectBytes || err != nil {
			t.Fatalf("wrote %d bytes: %v", n, err)
		}
		_, err = reader.ReadAt(got, 0)
		must(err)
		if !bytes.Equal(got, want) {
			t.Errorf("write %d is not what is read", i)
		}
	}
	must(writer.SyncData())
	must(writer.Close())
	if n, err := reader.WriteDirect(want, 0); err == nil {
		t.Errorf("wrote %d bytes to a file that was opened for reading", n)
	}
	must(reader.Close())
}

// TestLockOfAnotherProcess is the lock's purpose: it holds against other processes, and ends with
// one, however that ends.
func TestLockOfAnotherProcess(t *testing.T) {
	name := path.Join(t.TempDir(), "LOCK")
	other := holder(t, name)
	if _, err := disk.OS.Lock(name); !errors.Is(err, disk.ErrLocked) {
		t.Errorf("error %v, want %v", err, disk.ErrLocked)
	}
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = other.Wait() // killed
	lock, err := disk.OS.Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestMain(m *testing.M) {
	if name := os.Getenv(holdVariable); name != "" {
		hold(name)
	}
	os.Exit(m.Run())
}
