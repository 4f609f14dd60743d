package wal

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"time"

	"flowd/disk"
)

// Durability is when appended groups are synced.
type Durability uint8

const (
	// Fsync syncs each group before Append returns.
	Fsync Durability = iota
	// Interval syncs all written groups every Options.SyncEvery. A crash of the machine loses the groups
	// appended since; a crash of the process alone loses nothing.
	Interval
	// None lets the operating system write when it wants, and syncs only on Close.
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

// Position is a place between two groups, identified by the next group.
type Position struct {
	// Segment is the number of the segment in which the search for the next group begins. The group may turn
	// out to be the first one of the following segment.
	Segment uint64
	// Group is the number of the next group. Groups count from 1, one by one, over all segments.
	Group uint64
}

// Options configure a log.
type Options struct {
	// Dir is the folder of the segments. It is created if it is missing. It must belong to this log alone,
	// and to one process; the caller must hold a lock that ensures this.
	Dir string
	// FS is the file system, disk.OS if nil.
	FS disk.FS
	// SegmentBytes is the size of a segment: 64 MiB if 0, else 16 KiB to 1 GiB, rounded up to pages
	// of 4 KiB. A group must fit into one.
	SegmentBytes int64
	// Durability is when groups are synced.
	Durability Durability
	// SyncEvery is the time between two syncs with Interval; 0 means a second.
	SyncEvery time.Duration
	// KeepBytes bounds the bytes of all files of the log together, up to which Drop keeps segments to be
	// reused. Drop keeps the number of segments by which the log advanced from one Drop to the next, in the
	// longer of the last two such intervals. So in the long run a log that is dropped at intervals fills no
	// file with zeros. Drop always keeps two; with 0, and while no segment can be prepared, no more.
	KeepBytes int64
	// Salt returns 64 random bits for the next incarnation of a segment, never the same value twice. Nil
	// means crypto/rand.
	Salt func() uint64
	// Logger receives the events of the log's own goroutines; nil discards them.
	Logger *slog.Logger
}

const (
	// DefaultSegmentBytes is the default size of a segment.
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
