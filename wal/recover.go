package wal

import (
	"bytes"
	"fmt"
)

// nextFrame takes one step: it opens the next segment, reads its next frame, or ends it.
func (r *Reader) nextFrame() error {
	if r.source == nil {
		if r.at == len(r.segments) {
			r.done = true
			return nil
		}
		return r.openSegment()
	}
	if r.cutting {
		return r.cut()
	}
	f, why, err := r.source.frame(r.off)
	if err != nil {
		return err
	}
	known := why == "" || f.group > 0 // the header verifies, even if the payload does not
	var payload []byte
	if why == "" {
		payload, why, err = r.source.payload(f, r.off)
	}
	switch {
	case err != nil:
		return err
	case why != "":
		return r.endFrames(f, known, why)
	case r.off == firstFrame && !r.follows(f.group):
		return r.gap(f)
	case r.off > firstFrame && f.group != r.group:
		return r.corrupt("group %d follows group %d", f.group, r.group-1)
	}
	if f.group == 0 || f.records == 0 || f.durable > f.group {
		return r.corrupt("no writer makes a group %d with %d records when groups before %d are synced",
			f.group, f.records, f.durable)
	}
	return r.accept(f, payload)
}

// follows reports whether a segment may begin with group. Missing groups must be before the position: they
// were lost before they were synced, but are not needed.
func (r *Reader) follows(group uint64) bool {
	if r.first && r.at == 0 {
		return group <= r.group
	}
	return group == r.group || group > r.group && group <= r.from.Group
}

// accept makes a frame's records the next ones, unless they are before the position.
func (r *Reader) accept(f frame, payload []byte) error {
	if r.blank >= 0 {
		return r.misplacedBlank()
	}
	info := &r.segments[r.at]
	if info.Frames == 0 {
		info.FirstGroup = f.group
	}
	info.Frames++
	info.Records += uint64(f.records)
	info.LastGroup = f.group
	r.used, r.first, r.group = r.at, false, f.group+1

	synced := 0
	for synced < len(r.unsynced) && r.unsynced[synced].group < f.durable {
		synced++
	}
	r.unsynced = append(r.unsynced[synced:], span{r.at, r.off, f.size(), f.group})

	if f.group >= r.from.Group {
		r.payload, r.left = payload, f.records
		r.pos = Position{Segment: info.Number, Group: f.group}
		r.bytes += f.size()
	}
	r.off += f.size()
	r.read.Add(f.size())
	return nil
}

// openSegment opens the segment at r.at and reads its header.
func (r *Reader) openSegment() error {
	info := &r.segments[r.at]
	s, err := openSource(r.fs, r.dir, info.Number)
	if err != nil {
		return err
	}
	r.source, r.off = s, 0
	page, err := s.bytes(0, min(s.size, firstFrame+frameHeader))
	if err != nil {
		return err
	}
	h, why := readHeader(page)
	switch {
	case why != "" && hasFrame(page):
		return r.corrupt("%s, but a frame follows", why)
	case why != "":
		if info.Unfinished = true; r.blank < 0 {
			r.blank, r.blankWhy = r.at, why
		}
		return r.closeSegment()
	case h.version != version:
		return &VersionError{Segment: info.Number, Version: h.version, Known: version}
	case h.number != info.Number:
		return r.corrupt("the header says that this is segment %d", h.number)
	}
	s.salted = saltSum(h.salt)
	r.off = firstFrame
	return nil
}

// hasFrame reports whether there is anything at the place of the first frame. Behind an unfinished header
// there are zeros.
func hasFrame(page []byte) bool {
	return len(page) > firstFrame && len(bytes.Trim(page[firstFrame:], "\x00")) > 0
}

// closeSegment closes the segment and moves on to the next one.
func (r *Reader) closeSegment() error {
	err := r.Close()
	r.at++
	var gone int64
	for _, s := range r.segments[:r.at] {
		gone += s.Bytes
	}
	r.read.Store(gone)
	return err
}

// endFrames is called where f is not a frame; known tells that its header verifies. It looks for a proof
// that a synced frame was there.
func (r *Reader) endFrames(f frame, known bool, why string) error {
	from := r.off + frameAlign
	if known {
		from = r.off + f.size()
	}
	w, err := r.scan(from)
	if err != nil {
		return err
	}
	if w.first > 0 && r.blank >= 0 {
		return r.misplacedBlank()
	}
	lost := r.group
	if r.off == firstFrame {
		// The first group of a segment need not be known: see follows. It is at or before the position, and
		// before the groups found behind it here.
		lost = max(lost, r.from.Group)
		if known {
			lost = min(lost, f.group)
		} else if w.first > 0 {
			lost = min(lost, w.first-1)
		}
	}
	if w.durable > lost {
		return r.corrupt("group %d should be here, but %s, and the frame at offset %d says that all groups before %d were synced",
			lost, why, w.at, w.durable)
	}
	info := &r.segments[r.at]
	r.ended = ending{info.Number, r.off, why}
	if info.Torn, err = r.tornBytes(f, known, w); err != nil {
		return err
	}
	r.torn += info.Torn
	return r.closeSegment()
}

// scan looks for frames that may follow those that were read.
func (r *Reader) scan(off int64) (witness, error) {
	return r.source.scan(off, r.group, r.group+uint64(r.total.Load()/frameHeader))
}

// tornBytes returns the size of an incomplete frame behind the last one.
func (r *Reader) tornBytes(f frame, known bool, w witness) (int64, error) {
	left := r.source.size - r.off
	switch {
	case w.first > 0:
		return w.end - r.off, nil
	case known:
		return min(f.size(), left), nil
	case left < frameHeader:
		return 0, nil
	}
	b, err := r.source.bytes(r.off, frameHeader)
	if err != nil || len(bytes.Trim(b, "\x00")) == 0 {
		return 0, err
	}
	return min(roundUp(r.off+1, pageBytes), r.source.size) - r.off, nil
}

// gap is called where a segment begins with f, which does not follow the groups read: groups are missing.
// That is damage if they had been synced.
func (r *Reader) gap(f frame) error {
	if r.first && r.at == 0 || f.group < r.group {
		return r.corrupt("begins with group %d, but group %d should be here", f.group, r.group)
	}
	r.cutting = true
	return r.cut()
}

// cut counts the torn bytes of a segment behind a gap, unless they prove that the missing groups were
// synced.
func (r *Reader) cut() error {
	w, err := r.scan(firstFrame)
	if err != nil {
		return err
	}
	info := &r.segments[r.at]
	switch {
	case w.first > 0 && r.blank >= 0:
		return r.misplacedBlank()
	case w.durable > max(r.group, r.from.Group):
		end := r.ended
		return &CorruptionError{Segment: end.segment, Offset: end.off, Reason: fmt.Sprintf(
			"group %d should be here, but %s, and %s at offset %d says that all groups before %d were synced",
			r.group, end.why, segmentName(info.Number), w.at, w.durable)}
	case w.first > 0:
		info.Torn = w.end - firstFrame
		r.torn += info.Torn
	}
	return r.closeSegment()
}

// misplacedBlank returns the error for a segment without a header that has groups behind it.
func (r *Reader) misplacedBlank() error {
	blank := r.segments[r.blank]
	return &CorruptionError{Segment: blank.Number, Reason: fmt.Sprintf(
		"the file of %d bytes has no header (%s), but %s behind it has groups",
		blank.Bytes, r.blankWhy, segmentName(r.segments[r.at].Number))}
}
