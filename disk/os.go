package disk

import (
	"errors"
	"io"
	"os"
)

// ErrLocked is that another process, or another part of this one, has a lock.
var ErrLocked = errors.New("disk: locked by another")

// ErrInUse is that a process has a file open.
var ErrInUse = errors.New("disk: the file is open")

// OS is the operating system's file system.
var OS FS = osFS{}

type osFS struct{}

type osFile struct {
	*os.File
	direct direct
}

const (
	fileMode   = 0o640
	folderMode = 0o750
)

func (osFS) Create(name string) (File, error)    { return open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL) }
func (osFS) OpenWrite(name string) (File, error) { return open(name, os.O_RDWR) }
func (osFS) Open(name string) (File, error)      { return open(name, os.O_RDONLY) }

func open(name string, flag int) (File, error) {
	f, err := os.OpenFile(name, flag, fileMode)
	if err != nil {
		return nil, err
	}
	return &osFile{File: f}, nil
}

func (osFS) Rename(from, to string) error { return os.Rename(from, to) }
func (osFS) Link(from, to string) error   { return os.Link(from, to) }
func (osFS) Remove(name string) error     { return os.Remove(name) }
func (osFS) MkdirAll(name string) error   { return os.MkdirAll(name, folderMode) }

func (osFS) RenameUnused(from, to string) error { return renameUnused(from, to) }

func (osFS) Same(a, b string) (bool, error) {
	first, err := os.Lstat(a)
	if err != nil {
		return false, err
	}
	second, err := os.Lstat(b)
	return err == nil && os.SameFile(first, second), err
}

func (osFS) List(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

func (osFS) SyncDir(folder string) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (osFS) Lock(name string) (io.Closer, error) { return lock(name) }

func (f *osFile) SyncData() error { return syncData(f.File) }

func (f *osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
