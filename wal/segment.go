package wal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"flowd/disk"
)

// zeroed is a read-only block of zeros that segments are filled with.
var zeroed [1 << 20]byte

// createSegment creates a segment with this number, with a header followed by zeros, and returns once it is
// durable. It reuses a file that an earlier attempt left under the name. After an error the file stays for
// the caller to remove.
func createSegment(o *Options, number uint64) (*segment, error) {
	s := &segment{number: number, off: firstFrame}
	var err error
	s.file, err = o.FS.Create(s.path(o))
	if errors.Is(err, fs.ErrExist) {
		s.file, err = o.FS.OpenWrite(s.path(o))
	}
	if err != nil {
		return nil, err
	}
	if err := fill(s.file, 0, o.SegmentBytes); err != nil {
		return nil, errors.Join(err, s.file.Close())
	}
	return s, s.finish(o)
}

// fill writes zeros from one offset to another. It syncs now and then, so that no sync of a group waits for
// all of them.
func fill(f disk.File, from, to int64) error {
	const syncEach = 8 << 20
	for off := from; off < to; {
		n := min(to-off, int64(len(zeroed)))
		if err := writeAll(f, zeroed[:n], off); err != nil {
			return err
		}
		if off += n; off%syncEach == 0 || off == to {
			if err := f.Sync(); err != nil {
				return err
			}
		}
	}
	return nil
}

// reopenSegment clears a segment of the right size, whose groups are no longer needed, and keeps its name.
// After a power cut it has its old header, with or without its first groups, or it is unfinished.
func reopenSegment(o *Options, number uint64) (*segment, error) {
	s := &segment{number: number, off: firstFrame}
	if err := s.erase(o, number); err != nil {
		return nil, err
	}
	return s, s.finish(o)
}

// recycleSegment turns a dropped segment into one without groups and with another number. It erases the old
// header first, so that no file ever has a header of another number.
func recycleSegment(o *Options, dropped, number uint64) (*segment, error) {
	s := &segment{number: number, off: firstFrame}
	if err := s.erase(o, dropped); err != nil {
		return nil, err
	}
	old := segment{number: dropped}
	if err := o.FS.Rename(old.path(o), s.path(o)); err != nil {
		return nil, errors.Join(err, s.file.Close())
	}
	return s, s.finish(o)
}

// erase opens the segment with this number, and writes zeros over the page of its first frame, and then
// over its header.
func (s *segment) erase(o *Options, number uint64) error {
	old := segment{number: number}
	var err error
	if s.file, err = o.FS.OpenWrite(old.path(o)); err != nil {
		return err
	}
	size, err := s.file.Size()
	if err == nil && size != o.SegmentBytes {
		err = fmt.Errorf("%s has %d bytes, want %d", old.path(o), size, o.SegmentBytes)
	}
	for _, off := range []int64{firstFrame, 0} {
		if err == nil {
			err = writeAll(s.file, zeroed[:pageBytes], off)
		}
		if err == nil {
			err = s.file.SyncData()
		}
	}
	if err != nil {
		return errors.Join(err, s.file.Close())
	}
	return nil
}

// finish makes the name durable, then writes the header and makes it durable. It closes the file on
// failure.
func (s *segment) finish(o *Options) error {
	salt := o.Salt()
	s.salted = saltSum(salt)
	b := make([]byte, pageBytes)
	putHeader(b, s.number, salt)
	err := o.FS.SyncDir(o.Dir)
	if err == nil {
		err = writeAll(s.file, b, 0)
	}
	if err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		return errors.Join(err, s.file.Close())
	}
	return nil
}

// writeAll is WriteAt with an error for a short write.
func writeAll(f disk.File, b []byte, off int64) error {
	n, err := f.WriteAt(b, off)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}
