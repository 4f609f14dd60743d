package datadir

import (
	"context"
	"fmt"
	"io"
	"path"

	"flowd/disk"
	"flowd/flow"
	"flowd/store/manifest"
	"flowd/wal"
)

// logReading replays the log as a start would, and examines the rest of its folder.
type logReading struct {
	fsys  disk.FS
	dir   string // folder of the log
	log   Log
	batch flow.Batch
	// used maps segments to the end of their groups.
	used map[uint64]int64
}

func newLogReading(fsys disk.FS, dir string) *logReading {
	l := &logReading{fsys: fsys, dir: path.Join(dir, manifest.LogFolder), used: map[uint64]int64{}}
	l.log.Segments = []Segment{} // not null in JSON
	return l
}

// readLog returns the log from a position on, and the first finding, or nil. Nothing is read behind a
// finding. The error is that of the context.
func readLog(ctx context.Context, fsys disk.FS, dir string, from wal.Position) (Log, *Finding, error) {
	l := newLogReading(fsys, dir)
	heads, err := l.heads()
	if err != nil {
		finding := findingOf(manifest.LogFolder, err)
		return l.log, &finding, nil
	}
	l.log.End = from
	reader, err := wal.NewReader(fsys, l.dir, from)
	if err != nil {
		finding := findingOf(manifest.LogFolder, err)
		l.segments(heads, nil, from)
		return l.log, &finding, nil
	}
	found, err := l.records(ctx, reader)
	if closing := reader.Close(); found == nil && closing != nil {
		found = closing
	}
	l.segments(heads, reader.Segments(), from)
	l.log.Torn = reader.Torn()
	if err != nil || found == nil {
		l.log.End = reader.Position()
		return l.log, nil, err
	}
	finding := findingOf(manifest.LogFolder, found)
	return l.log, &finding, nil
}

// heads returns the heads of all segments, or nothing without a log.
func (l *logReading) heads() ([]wal.Head, error) {
	names, err := list(l.fsys, l.dir)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	return wal.Heads(l.fsys, l.dir)
}

// records reads all records. found is the first problem in the log.
func (l *logReading) records(ctx context.Context, reader *wal.Reader) (found, err error) {
	group := uint64(0)
	for reader.Next() {
		if l.log.Records%256 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		at := reader.Position()
		off, size := reader.Frame()
		if at.Group != group {
			group = at.Group
			l.log.Groups++
			l.log.Bytes += size
			l.used[at.Segment] = off + size
		}
		flows, err := l.record(reader.Record())
		if err != nil {
			return &wal.CorruptionError{Segment: at.Segment, Offset: off,
				Reason: fmt.Sprintf("a record of group %d cannot be read: %v", at.Group, err)}, nil
		}
		l.log.Records++
		l.log.Flows += uint64(flows)
	}
	return reader.Err(), nil
}

// record parses a record, and returns its number of flows.
func (l *logReading) record(record []byte) (int, error) {
	head, err := flow.ReadRecord(record)
	if err != nil {
		return 0, err
	}
	l.batch.Reset()
	if err := l.batch.ReadFlows(head.Flows); err != nil {
		return 0, err
	}
	return l.batch.Len(), nil
}

// segments combines the heads with the segments that were read.
func (l *logReading) segments(heads []wal.Head, read []wal.SegmentInfo, from wal.Position) {
	known := map[uint64]wal.SegmentInfo{}
	for _, info := range read {
		known[info.Number] = info
	}
	for _, h := range heads {
		info, wasRead := known[h.Number]
		s := Segment{Number: h.Number, Salt: fmt.Sprintf("%016x", h.Salt), Bytes: h.Bytes, Used: l.used[h.Number], Groups: info.Frames,
			First: info.FirstGroup, Last: info.LastGroup, Records: info.Records, Torn: info.Torn}
		switch {
		case h.Number < from.Segment:
			s.State = StateDropped
		case info.Frames > 0:
			s.State = StateLog
		case h.Unfinished != "":
			s.State = StateUnfinished
		case wasRead:
			s.State = StatePrepared
		default:
			s.State = StateUnread
		}
		l.log.Segments = append(l.log.Segments, s)
	}
}

// surveySegments examines each segment by itself, which is all that is possible without a manifest.
func surveySegments(ctx context.Context, fsys disk.FS, dir string) (Log, []Finding, error) {
	l := newLogReading(fsys, dir)
	heads, err := l.heads()
	if err != nil {
		return l.log, []Finding{findingOf(manifest.LogFolder, err)}, nil
	}
	var findings []Finding
	for _, h := range heads {
		if ctx.Err() != nil {
			return l.log, nil, ctx.Err()
		}
		info, used, err := wal.CopySegment(io.Discard, fsys, l.dir, h.Number)
		if err != nil {
			findings = append(findings, findingOf(segmentFile(h.Number), err))
		}
		l.log.Segments = append(l.log.Segments, Segment{
			Number: h.Number, State: StateUnread, Salt: fmt.Sprintf("%016x", h.Salt), Bytes: h.Bytes, Used: used,
			Groups: info.Frames, First: info.FirstGroup, Last: info.LastGroup, Records: info.Records,
		})
	}
	return l.log, findings, nil
}
