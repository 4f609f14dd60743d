package disk

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// direct is whether a file is written around the page cache.
type direct uint8

const (
	directUntried direct = iota
	directOn
	directRefused // by the kernel or the file system: for good
)

// WriteDirect implements File with O_DIRECT. A kernel or a file system without it refuses the flag, or
// the first write. A write that was refused may have written a part at most; all of it is written again
// through the page cache, as is all that follows, so nothing is lost.
func (f *osFile) WriteDirect(b []byte, off int64) (int, error) {
	if f.direct == directUntried {
		f.direct = directRefused
		if setDirect(f.File, true) == nil {
			f.direct = directOn
		}
	}
	n, err := f.WriteAt(b, off)
	if f.direct != directOn || !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EOPNOTSUPP) {
		return n, err
	}
	f.direct = directRefused
	if err := setDirect(f.File, false); err != nil {
		return 0, err
	}
	return f.WriteAt(b, off)
}

// setDirect switches O_DIRECT of an open file.
func setDirect(f *os.File, on bool) error {
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	if err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	flags &^= unix.O_DIRECT
	if on {
		flags |= unix.O_DIRECT
	}
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETFL, flags)
	return os.NewSyscallError("fcntl", err)
}
