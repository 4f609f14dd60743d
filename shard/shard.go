package shard

import (
	"sync/atomic"

	"flowd/flow"
)

// shard owns the tuples that hash onto it, and their totals. Everything but in and stats is
// touched by its goroutine alone.
type shard struct {
	in    chan message
	stats published

	dict   *dict
	hours  map[flow.Hour]*hour
	recent [recentHours]*hour // by the low bits of the label
	block  block

	flows     uint64
	saturated uint64
	hourBytes uint64
}

// recentHours is a power of two. A batch mostly has one hour, or some that follow each other.
const recentHours = 16

// message is a part of a batch to add up, or, if split is nil, a question to answer.
type message struct {
	split    *split
	from, to uint32 // of split.order
	ask      func(*shard)
}

func newShard(queue int, h hasher) *shard {
	s := &shard{
		in:    make(chan message, queue),
		dict:  newDict(h),
		hours: make(map[flow.Hour]*hour),
	}
	for i := range s.recent {
		s.recent[i] = &hour{label: noHour}
	}
	return s
}

// noHour is a label that no flow has.
const noHour = flow.MaxHour + 1

// run is the shard's goroutine, until in is closed.
func (s *shard) run() {
	for m := range s.in {
		if m.split == nil {
			m.ask(s)
			continue
		}
		s.apply(m.split.batch, m.split.order[m.from:m.to])
		m.split.done()
		s.publish()
	}
}

// hour returns the hour with a label, and makes it if it is new.
func (s *shard) hour(label flow.Hour) *hour {
	h := s.recent[label%recentHours]
	if h.label != label {
		h = s.findHour(label)
	}
	return h
}

//go:noinline
func (s *shard) findHour(label flow.Hour) *hour {
	h := s.hours[label]
	if h == nil {
		h = newHour(label, &s.hourBytes)
		s.hours[label] = h
	}
	s.recent[label%recentHours] = h
	return h
}

// published is a shard's figures for those who do not want to ask it.
type published struct {
	tuples, hours, bytes, flows, saturated atomic.Uint64
}

// publish stores what has changed: a store that others may see costs more than a comparison.
func (s *shard) publish() {
	set := func(to *atomic.Uint64, v uint64) {
		if to.Load() != v {
			to.Store(v)
		}
	}
	set(&s.stats.tuples, uint64(s.dict.count))
	set(&s.stats.hours, uint64(len(s.hours)))
	set(&s.stats.bytes, s.dict.bytes()+s.hourBytes)
	set(&s.stats.flows, s.flows)
	set(&s.stats.saturated, s.saturated)
}
