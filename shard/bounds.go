package shard

import (
	"math"
	"sync"
	"sync/atomic"

	"flowd/flow"
)

// Bounds are how many tuples a table should have. Beyond them it takes no flows of new tuples; whoever
// sends it flows asks Excess first, and has those count in another way. 0 is no bound. Each shard keeps
// its part of a bound, which is about as many tuples as each has, and what is on its way already comes on
// top of that.
type Bounds struct {
	// HourTuples is how many tuples an hour in memory may have, Tuples how many there may be in all.
	HourTuples, Tuples uint64
}

// fullness is what the shards of a table know together of its bounds. It is read for every batch, and
// written hardly ever.
type fullness struct {
	hour, all atomic.Uint64 // of a shard; 0 is no bound
	full      atomic.Int64  // so many shards have as many tuples as they may have
	fullHours atomic.Int64  // so many are in hours

	mu    sync.RWMutex
	hours map[flow.Hour]int // those that are full, in how many shards
}

// SetBounds changes the bounds, at any time. An hour that is full under the old ones stays so for those
// who ask, who then find that nothing is in excess.
func (t *Table) SetBounds(b Bounds) {
	n := uint64(len(t.shards))
	t.fullness.hour.Store((b.HourTuples + n - 1) / n)
	t.fullness.all.Store((b.Tuples + n - 1) / n)
	t.scatter(func(_ int, s *shard) { s.measure() })
}

// Crowded reports whether flows of these hours may be in excess. It costs next to nothing.
func (t *Table) Crowded(hours []flow.HourTally) bool {
	if t.fullness.full.Load() > 0 {
		return true
	}
	if t.fullness.fullHours.Load() == 0 {
		return false
	}
	t.fullness.mu.RLock()
	defer t.fullness.mu.RUnlock()
	for i := range hours {
		if t.fullness.hours[hours[i].Hour] > 0 {
			return true
		}
	}
	return false
}

// fill adds n to the number of shards where an hour is full.
func (f *fullness) fill(label flow.Hour, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hours[label] += n; f.hours[label] == 0 {
		delete(f.hours, label)
	}
	f.fullHours.Store(int64(len(f.hours)))
}

// Excess returns the numbers of the flows of b, ascending, whose tuples are new where there are as many
// as there may be. It asks the shards and waits for them, so it is for batches that are crowded.
func (t *Table) Excess(b *flow.Batch) []uint32 {
	split := Split{ends: make([]uint32, len(t.shards))}
	split.divide(b)
	excess := make([]bool, b.Len())
	t.scatter(func(i int, s *shard) {
		from := uint32(0)
		if i > 0 {
			from = split.ends[i-1]
		}
		s.excess(b, split.order[from:split.ends[i]], excess)
	}).Wait()
	var found []uint32
	for i, is := range excess {
		if is {
			found = append(found, uint32(i))
		}
	}
	return found
}

// excess marks those flows of b, among those that order names, that are in excess. Others write to other
// elements of marks meanwhile.
func (s *shard) excess(b *flow.Batch, order []uint32, marks []bool) {
	var hash [1]uint64
	for at, i := range order {
		item := &b.Items[i]
		h, frozen := s.hours[item.Hour], s.frozen[item.Hour]
		hourFull := s.isFull(h, frozen)
		if !hourFull && !s.full {
			continue
		}
		d := s.dict
		if h == nil {
			h, frozen = frozen, nil
		}
		if h != nil {
			d = h.dict
		}
		d.hasher.items(b, order[at:at+1], hash[:])
		id := d.find(b, item, hash[0])
		switch {
		case id == noID:
			marks[i] = true
		case hourFull:
			_, known := h.column().at(id)
			if frozen != nil && !known {
				_, known = frozen.column().at(id)
			}
			marks[i] = !known
		}
	}
}

// isFull reports whether an hour, with what is frozen of it, has as many tuples as it may have here.
// Either may be nil.
func (s *shard) isFull(h, frozen *hour) bool {
	most := s.fullness.hour.Load()
	return most > 0 && together(h, frozen) >= most
}

// together returns how many tuples an hour and what is frozen of it have.
func together(h, frozen *hour) (tuples uint64) {
	if h != nil {
		tuples += h.tuples - h.shared
	}
	if frozen != nil {
		tuples += frozen.tuples
	}
	return tuples
}

// measure compares what the shard has with the bounds, after something changed that is not looked at
// flow by flow.
func (s *shard) measure() {
	for label := range s.hours {
		s.measureHour(label)
	}
	for label := range s.frozen {
		s.measureHour(label)
	}
	for label := range s.fullHours {
		if s.hours[label] == nil && s.frozen[label] == nil {
			s.measureHour(label)
		}
	}
	s.publish()
}

// measureHour notes whether an hour is full, and when that is to be looked at again.
func (s *shard) measureHour(label flow.Hour) {
	h, frozen := s.hours[label], s.frozen[label]
	tuples, most := together(h, frozen), s.fullness.hour.Load()
	full := most > 0 && tuples >= most
	if h != nil {
		h.due = math.MaxUint64
		if most > tuples {
			h.due = h.tuples + most - tuples
		}
	}
	_, was := s.fullHours[label]
	switch {
	case full && !was:
		s.fullHours[label] = struct{}{}
		s.fullness.fill(label, 1)
	case !full && was:
		delete(s.fullHours, label)
		s.fullness.fill(label, -1)
	}
}

// measureAll notes whether the shard, which has so many tuples, has as many as it may have.
func (s *shard) measureAll(tuples uint64) {
	most := s.fullness.all.Load()
	if full := most > 0 && tuples >= most; full != s.full {
		s.full = full
		if full {
			s.fullness.full.Add(1)
		} else {
			s.fullness.full.Add(-1)
		}
	}
}
