package shard

import (
	"runtime"
	"sync/atomic"

	"flowd/flow"
)

// shard owns the tuples that hash onto it, and their totals. Everything but in and stats is
// touched by its goroutine alone.
type shard struct {
	in     chan message
	stats  published
	index  int     // in the table
	limits *limits // of the table

	dict   *dict   // of the hours that are made from now on
	dicts  []*dict // of all hours there are; the last one is dict
	hours  map[flow.Hour]*hour
	recent [recentHours]*hour // by the low bits of the label
	block  block

	frozen   map[flow.Hour]*hour // hours that leave memory when a checkpoint is installed
	both     int                 // labels in both hours and frozen
	barrier  *barrier            // that is being passed, or nil
	barriers uint64              // so many were met
	onDisk   hourSet             // hours with a block on disk that is not in memory; shared, never written to

	memory   *tableMemory // of the table
	tallying []*hour      // whose tuples are being counted by VPC

	flows     uint64
	saturated uint64
	hourBytes uint64
}

// recentHours is a power of two. A batch mostly has one hour, or some that follow each other.
const recentHours = 16

// message is a part of a batch to add up, or, if split is nil, a question to answer.
type message struct {
	split    *Split
	from, to uint32 // of split.order and split.hashes
	ask      func(*shard)
}

func newShard(index, queue int, h hasher, t *Table) *shard {
	d := newDict(h)
	s := &shard{
		in:     make(chan message, queue),
		index:  index,
		limits: &t.limits,
		memory: &t.memory,
		dict:   d,
		dicts:  []*dict{d},
		hours:  make(map[flow.Hour]*hour),
	}
	s.forgetRecent()
	return s
}

// noHour is a label that no flow has.
const noHour = flow.MaxHour + 1

// forgetRecent makes the next flow of every hour look for it. It must follow whatever changes
// hours but by adding to them.
func (s *shard) forgetRecent() {
	nowhere := &hour{label: noHour}
	for i := range s.recent {
		s.recent[i] = nowhere
	}
}

// run is the shard's goroutine, until in is closed.
func (s *shard) run() {
	for m, ok := s.next(); ok; m, ok = s.next() {
		if m.split == nil {
			m.ask(s)
			continue
		}
		s.apply(m.split.batch, m.split.order[m.from:m.to], m.split.hashes[m.from:m.to])
		if s.behind() {
			s.tally(2 * int(m.to-m.from)) // so that what comes does not outrun it
		}
		m.split.done()
		s.publish()
	}
}

// next waits for the next message; false says that there will be none. What is left of a barrier
// is passed meanwhile, or else tuples are counted, and a step of it also if there is a message.
func (s *shard) next() (message, bool) {
	for s.barrier != nil || s.behind() {
		if s.barrier != nil {
			s.pass()
		} else {
			s.tally(max(s.limits.tally, 1))
		}
		select {
		case m, ok := <-s.in:
			if ok {
				return m, true
			}
		default:
		}
	}
	// Goroutines that are ready to run may have more for it. To find that here costs less than to go to sleep
	// and be woken by each of them.
	if len(s.in) == 0 {
		runtime.Gosched()
	}
	m, ok := <-s.in
	return m, ok
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
	if h != nil && s.barrier != nil {
		s.freezeHour(h)
		h = s.hours[label]
	}
	if h == nil {
		h = s.makeHour(label)
	}
	s.recent[label%recentHours] = h
	return h
}

// makeHour adds an hour. If it continues a frozen one it has its dict, so that what is in both can
// be told by the ids alone.
func (s *shard) makeHour(label flow.Hour) *hour {
	frozen, d := s.frozen[label], s.dict
	if frozen != nil {
		d = frozen.dict
		s.both++
	}
	h := newHour(label, d, &s.hourBytes)
	h.base, h.barriers = frozen, s.barriers
	d.hours++
	s.hours[label] = h
	return h
}

// drop counts an hour out that is nowhere linked any more.
func (s *shard) drop(h *hour) {
	s.hourBytes -= h.bytes
	h.dict.hours--
}

// isPartial reports whether the hour of a label has a block on disk, to which what is in memory is to be
// added.
func (s *shard) isPartial(label flow.Hour) bool {
	_, partial := s.onDisk[label]
	return partial
}

// summary returns the hours that the shard holds and their sums, in no order.
func (s *shard) summary() []MemoryHour {
	all := make([]MemoryHour, 0, len(s.hours)+len(s.frozen)-s.both)
	for label, h := range s.hours {
		p := s.figures(h)
		if frozen := s.frozen[label]; frozen != nil {
			base := s.figures(frozen)
			p.add(&base)
			p.Tuples -= h.overlap
		}
		all = append(all, p)
	}
	for label, frozen := range s.frozen {
		if s.hours[label] == nil {
			all = append(all, s.figures(frozen))
		}
	}
	return all
}

// figures returns the sums of h alone.
func (s *shard) figures(h *hour) MemoryHour {
	return MemoryHour{
		HourTotals: flow.HourTotals{Hour: h.label, Tuples: h.tuples, Flows: h.flows, Totals: h.totals},
		Saturated:  h.saturated,
		Partial:    s.isPartial(h.label),
	}
}

// published is a shard's figures for those who do not want to ask it.
type published struct {
	tuples, hours, bytes, flows, saturated, frozen, dicts atomic.Uint64
}

// publish stores what has changed: a store that others may see costs more than a comparison.
func (s *shard) publish() {
	set := func(to *atomic.Uint64, v uint64) {
		if to.Load() != v {
			to.Store(v)
		}
	}
	tuples, bytes := uint64(0), s.hourBytes
	for _, d := range s.dicts {
		tuples += uint64(d.count)
		bytes += d.bytes()
	}
	set(&s.stats.tuples, tuples)
	set(&s.stats.hours, uint64(len(s.hours)+len(s.frozen)-s.both))
	if before := s.stats.bytes.Load(); before != bytes {
		s.stats.bytes.Store(bytes)
		s.memory.shards.Add(int64(bytes) - int64(before))
	}
	set(&s.stats.flows, s.flows)
	set(&s.stats.saturated, s.saturated)
	set(&s.stats.frozen, uint64(len(s.frozen)))
	set(&s.stats.dicts, uint64(len(s.dicts)))
}
