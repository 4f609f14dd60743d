package shard

import (
	"flowd/flow"
)

// blockSize is how many flows go through the passes together: enough for the processor to have
// as many cache misses under way as it can, few enough for all they touch to stay in its nearest
// cache until the last pass.
const blockSize = 64

// cached is how many bytes a shard may take for the nearer caches to hold them.
const cached = 1 << 20

// block is what one pass leaves for the next.
type block struct {
	ids  [blockSize]uint32
	sink uint64 // keeps loads that are made for the cache's sake
}

// apply adds up the flows of b that order names, whose tuples have these hashes.
func (s *shard) apply(b *flow.Batch, order []uint32, hashes []uint64) {
	s.flows += uint64(len(order))
	if len(s.dicts) > 1 {
		s.applyParted(b, order, hashes)
		return
	}
	for len(order) > blockSize {
		s.applyBlock(s.dict, b, order[:blockSize], hashes[:blockSize])
		order, hashes = order[blockSize:], hashes[blockSize:]
	}
	s.applyBlock(s.dict, b, order, hashes)
}

// applyParted is apply where hours have different dicts: flows gather at the dict of their hour
// until there is a block of them.
func (s *shard) applyParted(b *flow.Batch, order []uint32, hashes []uint64) {
	for i, at := range order {
		d := s.hour(b.Items[at].Hour).dict
		d.waiting[d.waits], d.waitingHashes[d.waits] = at, hashes[i]
		if d.waits++; d.waits == blockSize {
			d.waits = 0
			s.applyBlock(d, b, d.waiting[:], d.waitingHashes[:])
		}
	}
	for _, d := range s.dicts {
		if n := d.waits; n > 0 {
			d.waits = 0
			s.applyBlock(d, b, d.waiting[:n], d.waitingHashes[:n])
		}
	}
}

// applyBlock adds up to blockSize flows, whose hours have dict d. With many tuples nearly every
// flow misses the cache three times: its bucket, the record with its key, its cell. Flow by flow
// those misses would be waited for one after the other. So each is a pass of its own over all
// flows, a loop so short that the processor runs far ahead in it and has many misses under way at
// once; the last pass finds everything in the cache.
func (s *shard) applyBlock(d *dict, b *flow.Batch, order []uint32, hashes []uint64) {
	items, ids := b.Items, s.block.ids[:len(order)]
	large := d.bytes()+s.hourBytes > cached
	if large {
		s.block.sink += d.touchBuckets(hashes)
	}
	for i, hash := range hashes {
		ids[i] = d.bucket(hash).guess(hash)
	}
	if large {
		s.block.sink += s.touchCells(d, b, order, ids)
	}
	for i, id := range ids {
		if item := &items[order[i]]; id == noID || !d.is(id, b, item) {
			ids[i] = d.id(b, item, hashes[i])
		}
	}
	s.add(items, order, ids)
}

// touchBuckets loads what the guesses will need.
func (d *dict) touchBuckets(hashes []uint64) (sink uint64) {
	for _, hash := range hashes {
		home := d.bucket(hash)
		sink += home.tags + uint64(home.ids[bucketSize-1])
	}
	return sink
}

// touchCells loads the records and cells of the tuples that were guessed.
func (s *shard) touchCells(d *dict, b *flow.Batch, order, ids []uint32) (sink uint64) {
	for i, id := range ids {
		if id != noID {
			sink += d.peek(d.record(id)) + s.hour(b.Items[order[i]].Hour).peek(id)
		}
	}
	return sink
}

// add adds the flows to the cells of their tuples.
func (s *shard) add(items []flow.Item, order, ids []uint32) {
	for i, id := range ids {
		item := &items[order[i]]
		h := s.hour(item.Hour)
		c := id / chunkSize
		if c >= uint32(len(h.chunks)) || !h.chunks[c].owned {
			h.copyOnWrite(c)
		}
		cell := &h.chunks[c].cells[id%chunkSize]
		if cell.BytesTx|cell.BytesRx == 0 {
			h.arrive(id, item.Totals)
		}
		h.flows++
		h.totals.Add(item.Totals)
		if cell.Add(item.Totals) != 0 {
			h.saturated++
			s.saturated++
		}
	}
}
