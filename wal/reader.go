package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"

	"flowd/disk"
)

// Reader reads the records of a log in the order in which they were appended: call Next until it returns
// false, then Err. It changes nothing on disk. It belongs to one goroutine, except for Progress.
//
// A segment's frames end at a frame that does not verify, or at zeros. There are three cases:
//
//   - Later bytes, in this segment or a later one, prove that the group that should be there had been synced: this is
//     damage, and Err returns a *CorruptionError.
//   - The next segment begins with that group: the log was reopened there, and all is well.
//   - Otherwise it is a torn tail: it and the bytes behind it were never synced. It is cut and counted.
//
// Segments without groups are valid only if no groups follow; unfinished ones are counted.
type Reader struct {
	fs   disk.FS
	dir  string
	from Position

	segments []SegmentInfo
	at       int     // index of the segment being read
	source   *source // nil before the segment is opened
	off      int64   // offset of the next frame in it

	group    uint64 // the group that must come next, or with first the last one that may
	first    bool   // no frame was seen yet
	used     int    // index of the last segment with a group of the log, -1 if absent
	ended    ending // of the last segment whose frames ended
	blank    int    // index of the first unfinished segment, -1 if absent
	blankWhy string // why its header is not valid
	cutting  bool   // all that follows is torn, unless a frame proves damage

	payload []byte // rest of the frame's payload
	left    uint32 // number of records in payload
	record  []byte
	pos     Position

	unsynced []span // frames that may not have been synced, in order
	bytes    int64  // size of the frames of groups from the position on
	torn     int64
	done     bool
	err      error

	read, total atomic.Int64
}

// ending is where and why the frames of a segment ended.
type ending struct {
	segment uint64
	off     int64
	why     string
}

// span is a frame in a segment's file.
type span struct {
	segment int // its index
	off     int64
	size    int64
	group   uint64
}

// SegmentInfo describes a segment as the reader found it.
type SegmentInfo struct {
	Number uint64
	// Bytes is the size of the file.
	Bytes int64
	// Frames is the number of groups, FirstGroup and LastGroup are the numbers of the first and the last; 0
	// without groups.
	Frames, FirstGroup, LastGroup uint64
	// Records is the number of records in them.
	Records uint64
	// Torn is the number of bytes that are cut off.
	Torn int64
	// Unfinished tells that the segment was being prepared when its writer ended.
	Unfinished bool
}

// NewReader returns a reader of the groups from a position on. The zero Position reads a log from its
// beginning, and a missing folder is an empty log. Segments before the position are skipped. NewReader
// checks at once that no segment from there on is missing: that is a *CorruptionError. The caller must
// Close the reader.
func NewReader(fsys disk.FS, dir string, from Position) (*Reader, error) {
	r := &Reader{fs: fsys, dir: dir, from: from, group: from.Group, first: true, used: -1, blank: -1}
	if from == (Position{}) {
		r.from = Position{Segment: 1, Group: 1}
		r.group = 1
	}
	if r.from.Segment == 0 || r.from.Group == 0 {
		return nil, fmt.Errorf("wal: there is no position %+v", from)
	}
	names, err := fsys.List(dir)
	if err != nil && !(errors.Is(err, fs.ErrNotExist) && from == (Position{})) {
		return nil, err
	}
	for _, name := range names {
		number, ok := segmentNumber(name)
		if !ok || number < r.from.Segment {
			continue
		}
		if want := r.from.Segment + uint64(len(r.segments)); number != want {
			return nil, &CorruptionError{Segment: want, Reason: fmt.Sprintf("the segment is missing, %s is there", name)}
		}
		r.segments = append(r.segments, SegmentInfo{Number: number})
	}
	if len(r.segments) == 0 && from != (Position{}) {
		return nil, &CorruptionError{Segment: from.Segment,
			Reason: fmt.Sprintf("the segment is missing, group %d is looked for in it", from.Group)}
	}
	return r, r.measure()
}

// measure stores the sizes of the segments.
func (r *Reader) measure() error {
	for i := range r.segments {
		s, err := openSource(r.fs, r.dir, r.segments[i].Number)
		if err != nil {
			return err
		}
		r.segments[i].Bytes = s.size
		r.total.Add(s.size)
		if err := s.close(); err != nil {
			return err
		}
	}
	return nil
}

// Next advances to the next record. It returns false at the end of the log, or if the log is damaged.
func (r *Reader) Next() bool {
	for r.err == nil {
		if r.left > 0 {
			return r.nextRecord()
		}
		if r.done {
			return false
		}
		if r.err = r.nextFrame(); r.err != nil {
			r.left, r.record = 0, nil
		}
	}
	return false
}

// Record returns the record, which is valid until the next call of Next.
func (r *Reader) Record() []byte { return r.record }

// Position returns the position of the group of the record. After Next has returned false without an error,
// it returns the position of the next group.
func (r *Reader) Position() Position {
	if !r.done || r.left > 0 {
		return r.pos
	}
	end := Position{Segment: r.from.Segment, Group: max(r.group, r.from.Group)}
	if r.used >= 0 {
		end.Segment = r.segments[r.used].Number
	}
	return end
}

// Behind returns the position behind the group of the record, from which a later reader continues. ok is
// true only after Next has returned the last record of that group.
func (r *Reader) Behind() (p Position, ok bool) {
	return Position{Segment: r.pos.Segment, Group: r.pos.Group + 1}, r.left == 0 && r.pos.Group > 0
}

// Err returns why Next returned false: nil at the end of the log, a *CorruptionError, a *VersionError, or
// the error of a file that could not be read.
func (r *Reader) Err() error { return r.err }

// Torn returns the size of the groups that were cut because they were incomplete or not synced. Groups of
// which nothing is recognisable are not counted.
func (r *Reader) Torn() int64 { return r.torn }

// Progress returns the number of bytes of the segments that have been read, and their total. Any goroutine
// may call it.
func (r *Reader) Progress() (read, total int64) { return r.read.Load(), r.total.Load() }

// Segments returns the segments from the position on that were read so far.
func (r *Reader) Segments() []SegmentInfo { return r.segments }

// Close closes the file being read.
func (r *Reader) Close() error {
	if r.source == nil {
		return nil
	}
	err := r.source.close()
	r.source = nil
	return err
}

// nextRecord splits the next record off the payload. The payload has verified, so if it contradicts its
// frame, that is a fault of the writer.
func (r *Reader) nextRecord() bool {
	n, width := binary.Uvarint(r.payload)
	if width <= 0 || n > uint64(len(r.payload)-width) {
		r.err = r.corrupt("group %d has %d records more, but their lengths do not fit", r.pos.Group, r.left)
		return false
	}
	end := width + int(n)
	r.record, r.payload = r.payload[width:end:end], r.payload[end:]
	if r.left--; r.left == 0 && len(r.payload) > 0 {
		r.err = r.corrupt("group %d has %d bytes behind its last record", r.pos.Group, len(r.payload))
		return false
	}
	return true
}

// corrupt returns a *CorruptionError for the place of the reader.
func (r *Reader) corrupt(format string, values ...any) error {
	return &CorruptionError{Segment: r.segments[r.at].Number, Offset: r.off, Reason: fmt.Sprintf(format, values...)}
}
