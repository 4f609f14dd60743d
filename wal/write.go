package wal

import (
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"flowd/disk"
)

// keptBuffer is the size in bytes up to which the buffer of a group is kept for the next.
const keptBuffer = 16 << 20

// span returns from where to where the current segment is written for a frame of so many bytes.
//
// The write goes on with zeros to the end of the page, so that pages are written whole: one of a
// recycled segment need not be read first. There are zeros for a frame's header at least, so that
// what stands there before does not look like the begin of a torn frame.
//
// With Fsync the write also begins with its page, which has earlier frames, since nothing but whole
// pages is written past the page cache. Those frames are as safe as before: the page cache would write
// the whole page again, too, and where the power fails on the way, a sector has what it had or what it
// was to have, which for the bytes of these frames is the same.
func (l *Log) span(size int64) (from, to int64) {
	off := l.current.off
	to = min(roundUp(off+size+frameHeader, pageBytes), l.o.SegmentBytes)
	if l.o.Durability == Fsync {
		return off - off%pageBytes, to
	}
	return off, to
}

// build lays out the next group in the buffer, behind what its page has before it and but for the
// frame's header, which it returns. Behind the group are zeros.
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

// makeRoom gives the buffer a capacity of n bytes or more. It keeps the first bytes.
func (l *Log) makeRoom(n, keep int64) {
	has := int64(cap(l.buffer))
	if n <= has && (has <= keptBuffer || n > keptBuffer) {
		return
	}
	b := disk.Aligned(int(max(n, min(2*has, keptBuffer), 2*pageBytes)))
	copy(b, l.buffer[:keep])
	l.buffer = b
}

// write writes the buffer, whose frame has the header f and so many bytes, and syncs it with Fsync. It
// returns how long both took then.
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
	copy(l.buffer, l.buffer[next-next%pageBytes-from:next-from]) // what the next write begins with
	return took, nil
}
