//go:build !linux && !darwin

package conn

// LimitUnsent does nothing where the kernel has no such limit.
func (c *Conn) LimitUnsent(int) { c.unsentLimited = true }
