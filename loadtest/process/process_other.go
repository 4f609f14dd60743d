//go:build !linux

package process

// Read returns ErrUnseen.
func Read(int) (Usage, error) { return Usage{}, ErrUnseen }

// FindListener returns ErrUnseen.
func FindListener(string) (int, error) { return 0, ErrUnseen }

// ForgetPeak returns ErrUnseen.
func ForgetPeak(int) error { return ErrUnseen }
