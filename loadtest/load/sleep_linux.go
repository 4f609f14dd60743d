package load

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// newSleeper returns a sleep that is accurate to some ten microseconds, and what frees it.
// The timers of the runtime fire up to a millisecond late when a process idles, because it
// waits for the network in whole milliseconds. Requests would leave that much after they were
// due, and the delay would count as the server's. A timer of the kernel wakes the same wait
// through a file, on time.
func newSleeper() (sleep func(time.Duration), free func(), err error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, nil, os.NewSyscallError("timerfd_create", err)
	}
	timer := os.NewFile(uintptr(fd), "timerfd")
	var fired [8]byte
	sleep = func(d time.Duration) {
		if d <= 0 {
			return
		}
		at := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
		if err := unix.TimerfdSettime(fd, 0, &at, nil); err != nil {
			time.Sleep(d)
			return
		}
		// The one error is that of a freed timer, and there is nothing to wait for then.
		_, _ = timer.Read(fired[:])
	}
	return sleep, func() { timer.Close() }, nil
}
