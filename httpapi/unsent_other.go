//go:build !linux && !darwin

package httpapi

// limitUnsent does nothing where the kernel has no such limit.
func (c *conn) limitUnsent(int) { c.unsentLimited = true }
