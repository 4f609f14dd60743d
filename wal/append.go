package wal

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// spareWait is how long Reserve waits for a segment that is being prepared. A disk that cannot fill one in
// that time cannot keep up with more groups either.
const spareWait = 5 * time.Second

// Reserve returns nil if a group of this many bytes can be appended now: the sum of the lengths of its
// records, plus RecordOverhead for each. Otherwise it returns the error of Err, ErrTooLarge, or
// ErrNoSegment with its cause. Then nothing was written, and a smaller group, or the same one later, may
// succeed. Reserve waits for a segment that is being prepared. Only the appending goroutine may call it;
// the result holds until its next Append.
func (l *Log) Reserve(bytes int) error {
	if err := l.Err(); err != nil {
		return err
	}
	need := frameSize(int64(bytes))
	if most := l.o.SegmentBytes - firstFrame; need > most {
		return fmt.Errorf("%w: a frame of %d bytes, a segment has room for %d", ErrTooLarge, need, most)
	}
	if l.current.off+need <= l.o.SegmentBytes {
		return nil
	}
	return l.awaitSpare()
}

// MaxReserve returns the largest number of bytes that Reserve does not refuse with ErrTooLarge.
func (l *Log) MaxReserve() int64 {
	most := l.o.SegmentBytes - firstFrame
	return most - most%frameAlign - frameHeader
}

// awaitSpare returns nil once there is a spare.
func (l *Log) awaitSpare() error {
	var late <-chan time.Time
	for {
		l.mu.Lock()
		spares, cause, started := len(l.spares), l.spaceErr, l.started
		l.mu.Unlock()
		switch {
		case spares > 0:
			return nil
		case cause != nil:
			return fmt.Errorf("%w: %w", ErrNoSegment, cause)
		case !started:
			return fmt.Errorf("%w: none is prepared before Start", ErrNoSegment)
		case late == nil:
			late = time.After(spareWait)
		}
		select {
		case <-l.changed:
		case <-late:
			return fmt.Errorf("%w: none was made within %v: %w", ErrNoSegment, spareWait, os.ErrDeadlineExceeded)
		}
	}
}

// Append writes the records as one group, with Fsync also syncs it, and returns the group's position. It does
// not retain the records. Without records it writes nothing.
//
// A write or sync that fails or is short poisons the log: this call and every later one return an error that
// matches ErrPoisoned, and the next Open may or may not find the group. With ErrNoSegment and ErrTooLarge nothing
// was written; Reserve returns them earlier, and does the waiting that Append would do. Only one goroutine may
// append.
func (l *Log) Append(records [][]byte) (Position, error) {
	if err := l.Err(); err != nil {
		return Position{}, err
	}
	if len(records) == 0 {
		return l.Position(), nil
	}
	need := frameSize(payloadSize(records))
	if need > l.o.SegmentBytes-firstFrame {
		return Position{}, fmt.Errorf("%w: a frame of %d bytes, a segment has room for %d",
			ErrTooLarge, need, l.o.SegmentBytes-firstFrame)
	}
	if l.current.off+need > l.o.SegmentBytes {
		if err := l.advance(); err != nil {
			return Position{}, err
		}
	}
	at := Position{Segment: l.current.number, Group: l.group}
	f := l.build(records, need)
	took, err := l.write(f, need)
	if err != nil {
		return Position{}, err
	}
	l.count(f, need, took)
	return at, nil
}

// count makes the written group part of the log.
func (l *Log) count(f frame, size int64, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current.off += size
	l.marks.add(l.group, size)
	l.group++
	if l.o.Durability == Fsync {
		l.durable = l.group
		l.stats.Syncs++
		l.stats.SyncTime += took
	}
	l.stats.Groups++
	l.stats.Records += uint64(f.records)
	l.stats.Bytes += uint64(size)
}

// advance makes the first spare the current segment. It is fast if there is one, since a spare is filled
// and durable. Without Fsync the old segment remains to be synced.
func (l *Log) advance() error {
	if err := l.awaitSpare(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.current
	l.current, l.spares = l.spares[0], l.spares[1:]
	l.sealed = append(l.sealed, old.number)
	notify(l.wanted)
	if l.o.Durability != Fsync {
		l.behind = append(l.behind, old)
		return nil
	}
	if err := old.file.Close(); err != nil {
		// All of the segment was synced, but a failing close may report a write that failed silently.
		return l.poison("closing", old, err)
	}
	return nil
}

// notify puts a token into a channel with room for one, unless it is full.
func notify(token chan struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}

// syncAtIntervals syncs written groups at intervals, until the log stops or fails.
func (l *Log) syncAtIntervals() {
	ticker := time.NewTicker(l.o.SyncEvery)
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-ticker.C:
			if l.Err() != nil {
				return
			}
			if err := l.syncWritten(); errors.Is(err, ErrPoisoned) {
				return // the next Append returns it
			}
		}
	}
}

// syncWritten syncs all written groups. Append may write more groups meanwhile.
func (l *Log) syncWritten() error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	l.mu.Lock()
	behind, current, group, durable := l.behind, l.current, l.group, l.durable
	l.mu.Unlock()
	if durable == group {
		return nil
	}
	began := time.Now()
	for _, s := range append(behind[:len(behind):len(behind)], current) {
		if err := s.file.SyncData(); err != nil {
			return l.poison("syncing", s, err)
		}
	}
	l.mu.Lock()
	l.durable = group
	l.behind = l.behind[len(behind):]
	l.stats.Syncs++
	l.stats.SyncTime += time.Since(began)
	l.mu.Unlock()
	for _, s := range behind {
		if err := s.file.Close(); err != nil {
			return l.poison("closing", s, err)
		}
	}
	return nil
}
