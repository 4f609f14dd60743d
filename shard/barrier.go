package shard

import "flowd/flow"

// barrier is a Freeze that a shard is passing. All hours of before are frozen as they were when it
// came, but not all at once, as there may be thousands: some after each message, and each before
// a flow is added to it (findHour). Until then it is as it was.
type barrier struct {
	action func(flow.Hour) Action
	before []*hour // not yet frozen, but for those that a flow came for
	parts  []frozenShare
	passed func([]frozenShare)
}

// barrierStep is how many hours are frozen between two messages: some 100 µs.
const barrierStep = 256

// freeze begins to pass a barrier, and calls passed when it has.
func (s *shard) freeze(action func(flow.Hour) Action, passed func([]frozenShare)) {
	b := &barrier{action: action, passed: passed, before: make([]*hour, 0, len(s.hours))}
	for _, h := range s.hours {
		b.before = append(b.before, h)
	}
	s.barrier, s.frozen = b, make(map[flow.Hour]*hour)
	s.barriers++
	s.forgetRecent()
	s.pass()
}

// pass goes a step on in passing the barrier. It must not be called without one.
func (s *shard) pass() {
	b := s.barrier
	for range min(s.limits.step, len(b.before)) {
		last := len(b.before) - 1
		s.freezeHour(b.before[last])
		b.before = b.before[:last]
	}
	if len(b.before) == 0 {
		s.barrier = nil
		b.passed(b.parts)
	}
	s.publish()
}

// freezeHour freezes h, unless that was done or h has come after the barrier.
func (s *shard) freezeHour(h *hour) {
	if h.barriers == s.barriers {
		return
	}
	h.barriers = s.barriers
	b := s.barrier
	p := frozenShare{MemoryHour: s.figures(h), action: b.action(h.label), snapshot: h.snapshot(s.index)}
	b.parts = append(b.parts, p)
	if p.Partial || p.action != Keep {
		s.frozen[h.label] = h
		delete(s.hours, h.label)
	}
}
