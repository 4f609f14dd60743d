package wal

import (
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"flowd/disk"
)

// keptBuffer is the size in bytes up to which the buffer of a group is kept for the next one.
const keptBuffer = 16 << 20

// span returns the range of the current segment that is written for a frame of this size.
//
// The write extends with zeros to the end of the page, so that only whole pages are written: a page of a
// recycled segment need not be read first. The zeros cover at least a frame's header, so that old bytes
// behind the frame do not look like the start of a torn frame.
//
// With Fsync the write also starts at the start of its page, which may hold earlier frames, since only
// whole pages can be written past the page cache. Those frames stay as safe as before: the page cache would
// write the whole page again too, and if the power fails meanwhile, a sector has its old or its new
// content, which is the same for the bytes of these frames.
func (l *Log) span(size int64) (from, to int64) {
	off := l.current.off
	to = min(roundUp(off+size+frameHeader, pageBytes), l.o.SegmentBytes)
	if l.o.Durability == Fsync {
		return off - off%pageBytes, to
	}
	return off, to
}

// build writes the next group to the buffer, behind the earlier bytes of its page, except for the frame's
// header, which it returns. Zeros follow the group.
func (l *Log) build(records [][]byte, size int64) frame {
	from, to := l.span(size)
	before := l.current.off - from
	l.makeRoom(to-from, before)
	end := len(appendPayload(l.buffer[:before+frameHeader], records))
	l.buffer = l.buffer[:to-from]
	clear(l.buffer[end:])
	payload := l.buffer[before+frameHeader : end]
	l.mu.Lock()
	group, durable := l.group, l.durable
	l.mu.Unlock()
	return frame{
		payloadSum: crc32.Checksum(payload, castagnoli),
		length:     uint32(len(payload)),
		records:    uint32(len(records)),
		group:      group,
		durable:    durable,
	}
}

// makeRoom grows the capacity of the buffer to at least n bytes. It preserves the first keep bytes.
func (l *Log) makeRoom(n, keep int64) {
	has := int64(cap(l.buffer))
	if n <= has && (has <= keptBuffer || n > keptBuffer) {
		return
	}
	b := disk.Aligned(int(max(n, min(2*has, keptBuffer), 2*pageBytes)))
	copy(b, l.buffer[:keep])
	l.buffer = b
}

// write writes the buffer, whose frame has the header f and this size, and with Fsync syncs it. It returns
// the duration of both, with Fsync only.
func (l *Log) write(f frame, size int64) (time.Duration, error) {
	s := l.current
	from, _ := l.span(size)
	f.put(l.buffer[s.off-from:], s.salted)
	began := time.Now()
	var n int
	var err error
	if l.o.Durability == Fsync {
		n, err = s.file.WriteDirect(l.buffer, from)
	} else {
		n, err = s.file.WriteAt(l.buffer, from)
	}
	if err == nil && n < len(l.buffer) {
		err = fmt.Errorf("%d of %d bytes: %w", n, len(l.buffer), io.ErrShortWrite)
	}
	if err != nil {
		return 0, l.poison("writing", s, err)
	}
	if l.o.Durability != Fsync {
		return 0, nil
	}
	if err := s.file.SyncData(); err != nil {
		return 0, l.poison("syncing", s, err)
	}
	took := time.Since(began)
	next := s.off + size
	copy(l.buffer, l.buffer[next-next%pageBytes-from:next-from]) // the start of the next write
	return took, nil
}
