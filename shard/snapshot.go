package shard

import (
	"sync/atomic"

	"flowd/flow"
)

// snapshot is what a shard holds of an hour at one moment. It is a cursor over its rows.
type snapshot struct {
	keys    keys
	chunks  []*[chunkSize]flow.Totals
	zeros   []uint64
	hour    flow.Hour
	readers *atomic.Int32
	next    uint32 // id
}

// snapshot returns the hour as it is now, for another goroutine. The owner calls it.
func (h *hour) snapshot(keys keys) *snapshot {
	s := &snapshot{keys: keys, hour: h.label, readers: h.readers}
	s.chunks = make([]*[chunkSize]flow.Totals, len(h.chunks))
	for i := range h.chunks {
		s.chunks[i] = h.chunks[i].cells
		h.chunks[i].owned = false
	}
	s.zeros = append(s.zeros, h.zeros...)
	h.readers.Add(1)
	return s
}

// read fills dst with the next rows and returns how many.
func (s *snapshot) read(dst []flow.Row) (n int) {
	for c := s.next / chunkSize; c < uint32(len(s.chunks)); c = s.next / chunkSize {
		cells := s.chunks[c]
		if cells == nil {
			s.next = (c + 1) * chunkSize
			continue
		}
		for ; s.next/chunkSize == c; s.next++ {
			t := cells[s.next%chunkSize]
			if t.BytesTx|t.BytesRx == 0 && !s.zero(s.next) {
				continue
			}
			if n == len(dst) {
				return n
			}
			dst[n] = flow.Row{Key: s.keys.key(s.next), Totals: t, Hour: s.hour}
			n++
		}
	}
	return n
}

// zero reports whether the tuple id has flows but no bytes.
func (s *snapshot) zero(id uint32) bool {
	return id/64 < uint32(len(s.zeros)) && s.zeros[id/64]&(1<<(id%64)) != 0
}

// close lets the owner write to the chunks again without copying them.
func (s *snapshot) close() {
	if s.readers != nil {
		s.readers.Add(-1)
		s.readers = nil
	}
}
