package disk

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncData is fdatasync, again if a signal interrupted it, which says nothing about the data.
func syncData(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
