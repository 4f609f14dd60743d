package shard

import (
	"math/rand/v2"
	"slices"

	"flowd/flow"
)

// A dict only grows. So that tuples which no hour in memory has any more do not stay for ever, a
// shard whose dict is mostly such tuples starts a new one, for the hours that it makes from then
// on, and the old one goes when its last hour goes. That is looked at when hours are dropped, for
// nothing else can leave a tuple without an hour. Nothing is copied but small hours, which would
// keep a large old dict for a few tuples' sake.

const (
	// renewTuples is how many tuples a dict has before it is worth replacing, some 4 MB.
	renewTuples = 64 << 10

	// A sample looks for up to sampleTuples tuples in the hours, and stops after sampleLooks looks,
	// some of which miss the cache: less than 1 ms.
	sampleTuples = 512
	sampleLooks  = 16 << 10
	sampleLeast  = 16 // tuples without which there is no judgement

	// moveTuples bounds how many tuples of small hours are moved to the new dict at a time: 1 ms.
	moveTuples = 8 << 10
	// An hour that continues what was just written to disk has the old dict, and may have it again
	// next time, and so on: it is moved whatever its size is when the dict is this many times larger.
	moveFrom = 16

	// Where memory is short so many tuples are moved of an hour that is continued, if the dict has twice
	// as many: 32 ms. Else a dict could grow to moveFrom times what its hours need.
	moveShort     = 256 << 10
	moveShortFrom = 2
)

// renew follows the dropping of hours: it starts a new dict if that is worth it, moves hours to
// it, and lets go of dicts that no hour has. Continued are the labels of which an hour was
// dropped and another may be there.
func (s *shard) renew(continued map[flow.Hour]*hour) {
	if s.dict.count > s.limits.renew && s.sparse(s.dict) {
		s.dict = newDict(s.dict.hasher)
		s.dicts = append(s.dicts, s.dict)
	}
	if len(s.dicts) == 1 {
		return
	}
	budget := s.limits.move
	for label, h := range s.hours {
		if h.dict == s.dict {
			continue
		}
		wasteful := continued[label] != nil && (uint64(h.dict.count) > moveFrom*h.tuples ||
			s.memory.short.Load() && h.tuples <= moveShort && uint64(h.dict.count) >= moveShortFrom*h.tuples)
		if h.tuples <= budget || wasteful {
			budget -= min(budget, h.tuples)
			s.move(h)
		}
	}
	s.dicts = slices.DeleteFunc(s.dicts, func(d *dict) bool { return d.hours == 0 && d != s.dict })
}

// sparse reports whether less than half of the tuples of d are in an hour. Where the numbers of
// tuples do not tell it, a sample does.
func (s *shard) sparse(d *dict) bool {
	var hours []*column
	sum := uint64(0)
	for _, h := range s.hours {
		if h.dict != d {
			continue
		}
		if 2*h.tuples >= uint64(d.count) {
			return false
		}
		sum += h.tuples
		hours = append(hours, h.column())
	}
	if 2*sum < uint64(d.count) {
		return true
	}
	alive, seen := 0, 0
	for looks := 0; seen < sampleTuples && looks < sampleLooks; seen++ {
		id := rand.Uint32N(d.count)
		for _, h := range hours {
			looks++
			if _, known := h.at(id); known {
				alive++
				break
			}
		}
	}
	return seen >= sampleLeast && 2*alive < seen
}

// move gives an hour the shard's present dict.
func (s *shard) move(h *hour) {
	moved := newHour(h.label, s.dict, &s.hourBytes)
	moved.flows, moved.totals, moved.saturated = h.flows, h.totals, h.saturated
	moved.barriers = h.barriers
	s.dict.adopt(&snapshot{keys: h.dict.keys, columns: [2]column{*h.column()}}, moved)
	s.dict.hours++
	s.hours[h.label] = moved
	s.recent[h.label%recentHours] = moved
	s.drop(h)
}

// adopt adds the rest of the rows that from reads to an hour that has dict d.
func (d *dict) adopt(from *snapshot, to *hour) {
	var (
		b      flow.Batch
		block  [blockSize]flow.Row
		hashes [blockSize]uint64
	)
	for n := from.read(block[:]); n > 0; n = from.read(block[:]) {
		b.Reset()
		for i := range block[:n] {
			addKey(&b, block[i].Key)
		}
		d.hasher.batch(&b, hashes[:n])
		for i := range block[:n] {
			to.put(d.id(&b, &b.Items[i], hashes[i]), block[i].Totals)
		}
	}
}

// addKey appends an item to b that has a key and nothing else.
func addKey(b *flow.Batch, key flow.Key) {
	from := len(b.Keys)
	b.Keys = append(b.Keys, key...)
	b.Keys = append(b.Keys, padding[:max(flow.KeySlot-len(key), 0)]...)
	b.Items = append(b.Items, flow.Item{KeyFrom: uint32(from), KeyLen: uint16(len(key))})
}

var padding [flow.KeySlot]byte
