package wal

import (
	"fmt"
	"time"

	"flowd/disk"
)

const (
	// wantedSpares is the number of prepared segments ahead of the current one. It is two, since a segment
	// may be full before the next one is filled with zeros.
	wantedSpares = 2
	// leastKept is the number of dropped segments that are kept to become spares, however low KeepBytes is.
	leastKept = 2
	// spaceRetry is the time after which a failed preparation is retried.
	spaceRetry = time.Second
)

// prepare runs in a goroutine and makes spares, so that Append never waits for a file to be filled.
func (l *Log) prepare() {
	for {
		var again <-chan time.Time
		if !l.prepareSpares() {
			again = time.After(spaceRetry)
		}
		select {
		case <-l.stop:
			return
		case <-l.wanted:
		case <-again:
		}
	}
}

// prepareSpares makes the missing spares. It returns false if one could not be made.
func (l *Log) prepareSpares() bool {
	for {
		l.mu.Lock()
		enough, number := len(l.spares) >= wantedSpares, l.next
		l.mu.Unlock()
		if enough {
			return true
		}
		select {
		case <-l.stop:
			return true
		default:
		}
		s, err := l.prepareSegment(number)
		l.mu.Lock()
		known := l.spaceErr
		if l.spaceErr = err; err == nil {
			l.spares = append(l.spares, s)
			l.next++
		}
		l.mu.Unlock()
		notify(l.changed)
		if err != nil {
			if known == nil || disk.CauseOf(known) != disk.CauseOf(err) {
				l.o.Logger.Error("no segment for the log can be made, trying again", "every", spaceRetry, "error", err)
			}
			return false
		}
		if known != nil {
			l.o.Logger.Info("segments for the log can be made again")
		}
	}
}

// prepareSegment turns a dropped segment into a prepared one, or creates one. A file that it leaves behind
// on failure has no groups, and is at most unfinished, so a reader skips it; it is removed to free its
// space.
func (l *Log) prepareSegment(number uint64) (*segment, error) {
	l.mu.Lock()
	var dropped uint64
	if n := len(l.dropped); n > 0 {
		dropped, l.dropped = l.dropped[n-1], l.dropped[:n-1]
	}
	l.mu.Unlock()
	made := segment{number: number}
	if dropped > 0 {
		s, err := recycleSegment(&l.o, dropped, number)
		if err == nil {
			return s, nil
		}
		l.o.Logger.Warn("a dropped segment of the log cannot be used again, making a new one",
			"dropped", dropped, "segment", number, "error", err)
		// It is unknown which of the two names it has now. Neither file has groups.
		old := segment{number: dropped}
		_ = l.o.FS.Remove(old.path(&l.o))
		_ = l.o.FS.Remove(made.path(&l.o))
	}
	s, err := createSegment(&l.o, number)
	if err != nil {
		_ = l.o.FS.Remove(made.path(&l.o))
		return nil, fmt.Errorf("making %s: %w", made.path(&l.o), err)
	}
	return s, nil
}
