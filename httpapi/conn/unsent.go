//go:build linux || darwin

package conn

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// LimitUnsent lets the kernel take more of an answer only as it is sent, so that at most most bytes of it wait
// unsent; the kernel asks for more when half of them are gone. By itself it would take
// megabytes at once, and more only when a third of them is gone: a client that reads slowly
// would seem to read nothing for longer than WriteTimeout. What is on its way is not limited,
// so a link of any length is still filled.
func (c *Conn) LimitUnsent(most int) {
	socket, ok := c.Conn.(syscall.Conn)
	if c.unsentLimited || !ok {
		return
	}
	c.unsentLimited = true
	raw, err := socket.SyscallConn()
	if err != nil {
		return // it is closed, which the next write tells
	}
	_ = raw.Control(func(fd uintptr) {
		// Without it an answer is as good, only less patient.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, most)
	})
}
