//go:build linux || darwin

package conn

import (
	"errors"
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Disconnected reports whether the client has gone away: whether it has closed the connection, or its
// sending side, which cannot be told apart from here. It looks at what would be read next, and
// leaves it there. It may be called while the request is answered.
func (c *Conn) Disconnected() bool {
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
		if c.tls != nil && !left {
			// What is unread may be the client's leave in TLS, which tells nothing from outside. A
			// client that closed behind it is gone; so is one that closed behind a further request.
			left = hungUp(fd)
		}
	})
	return left || err != nil
}

// writeAtOnce writes what can be written without waiting.
func writeAtOnce(nc net.Conn, p []byte) (n int, err error) {
	socket, ok := nc.(syscall.Conn)
	if !ok {
		return nc.Write(p)
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { n, failed = unix.Write(int(fd), p) }); err != nil {
		return 0, err
	}
	if failed == nil && n < len(p) {
		failed = io.ErrShortWrite
	}
	return max(n, 0), failed
}
