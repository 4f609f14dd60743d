package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// Drop releases the groups before a position. The caller must have made this position, or a later one,
// durable where the next reader finds it. Of the segments that hold only such groups, Drop keeps the last
// ones to become spares (see Options.KeepBytes) and removes the others. The next Drop retries removals that
// failed. Any one goroutine may call it while the log is in use, also on a poisoned log.
func (l *Log) Drop(before Position) error {
	if errors.Is(l.Err(), ErrClosed) {
		return ErrClosed
	}
	l.mu.Lock()
	here := Position{Segment: l.current.number, Group: l.group}
	if before.Segment > here.Segment || before.Group > here.Group {
		l.mu.Unlock()
		return fmt.Errorf("wal: drop before %+v, but the log has come to %+v", before, here)
	}
	l.marks.drop(before.Group)
	from, _ := slices.BinarySearch(l.sealed, before.Segment)
	l.mu.Unlock()
	var err error
	if from > 0 {
		err = l.forget(before.Segment)
	}
	l.mu.Lock()
	l.retire(from, before.Segment)
	gone := l.surplus
	l.mu.Unlock()
	if from == 0 && len(gone) == 0 {
		return nil
	}
	var left []uint64
	for _, number := range gone {
		s := segment{number: number}
		if removed := l.o.FS.Remove(s.path(&l.o)); removed != nil && !errors.Is(removed, fs.ErrNotExist) {
			left = append(left, number)
			err = errors.Join(err, removed)
		}
	}
	l.mu.Lock()
	l.surplus = left
	l.mu.Unlock()
	notify(l.wanted)
	return errors.Join(err, l.o.FS.SyncDir(l.o.Dir))
}

// retire removes the first sealed segments, those before a number, from the log, and divides all dropped
// segments into those to be reused and the surplus. The caller holds mu.
func (l *Log) retire(sealed int, before uint64) {
	used := uint64(0)
	if before > l.begin {
		used, l.begin = before-l.begin, before
	}
	l.dropped = append(l.dropped, l.sealed[:sealed]...)
	l.sealed = slices.Clone(l.sealed[sealed:])
	// The maximum of two intervals, since a drop out of turn says nothing about the next one.
	wanted := int(max(used, l.used))
	l.used = used
	// A spare that is being prepared is no longer a dropped segment.
	others := len(l.sealed) + 1 + max(len(l.spares), wantedSpares)
	room := int(l.o.KeepBytes/l.o.SegmentBytes) - others
	if l.spaceErr != nil {
		room = 0 // a full disk needs the space
	}
	if over := len(l.dropped) - max(leastKept, min(wanted, room)); over > 0 {
		l.surplus = append(l.surplus, l.dropped[:over]...)
		l.dropped = slices.Clone(l.dropped[over:])
	}
}

// forget closes the files before a segment that wait for a sync: their groups are durable elsewhere.
func (l *Log) forget(before uint64) error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	l.mu.Lock()
	kept := slices.IndexFunc(l.behind, func(s *segment) bool { return s.number >= before })
	if kept < 0 {
		kept = len(l.behind)
	}
	gone := l.behind[:kept]
	l.behind = l.behind[kept:]
	l.mu.Unlock()
	var err error
	for _, s := range gone {
		err = errors.Join(err, s.file.Close())
	}
	return err
}
