//go:build !linux

package loadtest

// ReadProcess returns ErrCannotSee.
func ReadProcess(int) (ProcessUsage, error) { return ProcessUsage{}, ErrCannotSee }

// FindServer returns ErrCannotSee.
func FindServer(string) (int, error) { return 0, ErrCannotSee }

// ForgetPeak returns ErrCannotSee.
func ForgetPeak(int) error { return ErrCannotSee }
