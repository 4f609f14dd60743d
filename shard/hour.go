package shard

import (
	"slices"
	"sync/atomic"

	"flowd/flow"
)

// hour is the totals of one hour: a column of cells indexed by the tuple's id in the hour's dict,
// in chunks, of which only those exist that have a tuple of this hour.
//
//	chunks[id / 256].cells[id % 256]    16 bytes: bytes_tx, bytes_rx
//
// A cell of zeros is a tuple that the hour does not have, unless the bit of its id is set in
// zeros: flows that carry no bytes are rare, and a presence bit for every cell would cost each
// update a cache line more.
//
// Readers get the column itself, not a copy (borrow), which takes the shard no time however large
// the hour is. The next flow finds no chunks, takes them back (reclaim), and if a reader is still
// at work copies first the table of the chunks and then, before it writes to it, each chunk (copyOnWrite).
// So an answer is the hour as of one moment, costs the shard some 25 µs at a million tuples, and
// memory only for the changes meanwhile.
type hour struct {
	label    flow.Hour
	chunks   []chunk // nil while readers have borrowed them
	borrowed []chunk
	zeros    []uint64
	tuples   uint64
	flows    uint64
	totals   flow.Totals

	saturated uint64 // additions to cells that were stopped
	dict      *dict
	readers   *atomic.Int32            // snapshots that are still being read
	bytes     uint64                   // memory of this hour
	held      *uint64                  // memory of all hours of the shard
	slab      [][chunkSize]flow.Totals // chunks that are not yet used

	vpcs    *vpcTally // of the tuples of the first chunks, but those in overlap; nil until it is asked for
	tallied uint32    // so many chunks

	// barriers is how many the shard had met when this hour was made or frozen last.
	barriers uint64
	// base is the frozen hour that this one continues, of the same label and dict, and overlap the number of
	// tuples that are in both.
	base    *hour
	overlap uint64
}

// chunk is the totals of chunkSize ids. Owned says that no reader can see the cells.
type chunk struct {
	cells *[chunkSize]flow.Totals
	owned bool
}

const (
	chunkBytes = chunkSize * cellBytes
	cellBytes  = 16 // of a flow.Totals
	entryBytes = 16 // of a chunk
)

// newHour returns an empty hour that adds the memory it takes to held.
func newHour(label flow.Hour, d *dict, held *uint64) *hour {
	h := &hour{label: label, dict: d, readers: new(atomic.Int32), held: held}
	h.take(hourSize)
	return h
}

// hourSize is what an hour takes in bytes before it has tuples, about.
const hourSize = 320

// take counts memory that the hour takes.
func (h *hour) take(bytes int) {
	h.bytes += uint64(bytes)
	*h.held += uint64(bytes)
}

// peek returns the cell of id, if there is one, for nothing but bringing it into the cache.
func (h *hour) peek(id uint32) uint64 {
	if c := id / chunkSize; c < uint32(len(h.chunks)) && h.chunks[c].cells != nil {
		return h.chunks[c].cells[id%chunkSize].BytesTx
	}
	return 0
}

// arrive counts a tuple whose cell is zero so far. It is kept out of the loop that adds, as are
// the other steps that are rarely taken: inside, they would take its registers.
//
//go:noinline
func (h *hour) arrive(id uint32, t flow.Totals) {
	word, bit := int(id/64), uint64(1)<<(id%64)
	if word < len(h.zeros) && h.zeros[word]&bit != 0 {
		return
	}
	h.tuples++
	if h.vpcs != nil && id/chunkSize < h.tallied {
		h.tallyVPC(id)
	}
	if h.base != nil {
		if _, known := h.base.column().at(id); known {
			h.overlap++
		}
	}
	if t.BytesTx|t.BytesRx == 0 {
		if need := word + 1 - len(h.zeros); need > 0 {
			h.take(8 * need)
			h.zeros = append(h.zeros, make([]uint64, need)...)
		}
		h.zeros[word] |= bit
	}
}

// copyOnWrite makes chunk c exist, as one that no reader can see.
func (h *hour) copyOnWrite(c uint32) {
	if h.borrowed != nil {
		h.reclaim()
	}
	if need := int(c) + 1; need > len(h.chunks) {
		before := cap(h.chunks)
		h.chunks = append(h.chunks, make([]chunk, need-len(h.chunks))...)
		h.take((cap(h.chunks) - before) * entryBytes)
	}
	at := &h.chunks[c]
	switch {
	case at.cells == nil:
		at.cells = h.newCells()
	case !at.owned && h.readers.Load() > 0:
		cells := *at.cells
		at.cells = &cells
	}
	at.owned = true
}

// reclaim takes back the chunks that readers have borrowed: readers that are still at work keep the table of
// the chunks that they have, and the cells, which copyOnWrite copies before it writes to them.
func (h *hour) reclaim() {
	h.chunks, h.borrowed = h.borrowed, nil
	if h.readers.Load() == 0 {
		return
	}
	borrowed := h.chunks
	h.chunks = make([]chunk, len(borrowed), cap(borrowed))
	for i := range borrowed {
		h.chunks[i].cells = borrowed[i].cells
	}
	h.zeros = slices.Clone(h.zeros)
}

// An hour with many chunks gets new ones in slabs, which are one object each to the garbage
// collector; an hour with few gets them one by one, for it may not need another.
const (
	slabFrom   = 64
	slabChunks = 16
)

func (h *hour) newCells() *[chunkSize]flow.Totals {
	if len(h.chunks) < slabFrom {
		h.take(chunkBytes)
		return new([chunkSize]flow.Totals)
	}
	if len(h.slab) == 0 {
		h.take(slabChunks * chunkBytes)
		h.slab = make([][chunkSize]flow.Totals, slabChunks)
	}
	cells := &h.slab[0]
	h.slab = h.slab[1:]
	return cells
}

// put adds t to the cell of id, which counts as one that arrives if it is new. Unlike the loop
// of apply it does not count flows.
func (h *hour) put(id uint32, t flow.Totals) (saturated uint64) {
	h.copyOnWrite(id / chunkSize)
	cell := &h.chunks[id/chunkSize].cells[id%chunkSize]
	if cell.BytesTx|cell.BytesRx == 0 {
		h.arrive(id, t)
	}
	return cell.Add(t)
}
