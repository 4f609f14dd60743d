package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"flowd/block"
	"flowd/dedupe"
	"flowd/store/manifest"
	"flowd/wal"
)

// Finding is a problem in a data folder.
type Finding struct {
	// File is the path below the folder, with slashes.
	File string `json:"file"`
	// Offset is the position in the file, in bytes; -1 if it is unknown or the problem concerns the whole
	// file.
	Offset int64 `json:"offset"`
	// What names the values that disagree.
	What string `json:"what"`
}

// String returns the place and the problem.
func (f Finding) String() string {
	if f.Offset < 0 {
		return f.File + ": " + f.What
	}
	return fmt.Sprintf("%s at byte %d: %s", f.File, f.Offset, f.What)
}

// samePlace reports whether two findings concern the same place, whatever their texts.
func (f Finding) samePlace(o Finding) bool { return f.File == o.File && f.Offset == o.Offset }

// DamageError means that a folder is not as it was written.
type DamageError struct {
	// Findings has at least one element.
	Findings []Finding
}

// Error returns the first finding, and the number of the others.
func (e *DamageError) Error() string {
	if more := len(e.Findings) - 1; more > 0 {
		return fmt.Sprintf("%s (and %d more)", e.Findings[0], more)
	}
	return e.Findings[0].String()
}

// findingOf converts an error of reading a file to a Finding. file is relative to the folder.
func findingOf(file string, err error) Finding {
	var corrupt *block.CorruptError
	var newer *manifest.NewerError
	var log *wal.CorruptionError
	var version *wal.VersionError
	var windows *dedupe.FormatError
	switch {
	case errors.As(err, &corrupt):
		return Finding{corrupt.Name, corrupt.Offset, corrupt.Reason}
	case errors.As(err, &newer):
		return Finding{manifest.Name, -1, fmt.Sprintf(
			"is of a newer version: it has format %d, and the newest known here is %d", newer.Found, newer.Known)}
	case errors.As(err, &log):
		return Finding{segmentFile(log.Segment), log.Offset, log.Reason}
	case errors.As(err, &version):
		return Finding{segmentFile(version.Segment), -1, fmt.Sprintf(
			"has format version %d, and version %d is known here", version.Version, version.Known)}
	case errors.As(err, &windows):
		return Finding{file, windows.Offset, windows.What}
	case errors.Is(err, fs.ErrNotExist):
		return Finding{file, -1, "is missing"}
	}
	return Finding{file, -1, "cannot be read: " + err.Error()}
}

// segmentFile returns the path of a segment relative to the folder.
func segmentFile(number uint64) string { return path.Join(manifest.LogFolder, wal.SegmentName(number)) }
