package disk

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// settleTime is how long renameUnused looks for an open that found the old file before the rename.
const settleTime = time.Millisecond

// renameUnused takes a write lease on the file that is to be replaced: the kernel grants it only if no
// other has the file open, and has every open of it wait until the lease is given back. Names are
// exchanged, so that the exchange can be undone if an open did come for the old file meanwhile. The
// kernel signals that by SIGIO, which Go's runtime ignores.
//
//	lease on old --> exchange --> did an open wait for old? --no--> remove old
//	                                       |
//	                                       yes --> exchange back, ErrInUse
func renameUnused(from, to string) error {
	old, err := os.Open(to)
	if errors.Is(err, os.ErrNotExist) {
		return os.Rename(from, to)
	}
	if err != nil {
		return err
	}
	defer func() { _ = old.Close() }() // was opened for its lease alone, which ends with it
	_, err = unix.FcntlInt(old.Fd(), unix.F_SETLEASE, unix.F_WRLCK)
	if errors.Is(err, unix.EAGAIN) {
		return ErrInUse
	}
	if err != nil {
		return os.Rename(from, to) // no leases here, or not on this file
	}
	if err := exchange(from, to); err != nil {
		return os.Rename(from, to) // the file system cannot exchange
	}
	time.Sleep(settleTime)
	if lease, err := unix.FcntlInt(old.Fd(), unix.F_GETLEASE, 0); err != nil || lease != unix.F_WRLCK {
		if err := exchange(from, to); err != nil {
			return err
		}
		return ErrInUse
	}
	return os.Remove(from)
}

// exchange has two files exchange their names, in one step.
func exchange(a, b string) error {
	err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
	if err != nil {
		return &os.LinkError{Op: "exchange", Old: a, New: b, Err: err}
	}
	return nil
}
