package wal

import (
	"errors"
	"fmt"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"flowd/disk"
)

// Log appends to the last segment of a folder. One goroutine appends; the comments of the other methods say
// which goroutines may call them.
type Log struct {
	o Options

	// failed is why the log accepts no more groups: poison or ErrClosed.
	failed atomic.Pointer[error]

	// buffer is the data that Append writes; with Fsync it begins with the bytes of the page before the next
	// frame. The appending goroutine owns it.
	buffer []byte

	// syncing is held while files are synced by a goroutine other than the appending one, and while a drop
	// forgets files that wait for a sync.
	syncing sync.Mutex

	mu       sync.Mutex // guards what follows, for moments, never during a write or a sync
	current  *segment
	group    uint64     // number of the next group
	durable  uint64     // the first group not known to be synced
	behind   []*segment // full segments not synced yet; none with Fsync
	sealed   []uint64   // segments with groups, before the current one
	spares   []*segment // prepared, in order of their numbers, which follow the current one's
	next     uint64     // number of the next spare
	dropped  []uint64   // segments kept to become spares, in order of their numbers
	surplus  []uint64   // dropped segments to be removed
	begin    uint64     // all segments before this one are dropped
	used     uint64     // number of segments by which the last drop advanced begin
	spaceErr error      // of the last attempt to prepare a spare, or nil
	stats    Stats
	marks    marks

	// started is set by Start. changed gets a token when the preparer has made a spare or failed to.
	started bool
	changed chan struct{}
	wanted  chan struct{} // has a token when a spare is wanted
	stop    chan struct{}
	running sync.WaitGroup
}

// Stats describes the work of a log since Open, except for the last three fields, which describe its
// current files.
type Stats struct {
	Groups, Records uint64
	// Bytes is the size of all frames.
	Bytes uint64
	// Syncs counts the syncs of groups, and SyncTime is their duration. With Fsync it includes the writes
	// before them, which wait for the disk too.
	Syncs    uint64
	SyncTime time.Duration
	// Segments is the number of files with groups, the current one included. Spares is the number of
	// prepared files behind them, Kept the number of dropped ones from which the next spares are made.
	Segments, Spares, Kept int
}

// Start begins to prepare segments and, with Interval, to sync.
func (l *Log) Start() {
	l.mu.Lock()
	l.started = true
	l.mu.Unlock()
	l.running.Go(l.prepare)
	if l.o.Durability == Interval {
		l.running.Go(l.syncAtIntervals)
	}
}

// Close stops the goroutines of Start, syncs all written groups and closes the files. No caller may be in
// Append. It returns the error of the last sync, or the poison if there is one. A second Close does
// nothing.
func (l *Log) Close() error {
	if errors.Is(l.Err(), ErrClosed) {
		return nil
	}
	close(l.stop)
	l.running.Wait()
	err := l.Err()
	if err == nil {
		err = l.syncWritten()
	}
	closed := ErrClosed
	l.failed.Store(&closed)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range append(append(l.behind, l.spares...), l.current) {
		err = errors.Join(err, s.file.Close())
	}
	l.behind, l.spares = nil, nil
	return err
}

// Err returns nil, or why the log accepts no more groups. Any goroutine may call it.
func (l *Log) Err() error {
	if err := l.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// poison stops the log for good, and returns the error that every later call returns. The first poison
// persists.
func (l *Log) poison(doing string, s *segment, cause error) error {
	err := fmt.Errorf("%w: %s %s: %w", ErrPoisoned, doing, s.path(&l.o), cause)
	l.failed.CompareAndSwap(nil, &err)
	return l.Err()
}

// Position returns the position of the next group. Any goroutine may call it.
func (l *Log) Position() Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Position{Segment: l.current.number, Group: l.group}
}

// Size returns the size of the groups since the position of the last Drop, or, before the first Drop, of
// those read on opening and appended since. It may include up to a 64th of a segment before that position.
// Any goroutine may call it.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.marks.size()
}

// Stats returns the statistics of the log. Any goroutine may call it.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Segments, s.Spares, s.Kept = len(l.sealed)+1, len(l.spares), len(l.dropped)
	return s
}

// SpaceErr returns nil, or why the next segment could not be prepared: mostly that the disk is full. The
// log retries every second and after each Drop. Any goroutine may call it.
func (l *Log) SpaceErr() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.spaceErr
}

// segment is an open segment.
type segment struct {
	number uint64
	salted uint32
	file   disk.File
	off    int64 // of the next frame; owned by the appending goroutine
}

func (s *segment) path(o *Options) string { return path.Join(o.Dir, segmentName(s.number)) }
