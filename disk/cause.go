package disk

import (
	"errors"
	"os"
	"syscall"
)

// Cause is why a file system did not do what was asked of it.
type Cause uint8

const (
	// Other is a cause that has no words here.
	Other Cause = iota
	// NoSpace is a full disk, and Quota a user who may have no more of one.
	NoSpace
	Quota
	// ProcessFiles is a process that has as many files and connections open as it may, and SystemFiles a
	// system.
	ProcessFiles
	SystemFiles
	// ReadOnly is a file system that is mounted read-only.
	ReadOnly
	// Denied is a user without the right to it.
	Denied
	// Broken is a disk that fails.
	Broken
	// Missing is a folder that is gone.
	Missing
	// TooLarge is a file beyond what the process or the file system may have.
	TooLarge
	// NoMemory is a system without memory for it.
	NoMemory
	// Slow is that nothing failed, but it took too long (os.ErrDeadlineExceeded).
	Slow
	causes
)

var causeErrors = [causes][]error{
	NoSpace:      {syscall.ENOSPC},
	Quota:        {syscall.EDQUOT},
	ProcessFiles: {syscall.EMFILE},
	SystemFiles:  {syscall.ENFILE},
	ReadOnly:     {syscall.EROFS},
	Denied:       {syscall.EACCES, syscall.EPERM},
	Broken:       {syscall.EIO, syscall.ENXIO, syscall.ENODEV},
	Missing:      {syscall.ENOENT, syscall.ENOTDIR},
	TooLarge:     {syscall.EFBIG},
	NoMemory:     {syscall.ENOMEM},
	Slow:         {os.ErrDeadlineExceeded},
}

var causeTexts = [causes]struct{ what, remedy string }{
	Other:        {"the system refused it", "what it said is in the log of flowd"},
	NoSpace:      {"the disk is full", "free some space, or lower retention-bytes"},
	Quota:        {"the quota on the disk is used up", "raise the quota of flowd's user, or lower retention-bytes"},
	ProcessFiles: {"flowd has as many files and connections open as it may", "raise LimitNOFILE (ulimit -n) above max-connections, or have fewer connections"},
	SystemFiles:  {"the system has as many files open as it may", "raise fs.file-max, or find the program that holds so many"},
	ReadOnly:     {"the file system is mounted read-only", "find out why (dmesg) and mount it for writing"},
	Denied:       {"the user of flowd has no right to write to the data folder", "give it that right"},
	Broken:       {"the disk fails", "look at it (dmesg, SMART), and replace it if it is broken"},
	Missing:      {"the data folder is not there any more", "mount it, or put it back"},
	TooLarge:     {"a file may not be that large", "raise the limit (LimitFSIZE, ulimit -f), or lower segment-bytes"},
	NoMemory:     {"the system has no memory left", "find what uses it"},
	Slow:         {"the disk takes too long", "give flowd a faster one, or find what else is on it"},
}

// CauseOf returns the cause of an error of an FS or a File, however it is wrapped. Of several it is the first
// in the order above.
func CauseOf(err error) Cause {
	for c := Other + 1; c < causes; c++ {
		for _, known := range causeErrors[c] {
			if errors.Is(err, known) {
				return c
			}
		}
	}
	return Other
}

// String says what happened, as a part of a sentence and without names of files.
func (c Cause) String() string { return causeTexts[c].what }

// Remedy says what an operator can do about it, as a part of a sentence.
func (c Cause) Remedy() string { return causeTexts[c].remedy }
