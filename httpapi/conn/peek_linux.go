package conn

import "golang.org/x/sys/unix"

// hungUp tells whether the other end of a connection has closed it, or its sending side, whatever is
// still to be read.
func hungUp(fd uintptr) bool {
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	n, err := unix.Poll(poll, 0)
	return err == nil && n > 0
}
