package wal

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"time"

	"flowd/disk"
)

// Durability is when what was appended is synced.
type Durability uint8

const (
	// Fsync syncs each group before Append returns.
	Fsync Durability = iota
	// Interval syncs what was written every Options.SyncEvery. A crash of the machine loses what
	// was appended since; a crash of the process alone loses nothing.
	Interval
	// None leaves it to the operating system when to write, and syncs on Close alone.
	None
)

// String returns "fsync", "interval" or "none".
func (d Durability) String() string {
	switch d {
	case Fsync:
		return "fsync"
	case Interval:
		return "interval"
	case None:
		return "none"
	}
	return fmt.Sprintf("Durability(%d)", uint8(d))
}

// Position is a place between two groups: that of the next group.
type Position struct {
	// Segment is the number of the segment in which the next group is looked for first. It may turn
	// out to be the first group of the segment behind it.
	Segment uint64
	// Group is the number of the next group. Groups count from 1, one by one, over all segments.
	Group uint64
}

// Options say how a log is kept.
type Options struct {
	// Dir is the folder of the segments. It is made if it is not there. It must belong to this log
	// alone, and to one process, which is up to the caller's lock.
	Dir string
	// FS is the file system, disk.OS if nil.
	FS disk.FS
	// SegmentBytes is the size of a segment: 64 MiB if 0, else 16 KiB to 1 GiB, rounded up to pages
	// of 4 KiB. A group must fit into one.
	SegmentBytes int64
	// Durability is when groups are synced.
	Durability Durability
	// SyncEvery is the time between two syncs with Interval: a second if 0.
	SyncEvery time.Duration
	// KeepBytes is up to how many bytes of files, all of the log together, Drop keeps segments to be
	// used again: as many as the log moved on by from one Drop to the next, in the longer of the last
	// two such intervals, so that a log that is dropped at intervals fills nothing with zeros in the
	// long run. Two are kept in any case; with 0, and while no segment can be made, no more.
	KeepBytes int64
	// Salt returns 64 random bits for the next incarnation of a segment. No value may come twice.
	// It is crypto/rand if nil.
	Salt func() uint64
	// Logger gets what happens behind the callers' backs; nil discards it.
	Logger *slog.Logger
}

const (
	// DefaultSegmentBytes is the size of a segment where none is said.
	DefaultSegmentBytes = 64 << 20

	minSegmentBytes = 16 << 10
	maxSegmentBytes = 1 << 30
)

// withDefaults returns o with defaults for the fields that are zero.
func (o Options) withDefaults() (Options, error) {
	if o.SegmentBytes == 0 {
		o.SegmentBytes = DefaultSegmentBytes
	}
	if o.SegmentBytes < minSegmentBytes || o.SegmentBytes > maxSegmentBytes {
		return o, fmt.Errorf("wal: segments of %d bytes, want %d to %d", o.SegmentBytes, minSegmentBytes, maxSegmentBytes)
	}
	o.SegmentBytes = roundUp(o.SegmentBytes, pageBytes)
	if o.Durability > None {
		return o, fmt.Errorf("wal: unknown durability %v", o.Durability)
	}
	if o.KeepBytes < 0 {
		return o, fmt.Errorf("wal: segments kept up to %d bytes, want 0 or more", o.KeepBytes)
	}
	if o.SyncEvery < 0 {
		return o, fmt.Errorf("wal: a sync every %v, want more than 0", o.SyncEvery)
	}
	if o.SyncEvery == 0 {
		o.SyncEvery = time.Second
	}
	if o.FS == nil {
		o.FS = disk.OS
	}
	if o.Salt == nil {
		o.Salt = randomSalt
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

func randomSalt() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the process rather than return bad bits
	return binary.LittleEndian.Uint64(b[:])
}
