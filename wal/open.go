package wal

import (
	"errors"
	"fmt"
	"path"
	"slices"
)

// Open returns the log that r has read to its end without an error. It makes durable everything that r
// read, so that no group that a caller has acted upon can be lost. The log continues in a segment without
// groups: Open never writes behind a torn tail. It removes the segments before r's position. It starts no
// goroutine; without Start the only spares are those that were found. The caller still has to close r.
func Open(o Options, r *Reader) (*Log, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if !r.done || r.err != nil || r.left > 0 {
		return nil, errors.New("wal: the log was not read to its end")
	}
	if err := o.FS.MkdirAll(o.Dir); err != nil {
		return nil, err
	}
	if err := o.FS.SyncDir(path.Dir(o.Dir)); err != nil {
		return nil, err
	}
	end := r.Position()
	l := &Log{
		o: o, group: end.Group, durable: end.Group, begin: r.from.Segment,
		marks:   newMarks(o.SegmentBytes/64, r.bytes, end.Group),
		changed: make(chan struct{}, 1), wanted: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	if err := r.syncRead(&o); err != nil {
		return nil, err
	}
	for _, s := range r.segments[:r.used+1] {
		l.sealed = append(l.sealed, s.Number)
	}
	if err := l.resume(r); err != nil {
		for _, s := range l.spares {
			err = errors.Join(err, s.file.Close())
		}
		return nil, err
	}
	return l, l.removeDropped(r)
}

// syncRead syncs the segments that were read. It first rewrites the frames that may not have been synced:
// if an earlier sync of them failed, the system may consider their pages clean and would sync nothing,
// although no disk has them.
func (r *Reader) syncRead(o *Options) error {
	for i, info := range r.segments[:r.used+1] {
		if err := r.syncSegment(o, i); err != nil {
			return fmt.Errorf("syncing %s before going on: %w", segmentName(info.Number), err)
		}
	}
	return o.FS.SyncDir(o.Dir)
}

func (r *Reader) syncSegment(o *Options, index int) error {
	s := segment{number: r.segments[index].Number}
	f, err := o.FS.OpenWrite(s.path(o))
	if err != nil {
		return err
	}
	for _, span := range r.unsynced {
		if err != nil || span.segment != index {
			continue
		}
		b := make([]byte, span.size)
		if _, err = f.ReadAt(b, span.off); err == nil {
			err = writeAll(f, b, span.off)
		}
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// resume makes the segments behind the last one with groups the current one and spares. They hold torn
// groups or nothing. It starts with the highest number, so that after a power cut no segment before one
// with frames is missing or unfinished.
func (l *Log) resume(r *Reader) error {
	rest := r.segments[r.used+1:]
	kept := 0
	for kept < len(rest) && kept <= wantedSpares && rest[kept].Bytes == l.o.SegmentBytes {
		kept++
	}
	for i := len(rest) - 1; i >= 0; i-- {
		s := segment{number: rest[i].Number}
		if i >= kept {
			if err := errors.Join(l.o.FS.Remove(s.path(&l.o)), l.o.FS.SyncDir(l.o.Dir)); err != nil {
				return err
			}
			continue
		}
		made, err := reopenSegment(&l.o, s.number)
		if err != nil {
			return err
		}
		l.spares = slices.Insert(l.spares, 0, made)
	}
	if kept == 0 {
		number := r.from.Segment
		if r.used >= 0 {
			number = r.segments[r.used].Number + 1
		}
		made, err := createSegment(&l.o, number)
		if err != nil {
			s := segment{number: number}
			_ = l.o.FS.Remove(s.path(&l.o)) // frees its space; it is at most unfinished
			return fmt.Errorf("making %s: %w", s.path(&l.o), err)
		}
		l.spares = append(l.spares, made)
	}
	l.current, l.spares = l.spares[0], l.spares[1:]
	l.next = l.current.number + uint64(len(l.spares)) + 1
	return nil
}

// removeDropped removes the segments before the reader's position, which a drop did not reach or had kept.
func (l *Log) removeDropped(r *Reader) error {
	names, err := l.o.FS.List(l.o.Dir)
	for _, name := range names {
		number, ok := segmentNumber(name)
		if err != nil || !ok || number >= r.from.Segment {
			continue
		}
		err = l.o.FS.Remove(path.Join(l.o.Dir, name))
	}
	if err == nil {
		err = l.o.FS.SyncDir(l.o.Dir)
	}
	if err != nil {
		return fmt.Errorf("removing dropped segments: %w", errors.Join(err, l.Close()))
	}
	return nil
}
