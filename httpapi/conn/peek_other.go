//go:build !linux && !darwin

package conn

import (
	"net"
	"time"
)

// Disconnected says no where the system cannot tell what would be read next. The answer is worked out to its
// end there, and cannot be written.
func (c *Conn) Disconnected() bool { return false }

// writeAtOnce writes what can be written within a moment.
func writeAtOnce(nc net.Conn, p []byte) (int, error) {
	if err := nc.SetWriteDeadline(time.Now().Add(5 * time.Millisecond)); err != nil {
		return 0, err
	}
	return nc.Write(p)
}
