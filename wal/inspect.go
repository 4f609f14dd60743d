package wal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"

	"flowd/disk"
)

// SegmentName returns the name of a segment's file in the folder of the log.
func SegmentName(number uint64) string { return segmentName(number) }

// Head describes the beginning of a segment.
type Head struct {
	// Number is the one in the file's name.
	Number uint64
	// Bytes is the size of the file.
	Bytes int64
	// Version is the version of the format, Salt distinguishes the segment's incarnations.
	Version uint32
	Salt    uint64
	// Unfinished is the reason why the segment has no header; empty if it has one.
	Unfinished string
}

// Heads returns the heads of all segments in a folder, ordered by number: those of the log, those that were
// dropped and not yet removed, and those prepared. The log may be written meanwhile. A segment that
// disappears during the call is left out.
func Heads(fsys disk.FS, dir string) ([]Head, error) {
	names, err := fsys.List(dir)
	if err != nil {
		return nil, err
	}
	var heads []Head
	for _, name := range names {
		number, ok := segmentNumber(name)
		if !ok {
			continue
		}
		h, err := readHead(fsys, dir, number)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		heads = append(heads, h)
	}
	return heads, nil
}

func readHead(fsys disk.FS, dir string, number uint64) (head Head, err error) {
	s, err := openSource(fsys, dir, number)
	if err != nil {
		return Head{}, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	page, err := s.bytes(0, min(s.size, headerBytes))
	if err != nil {
		return Head{}, err
	}
	h, why := readHeader(page)
	return Head{Number: number, Bytes: s.size, Version: h.version, Salt: h.salt, Unfinished: why}, nil
}

// CopySegment writes the first page of a segment to w, and then its groups up to the end of the last one.
// It returns their description and the number of bytes written. The copy is a segment for Reader, though a
// shorter file. For a segment without groups it writes only the first page.
//
// The log may be written meanwhile. The copy has every group of the segment that was appended before the
// call, and a prefix of those appended since, without a gap. So a caller that copies the segments of a log
// from the last to the first gets the log as of some moment after the copy began. If a segment is dropped
// and reused meanwhile, the result is unspecified.
//
// Where Reader would find damage, the error is the same *CorruptionError or *VersionError.
func CopySegment(w io.Writer, fsys disk.FS, dir string, number uint64) (info SegmentInfo, written int64, err error) {
	s, err := openSource(fsys, dir, number)
	if err != nil {
		return SegmentInfo{}, 0, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	c := copier{source: s, to: w, info: SegmentInfo{Number: number, Bytes: s.size}}
	if err := c.header(); err != nil {
		return c.info, c.off, err
	}
	for more := !c.info.Unfinished; more; {
		if more, err = c.next(); err != nil {
			return c.info, c.off, err
		}
	}
	return c.info, c.off, nil
}

// copier copies a segment that may be written meanwhile.
type copier struct {
	*source
	to   io.Writer
	off  int64 // of the next frame
	info SegmentInfo
}

// header copies the first page.
func (c *copier) header() error {
	page, err := c.bytes(0, min(c.size, firstFrame+frameHeader))
	if err != nil {
		return err
	}
	h, why := readHeader(page)
	switch {
	case why != "" && hasFrame(page):
		return c.corrupt("%s, but a frame follows", why)
	case why != "":
		c.info.Unfinished = true
	case h.version != version:
		return &VersionError{Segment: c.number, Version: h.version, Known: version}
	case h.number != c.number:
		return c.corrupt("the header says that this is segment %d", h.number)
	}
	c.salted = saltSum(h.salt)
	n, err := c.to.Write(page[:min(len(page), firstFrame)])
	c.off = int64(n)
	return err
}

// next copies the next frame. It returns false at the end.
func (c *copier) next() (bool, error) {
	f, payload, why, err := c.look()
	if err != nil {
		return false, err
	}
	if why != "" {
		var found bool
		if f, payload, found, err = c.lookAgain(f, why); !found || err != nil {
			return false, err
		}
	}
	if c.info.Frames > 0 && f.group != c.info.LastGroup+1 {
		return false, c.corrupt("group %d follows group %d", f.group, c.info.LastGroup)
	}
	if c.info.Frames == 0 {
		c.info.FirstGroup = f.group
	}
	c.info.Frames++
	c.info.Records += uint64(f.records)
	c.info.LastGroup = f.group

	var head [frameHeader]byte
	f.put(head[:], c.salted)
	var pad [frameAlign]byte
	for _, part := range [][]byte{head[:], payload, pad[:f.size()-frameHeader-int64(len(payload))]} {
		n, err := c.to.Write(part)
		c.off += int64(n)
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// look reads the frame at c.off; why is empty if the frame is complete.
func (c *copier) look() (f frame, payload []byte, why string, err error) {
	if f, why, err = c.frame(c.off); why != "" || err != nil {
		return f, nil, why, err
	}
	payload, why, err = c.payload(f, c.off)
	return f, payload, why, err
}

// lookAgain is called if f is not complete. If frames follow, f may have been written after it was read:
// then it is complete now, since a frame is written before the next one is begun. If it still is not, and
// one of the following frames says that it was synced, it is damaged.
func (c *copier) lookAgain(f frame, why string) (again frame, payload []byte, found bool, err error) {
	known := f.group > 0
	from := c.off + frameAlign
	if known {
		from = c.off + f.size()
	}
	low, high := uint64(1), uint64(math.MaxUint64)
	if c.info.Frames > 0 {
		low = c.info.LastGroup + 1
		high = low + uint64(c.size/frameHeader)
	}
	w, err := c.scan(from, low, high)
	if w.first == 0 || err != nil {
		return frame{}, nil, false, err
	}
	lost := w.first - 1
	switch {
	case known:
		lost = f.group
	case c.info.Frames > 0:
		lost = low
	}
	c.window = c.window[:0] // discard the bytes read before
	again, payload, still, err := c.look()
	switch {
	case err != nil:
		return frame{}, nil, false, err
	case still == "":
		return again, payload, true, nil
	case w.durable > lost:
		return frame{}, nil, false, c.corrupt(
			"group %d should be here, but %s, and the frame at offset %d says that all groups before %d were synced",
			lost, why, w.at, w.durable)
	}
	return frame{}, nil, false, nil
}

func (c *copier) corrupt(format string, values ...any) error {
	return &CorruptionError{Segment: c.number, Offset: c.off, Reason: fmt.Sprintf(format, values...)}
}

// Frame returns the offset in its segment's file of the group of the record that Next returned, and the
// number of bytes that the group takes there.
func (r *Reader) Frame() (off, size int64) {
	if len(r.unsynced) == 0 {
		return 0, 0
	}
	last := r.unsynced[len(r.unsynced)-1]
	return last.off, last.size
}
