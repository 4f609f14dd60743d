package local

import (
	"strings"

	"flowd/disk"
)

// noSegment says that the log has no room for a batch, and why: it may be a full disk, and as well a right, a limit
// or a mount. It passes by itself once a segment can be made.
func (e *Engine) noSegment(err error) error {
	cause := disk.CauseOf(err)
	reason := reasonDiskError
	switch cause {
	case disk.NoSpace, disk.Quota:
		reason = reasonDiskFull
	case disk.ProcessFiles, disk.SystemFiles:
		reason = reasonOpenFiles
	}
	what := cause.String()
	return e.unavailable(reason, strings.ToUpper(what[:1])+what[1:]+", so no segment for the log can be made and no batch taken; "+
		cause.Remedy()+". Reads go on.", err)
}

// logFailed says that the log is given up until the next start, and why.
func (e *Engine) logFailed(err error) error {
	detail := "The log could not be written"
	if cause := disk.CauseOf(err); cause != disk.Other {
		detail += " (" + cause.String() + ": " + cause.Remedy() + ")"
	}
	return e.unavailable(reasonLogFailed, detail+", so no batch is taken until the server is started again. Reads go on.", err)
}
