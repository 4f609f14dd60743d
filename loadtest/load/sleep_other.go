//go:build !linux

package load

import "time"

// newSleeper returns the sleep of the runtime.
func newSleeper() (sleep func(time.Duration), free func(), err error) {
	return time.Sleep, func() {}, nil
}
