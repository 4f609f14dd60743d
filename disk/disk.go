// Package disk is the file system as the log and the blocks use it: a small interface, so that
// tests can cut the power and fail any call, and the operating system's behind it.
package disk

import (
	"io"
)

// FS is a file system. Names are paths with slashes. A failed call may have done its work or
// not. Errors satisfy errors.Is with fs.ErrNotExist, fs.ErrExist and syscall.ENOSPC where they
// mean that.
type FS interface {
	// Create makes a file and opens it for reading and writing; an existing one is an error.
	// That the name exists is durable after SyncDir of its folder.
	Create(name string) (File, error)
	// OpenWrite opens an existing file for reading and writing.
	OpenWrite(name string) (File, error)
	// Open opens an existing file for reading.
	Open(name string) (File, error)
	// Rename renames a file, replacing what has the new name; durable after SyncDir of the folders.
	Rename(from, to string) error
	// RenameUnused is Rename, but it is ErrInUse, and nothing has changed, while any process has the
	// file open that has the new name. It is for readers that open a name more than once and expect the
	// same file. It is exact on Linux, on file systems with leases, for files of this user; elsewhere it
	// is Rename.
	RenameUnused(from, to string) error
	// Link gives a file a second name; one that exists is an error. Durable after SyncDir of the folder.
	Link(from, to string) error
	// Same tells whether two names are those of one file.
	Same(a, b string) (bool, error)
	// Remove removes a file or an empty folder.
	Remove(name string) error
	// MkdirAll makes a folder and those above it.
	MkdirAll(name string) error
	// List returns the names in a folder, sorted, without the folder's own.
	List(folder string) ([]string, error)
	// SyncDir makes durable which names a folder has.
	SyncDir(folder string) error
	// Lock takes the lock that a file stands for, making the file if need be. It ends with Close, or
	// with the process. One that another has is ErrLocked.
	Lock(name string) (io.Closer, error)
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// WriteDirect writes b past the page cache, where the operating system and the file system allow
	// it, else through it, and returns as WriteAt does. What was written is durable after a sync, as ever,
	// which has less to do than behind WriteAt. The address of b, its length and off are multiples of
	// DirectBytes: see Aligned. b is the caller's again when the call returns. From the first call on this
	// File is neither read nor written by other methods, which would need the same multiples, and one
	// goroutine at a time may call it. Files that others open under the name read what was written.
	WriteDirect(b []byte, off int64) (n int, err error)
	// Sync makes content and size durable (fsync).
	Sync() error
	// SyncData makes the content durable, of a file whose size has not changed since the last Sync
	// (fdatasync).
	SyncData() error
	// Size returns the length in bytes.
	Size() (int64, error)
}
