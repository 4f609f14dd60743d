package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestCauseOf(t *testing.T) {
	for err, want := range map[error]Cause{
		syscall.ENOSPC: NoSpace, syscall.EDQUOT: Quota, syscall.EMFILE: ProcessFiles, syscall.ENFILE: SystemFiles,
		syscall.EROFS: ReadOnly, syscall.EACCES: Denied, syscall.EPERM: Denied, syscall.EIO: Broken,
		syscall.ENOENT: Missing, syscall.EFBIG: TooLarge, syscall.ENOMEM: NoMemory,
		os.ErrDeadlineExceeded: Slow, io.ErrShortWrite: Other, errors.New("x"): Other,
	} {
		for _, wrapped := range []error{
			err, &os.PathError{Op: "open", Path: "/secret", Err: err},
			fmt.Errorf("making /secret: %w", errors.Join(err, errors.New("closing"))),
		} {
			if got := CauseOf(wrapped); got != want {
				t.Errorf("%v: %v, want %v", wrapped, got, want)
			}
		}
	}
	seen := map[string]bool{}
	for c := range causes {
		if c.String() == "" || c.Remedy() == "" || seen[c.String()] {
			t.Errorf("cause %d says %q, %q", c, c, c.Remedy())
		}
		seen[c.String()] = true
	}
}

// The causes that can be had from a real system.
func TestCausesOfTheSystem(t *testing.T) {
	folder := t.TempDir()
	_, err := OS.Create(filepath.Join(folder, "none", "file"))
	if got := CauseOf(err); got != Missing {
		t.Errorf("%v: %v", err, got)
	}
	if os.Geteuid() == 0 {
		return // who may write everywhere
	}
	if err := os.Chmod(folder, 0o500); err != nil {
		t.Fatal(err)
	}
	_, err = OS.Create(filepath.Join(folder, "file"))
	if got := CauseOf(err); got != Denied {
		t.Errorf("%v: %v", err, got)
	}
}
