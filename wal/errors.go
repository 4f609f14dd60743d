package wal

import (
	"errors"
	"fmt"
)

var (
	// ErrPoisoned means that a write or a sync failed, or was short. The content of the disk is unknown
	// since then, so the log accepts no more groups. Only a new Open, which reads the disk, can continue.
	ErrPoisoned = errors.New("wal: poisoned by a failed write or sync")
	// ErrNoSegment means that the group needs a new segment and none could be prepared: the disk is full, or
	// the wrapped cause. Nothing was written; it may succeed later.
	ErrNoSegment = errors.New("wal: no prepared segment")
	// ErrTooLarge means that a group does not fit into a segment.
	ErrTooLarge = errors.New("wal: group larger than a segment")
	// ErrClosed means that the log was closed.
	ErrClosed = errors.New("wal: closed")
)

// CorruptionError reports damage: bytes that were once synced are missing, or are bytes that this package
// cannot have written. Nothing was changed on disk.
type CorruptionError struct {
	// Segment is the number of the segment with the damage, or of the one that is missing.
	Segment uint64
	// Offset is the position in its file, in bytes.
	Offset int64
	// Reason names the values that disagree.
	Reason string
}

// Error names the place and the reason.
func (e *CorruptionError) Error() string {
	return fmt.Sprintf("wal: damage in %s at offset %d: %s", segmentName(e.Segment), e.Offset, e.Reason)
}

// VersionError reports an undamaged segment in a format that this program does not know.
type VersionError struct {
	// Segment is its number.
	Segment uint64
	// Version is the version of its format, Known the one that this program reads.
	Version, Known uint32
}

// Error names both versions.
func (e *VersionError) Error() string {
	return fmt.Sprintf("wal: %s has format version %d, this program knows version %d",
		segmentName(e.Segment), e.Version, e.Known)
}
