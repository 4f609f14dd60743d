package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// Drop says that the groups before a position are needed no more: the position, or a later one,
// must be durable where the next reader gets it. Segments that hold only such groups are kept to
// become spares, up to two, and else removed. What could not be removed is tried again by the next
// Drop. Any one goroutine may drop; the log goes on meanwhile, and a poisoned one may be dropped.
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
	gone := slices.Clone(l.sealed[:from])
	l.mu.Unlock()
	if len(gone) == 0 {
		return nil
	}
	err := l.forget(before.Segment)
	for _, number := range gone {
		kept, removed := l.retire(number, gone[len(gone)-1])
		if err = errors.Join(err, removed); kept || removed == nil {
			l.mu.Lock()
			l.sealed = slices.DeleteFunc(l.sealed, func(n uint64) bool { return n == number })
			l.mu.Unlock()
		}
	}
	notify(l.wanted)
	return errors.Join(err, l.o.FS.SyncDir(l.o.Dir))
}

// retire keeps a segment for the preparer if it is among the last that are dropped, and there is
// room for it, and else removes it.
func (l *Log) retire(number, last uint64) (kept bool, err error) {
	l.mu.Lock()
	kept = last-number < keptDropped && len(l.dropped) < keptDropped
	if kept {
		l.dropped = append(l.dropped, number)
	}
	l.mu.Unlock()
	if kept {
		return true, nil
	}
	s := segment{number: number}
	if err := l.o.FS.Remove(s.path(&l.o)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return false, nil
}

// forget closes the files before a segment that wait to be synced: their groups are durable
// elsewhere.
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
