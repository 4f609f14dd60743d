//go:build !linux && !darwin

package httpapi

// left says no where nobody can look at what would be read next. The answer is worked out to its
// end there, and cannot be written.
func (c *conn) left() bool { return false }
