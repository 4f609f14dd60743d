// Package process reads what another process of this machine uses, and finds the process that listens on an
// address.
package process

import (
	"errors"
	"time"
)

// Usage is what a process used so far.
type Usage struct {
	// Name is the short name of its program.
	Name string
	// CPU is the processor time of all its threads, user and system, since it started.
	CPU time.Duration
	// RSS is the memory it holds now, and PeakRSS the most it ever held, in bytes.
	RSS, PeakRSS uint64
}

// ErrUnseen is returned where this program has no way to look at other processes.
var ErrUnseen = errors.New("this system does not show the usage of a process; on Linux it does")
