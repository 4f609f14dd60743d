//go:build linux || darwin

package httpapi

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// left reports whether the client has gone away: whether it has closed the connection, or its
// sending side, which nobody can tell apart from here. It looks at what would be read next, and
// leaves it there. It may be called while the request is answered.
func (c *conn) left() bool {
	socket, ok := c.Conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return true // it was closed on this side, as a stop does
	}
	left := false
	err = raw.Control(func(fd uintptr) {
		var next [1]byte
		n, _, err := unix.Recvfrom(int(fd), next[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		left = n == 0 && err == nil || errors.Is(err, unix.ECONNRESET)
	})
	return left || err != nil
}
