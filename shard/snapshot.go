package shard

import (
	"sync/atomic"

	"flowd/flow"
)

// column is the cells of an hour as a reader has them.
type column struct {
	chunks  []chunk
	zeros   []uint64
	readers *atomic.Int32
}

// column returns the hour's cells, for its owner.
func (h *hour) column() *column {
	if h.borrowed != nil {
		return &column{chunks: h.borrowed, zeros: h.zeros}
	}
	return &column{chunks: h.chunks, zeros: h.zeros}
}

// borrow returns the hour's cells as they are now, for another goroutine. Only the owner may call it.
func (h *hour) borrow() column {
	if h.borrowed == nil {
		h.borrowed, h.chunks = h.chunks, nil
	}
	h.readers.Add(1)
	return column{h.borrowed, h.zeros, h.readers}
}

// cells returns chunk c, or nil.
func (k *column) cells(c uint32) *[chunkSize]flow.Totals {
	if c < uint32(len(k.chunks)) {
		return k.chunks[c].cells
	}
	return nil
}

// zero reports whether the tuple id has flows that carried no bytes, before any that did.
func (k *column) zero(id uint32) bool {
	return id/64 < uint32(len(k.zeros)) && k.zeros[id/64]&(1<<(id%64)) != 0
}

// at returns the totals of the tuple id, and whether it has flows.
func (k *column) at(id uint32) (t flow.Totals, known bool) {
	if cells := k.cells(id / chunkSize); cells != nil {
		t = cells[id%chunkSize]
	}
	return t, t.BytesTx|t.BytesRx != 0 || k.zero(id)
}

// snapshot is what a shard holds of an hour at one moment. It is a cursor over its rows. An hour
// that a checkpoint has frozen, and what came for it since, are two columns of the same ids.
type snapshot struct {
	dict    *dict // the owner's, who alone may use it but for the hasher and the names
	keys    keys
	known   uint32  // so many ids there were
	limits  *limits // of the table
	columns [2]column
	hour    flow.Hour
	shard   int
	tuples  uint64   // at most, over all columns
	next    uint32   // id
	skip    []uint64 // a bit for each id that is not to be read, if it is not nil

	sum   *[chunkSize]flow.Totals // of chunk sumOf of both columns
	sumOf uint32
}

// snapshot returns the hour with a label as it is now, or nil.
func (s *shard) snapshot(label flow.Hour) *snapshot {
	s.publish() // what earlier questions had numbered
	h, frozen := s.hours[label], s.frozen[label]
	switch {
	case h == nil && frozen == nil:
		return nil
	case h == nil:
		h, frozen = frozen, nil
	}
	out := h.snapshot(s.index)
	out.limits = s.limits
	if frozen != nil {
		out.columns[1] = frozen.borrow()
		out.tuples += frozen.tuples
	}
	return out
}

// snapshot returns the hour as it is now, for readers. Its owner, the shard with an index, calls it.
func (h *hour) snapshot(shard int) *snapshot {
	return &snapshot{
		dict: h.dict, keys: h.dict.keys, known: h.dict.count, columns: [2]column{h.borrow()},
		hour: h.label, shard: shard, tuples: h.tuples,
	}
}

// chunks returns how many chunks of ids there are at most.
func (s *snapshot) chunks() uint32 {
	return uint32(max(len(s.columns[0].chunks), len(s.columns[1].chunks)))
}

// has reports whether there are cells of chunk c.
func (s *snapshot) has(c uint32) bool {
	return s.columns[0].cells(c) != nil || s.columns[1].cells(c) != nil
}

// knownOf returns how many of the ids of chunk c there were, of a chunk that s has.
func (s *snapshot) knownOf(c uint32) uint32 { return min(s.known-c*chunkSize, chunkSize) }

// read fills dst with the next rows and returns how many.
func (s *snapshot) read(dst []flow.Row) (n int) {
	end := s.chunks()
	for c := s.next / chunkSize; c < end; c = s.next / chunkSize {
		cells := s.cells(c)
		if cells == nil {
			s.next = (c + 1) * chunkSize
			continue
		}
		for ; s.next/chunkSize == c; s.next++ {
			t := cells[s.next%chunkSize]
			if t.BytesTx|t.BytesRx == 0 && !s.zero(s.next) || s.skip != nil && s.skipped(s.next) {
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

// cells returns chunk c of the columns, added up, or nil. It is valid until the next call.
func (s *snapshot) cells(c uint32) *[chunkSize]flow.Totals {
	first, second := s.columns[0].cells(c), s.columns[1].cells(c)
	switch {
	case second == nil:
		return first
	case first == nil:
		return second
	case s.sum == nil:
		s.sum = new([chunkSize]flow.Totals)
	case s.sumOf == c:
		return s.sum
	}
	*s.sum, s.sumOf = *first, c
	for i := range second {
		s.sum[i].Add(second[i])
	}
	return s.sum
}

func (s *snapshot) zero(id uint32) bool { return s.columns[0].zero(id) || s.columns[1].zero(id) }

func (s *snapshot) skipped(id uint32) bool {
	return id/64 < uint32(len(s.skip)) && s.skip[id/64]&(1<<(id%64)) != 0
}

// take returns the totals of the tuple id, if there are any, and leaves it out when the rest is
// read.
func (s *snapshot) take(id uint32) (flow.Totals, bool) {
	t, known := s.columns[0].at(id)
	more, also := s.columns[1].at(id)
	if !known && !also {
		return t, false
	}
	t.Add(more)
	if need := int(id/64) + 1 - len(s.skip); need > 0 {
		s.skip = append(s.skip, make([]uint64, need)...)
	}
	s.skip[id/64] |= 1 << (id % 64)
	return t, true
}

// release lets the owner write to the chunks again without copying them: there is nothing more to be
// read but keys.
func (s *snapshot) release() {
	for i := range s.columns {
		if r := s.columns[i].readers; r != nil {
			r.Add(-1)
		}
		s.columns[i] = column{}
	}
}

// close is release, and gives up what the snapshot keeps alive.
func (s *snapshot) close() {
	s.release()
	*s = snapshot{}
}
