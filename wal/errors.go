package wal

import (
	"errors"
	"fmt"
)

var (
	// ErrPoisoned is that a write or a sync failed, or was short. What is on disk is unknown since,
	// so the log takes nothing any more, for good: only a new Open, which reads what is there, goes on.
	ErrPoisoned = errors.New("wal: poisoned by a failed write or sync")
	// ErrNoSegment is that the group needs a new segment and none could be made: the disk is full, or
	// whatever else the error wraps. Nothing was written; it may work later.
	ErrNoSegment = errors.New("wal: no prepared segment")
	// ErrTooLarge is that a group does not fit into a segment.
	ErrTooLarge = errors.New("wal: group larger than a segment")
	// ErrClosed is that the log was closed.
	ErrClosed = errors.New("wal: closed")
)

// CorruptionError is damage: bytes that were synced once are not there any more, or cannot be
// what this package wrote. Nothing was changed on disk.
type CorruptionError struct {
	// Segment is the number of the segment with the damage, or of the one that is missing.
	Segment uint64
	// Offset is where in its file, in bytes.
	Offset int64
	// Reason names the values that disagree.
	Reason string
}

// Error says where and what.
func (e *CorruptionError) Error() string {
	return fmt.Sprintf("wal: damage in %s at offset %d: %s", segmentName(e.Segment), e.Offset, e.Reason)
}

// VersionError is that an undamaged segment was written in a format that this program does not know.
type VersionError struct {
	// Segment is its number.
	Segment uint64
	// Version is the format's version, Known the one that this program reads.
	Version, Known uint32
}

// Error names both versions.
func (e *VersionError) Error() string {
	return fmt.Sprintf("wal: %s has format version %d, this program knows version %d",
		segmentName(e.Segment), e.Version, e.Known)
}
