package shard

import (
	"flowd/flow"
)

// blockSize is how many flows go through the passes together: enough for the processor to have
// as many cache misses under way as it can, few enough for all they touch to stay in its nearest
// cache until the last pass.
const blockSize = 32

// cached is how many tuples a shard may have for the nearer caches to hold what belongs to them.
const cached = 16 << 10

// block is what one pass leaves for the next.
type block struct {
	probes [blockSize]probe
	ids    [blockSize]uint32
	sink   uint64 // keeps loads that are made for the cache's sake
}

// apply adds up the flows of b that order names.
func (s *shard) apply(b *flow.Batch, order []uint32) {
	s.flows += uint64(len(order))
	for len(order) > blockSize {
		s.applyBlock(b, order[:blockSize])
		order = order[blockSize:]
	}
	s.applyBlock(b, order)
}

// applyBlock adds up to blockSize flows. With many tuples nearly every flow misses the cache
// three times: its bucket, the record with its key, its cell. Flow by flow those misses would be
// waited for one after the other. So each is a pass of its own over all flows, a loop so short
// that the processor runs far ahead in it and has many misses under way at once; the last pass
// finds everything in the cache.
func (s *shard) applyBlock(b *flow.Batch, order []uint32) {
	d, probes, ids := s.dict, s.block.probes[:len(order)], s.block.ids[:len(order)]
	d.hasher.probes(probes, b, order)
	if d.count > cached {
		s.block.sink = d.touchBuckets(probes)
	}
	for i := range ids {
		ids[i] = d.bucket(probes[i].hash).guess(probes[i].hash)
	}
	if d.count > cached {
		s.block.sink += s.touchCells(b, order, ids)
	}
	h := s.hour(b.Items[order[0]].Hour)
	for i, id := range ids {
		item, k := &b.Items[order[i]], &probes[i]
		if id == noID || !d.is(id, k, b.Key(item)) {
			id = d.id(k, b.Key(item))
		}
		if item.Hour != h.label {
			h = s.hour(item.Hour)
		}
		s.saturated += h.add(id, item.Totals)
	}
}

// touchBuckets loads what the guesses will need.
func (d *dict) touchBuckets(probes []probe) (sink uint64) {
	for i := range probes {
		home := d.bucket(probes[i].hash)
		sink += home.tags + uint64(home.ids[bucketSize-1])
	}
	return sink
}

// touchCells loads the records and cells of the tuples that were guessed.
func (s *shard) touchCells(b *flow.Batch, order, ids []uint32) (sink uint64) {
	for i, id := range ids {
		if id == noID {
			continue
		}
		r := s.dict.record(id)
		sink += r.word(0) + r.word(len(r)/8-1) + s.hour(b.Items[order[i]].Hour).peek(id)
		if s.block.probes[i].long {
			sink += s.dict.peek(r)
		}
	}
	return sink
}
