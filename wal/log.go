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

// Log appends to the last segment of a folder. One goroutine appends; what other methods may be
// called by others stands at them.
type Log struct {
	o Options

	// failed is why the log takes nothing any more: poison or ErrClosed.
	failed atomic.Pointer[error]

	// buffer is what Append writes; with Fsync it begins with what the page of the next frame has
	// before that. It is the appending goroutine's.
	buffer []byte

	// syncing is held while files are synced behind the appending goroutine's back, and while a
	// drop forgets files that wait for it.
	syncing sync.Mutex

	mu       sync.Mutex // guards what follows, for moments, never during a write or a sync
	current  *segment
	group    uint64     // of the next group
	durable  uint64     // the first group not known to be synced
	behind   []*segment // left by Append, not synced since; never with Fsync
	sealed   []uint64   // segments with groups, before the current one
	spares   []*segment // prepared, in order of their numbers, from the current one's on
	next     uint64     // number of the next spare
	dropped  []uint64   // segments kept to become spares, in order of their numbers
	surplus  []uint64   // segments dropped, and to be removed
	begin    uint64     // the segment before which all are dropped
	used     uint64     // by how many segments the last drop moved it
	spaceErr error      // why the last spare could not be made; nil when it could
	stats    Stats
	marks    marks

	// started is set by Start. changed has a token when the preparer made a spare or failed to.
	started bool
	changed chan struct{}
	wanted  chan struct{} // has a token when a spare is wanted
	stop    chan struct{}
	running sync.WaitGroup
}

// Stats is what a log did since Open, but for the three last, which are what there is.
type Stats struct {
	Groups, Records uint64
	// Bytes are those of the frames.
	Bytes uint64
	// Syncs counts the syncs of groups, SyncTime is the time that they took; with Fsync with the writes
	// before them, which wait for the disk, too.
	Syncs    uint64
	SyncTime time.Duration
	// Segments is the number of files with groups, the current one included. Spares is the number of
	// prepared ones behind them, Kept that of dropped ones from which the next spares are made.
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

// Close ends what Start began, syncs what was written and closes the files. No caller may be in
// Append. It returns what the last sync returned, or the poison that there was. Closed twice it
// does nothing.
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

// Err returns nil, or why the log takes nothing any more. Any goroutine may ask.
func (l *Log) Err() error {
	if err := l.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// poison stops the log for good and returns the error that every call gets from now on. The
// first one stays.
func (l *Log) poison(doing string, s *segment, cause error) error {
	err := fmt.Errorf("%w: %s %s: %w", ErrPoisoned, doing, s.path(&l.o), cause)
	l.failed.CompareAndSwap(nil, &err)
	return l.Err()
}

// Position returns that of the next group. Any goroutine may ask.
func (l *Log) Position() Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Position{Segment: l.current.number, Group: l.group}
}

// Size returns the bytes of the groups since the position of the last Drop, up to a 64th of a
// segment more, or of those that were read on opening and since. Any goroutine may ask.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.marks.size()
}

// Stats returns what the log did. Any goroutine may ask.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Segments, s.Spares, s.Kept = len(l.sealed)+1, len(l.spares), len(l.dropped)
	return s
}

// SpaceErr returns nil, or why the next segment could not be made: mostly that the disk is full.
// It is tried again every second and after each Drop. Any goroutine may ask.
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
	off    int64 // where the next frame goes; the appending goroutine's
}

func (s *segment) path(o *Options) string { return path.Join(o.Dir, segmentName(s.number)) }
