package shard

import (
	"flowd/flow"
	"flowd/limit"
)

// Bounds are how many tuples a table should have. Flows of tuples beyond them are to be counted in
// another way, which is for the caller to see to: an Admission tells which they are. 0 is no bound.
type Bounds struct {
	// HourTuples is how many tuples an hour in memory may have, Tuples how many there may be in all.
	// Each VPC may have its share of either, by limit.MayHold. Tuples of flow.Other are not counted.
	HourTuples, Tuples uint64
}

// SetBounds changes the bounds, at any time.
func (t *Table) SetBounds(b Bounds) { t.bounds.Store(&b) }

// Admission decides which flows are in excess of the bounds. It belongs to the one goroutine that sends
// batches: so it knows what was sent, whatever of it the shards have added up yet, and no two batches can
// take the same places.
//
// While nothing is near its bound this costs next to nothing: flows are counted, as each may be of a new
// tuple, and when they may have come near a bound since the last time, the shards are asked how many
// tuples there are. Near a bound they are asked about each flow.
type Admission struct {
	table  *Table
	bounds *Bounds // that what follows is of

	since uint64               // flows since the hours were counted
	all   level                // of all hours
	hours map[flow.Hour]*level // those that may have more than half of the tuples that need no shares

	unsent  uint64        // flows of batches that were admitted since Sent
	unasked []*flow.Batch // those of them that the shards were not asked about
	granted *grants       // new tuples of the others
}

// level is how many tuples there were, and the flows that came since, each of which may be a new one.
type level struct{ tuples, since uint64 }

func (l *level) most() uint64 { return l.tuples + l.since }

// Excess is which flows of a batch are in excess.
type Excess struct {
	// Flows are their numbers, ascending.
	Flows []uint32
	// OverShare is how many of them there would be room for, but not for their VPC.
	OverShare int
	// First is what stood in the way of the first.
	First Obstacle
}

// Obstacle is a bound as a new tuple of a VPC meets it.
type Obstacle struct {
	VPC  string
	Hour flow.Hour
	// InAll says that the bound is Bounds.Tuples, and not Bounds.HourTuples.
	InAll bool
	// Held is how many tuples the VPC has, and Taken how many all have of Bound.
	Held, Taken, Bound uint64
}

// NewAdmission returns what decides for t. Until its first Admit t may be sent anything.
func NewAdmission(t *Table) *Admission { return &Admission{table: t, granted: newGrants()} }

// Admit returns which flows of b, whose tally is given, are in excess: those of new tuples for which their
// VPC may not have another. It waits for the shards where something is near its bound, and at times to
// count. B, with the flows in excess folded, must be sent next or not at all; several may be admitted before
// they are sent, in their order, and then Sent is to be called.
func (a *Admission) Admit(b *flow.Batch, tally []flow.HourTally) (x Excess) {
	bounds := a.table.bounds.Load()
	if *bounds == (Bounds{}) {
		return x
	}
	flows := uint64(b.Len())
	a.since += flows
	a.unsent += flows
	a.all.since += flows
	slack := limit.Unshared(bounds.HourTuples) / 2
	if bounds != a.bounds || bounds.HourTuples > 0 && a.since > slack ||
		bounds.Tuples > 0 && a.since > limit.Unshared(bounds.Tuples)/4 {
		a.bounds = bounds
		a.count(slack)
	}
	allNear, near := a.near(tally, slack)
	if !allNear && near == nil {
		a.unasked = append(a.unasked, b)
		return x
	}
	for _, earlier := range a.unasked {
		a.census(earlier, near, allNear).grant(a.granted)
	}
	clear(a.unasked)
	a.unasked = a.unasked[:0]
	c := a.census(b, near, allNear)
	a.learn(c, near, allNear)
	return c.decide(bounds, a.granted)
}

// Sent says that what was admitted is on its way to the shards, or will never be.
func (a *Admission) Sent() {
	if len(a.unasked) > 0 {
		clear(a.unasked)
		a.unasked = a.unasked[:0]
	}
	a.unsent = 0
	a.granted.reset()
}

// near returns those hours of a batch that may have as many tuples, with its flows, that VPCs have to share
// what is left, and whether all hours together may.
func (a *Admission) near(tally []flow.HourTally, slack uint64) (all bool, near []flow.Hour) {
	b := a.bounds
	all = b.Tuples > 0 && a.all.most() > limit.Unshared(b.Tuples)
	if b.HourTuples == 0 {
		return all, nil
	}
	unknown := a.since > slack // more was admitted and not sent than may be left uncounted
	if !unknown && len(a.hours) == 0 {
		return all, nil
	}
	for i := range tally {
		h := a.hours[tally[i].Hour]
		if h != nil {
			h.since += tally[i].Flows
		}
		if unknown || h != nil && h.most() > limit.Unshared(b.HourTuples) {
			near = append(near, tally[i].Hour)
		}
	}
	return all, near
}

// learn notes what a census found: exact numbers, to which what was not yet sent may be added.
func (a *Admission) learn(c *census, near []flow.Hour, all bool) {
	if all {
		a.all = level{c.all.tuples, a.unsent}
	}
	for i, label := range near {
		if h := a.hours[label]; h != nil {
			*h = level{c.hours[i].tuples, a.unsent}
		}
	}
}

// count asks the shards how many tuples there are, and which hours may have more than a number.
func (a *Admission) count(number uint64) {
	shards := uint64(len(a.table.shards))
	each := number / shards
	tuples := make([]uint64, shards)
	large := make([]map[flow.Hour]uint64, shards)
	halfOfAll := limit.Unshared(a.bounds.Tuples) / 2 / shards
	a.table.scatter(func(i int, s *shard) {
		tuples[i], large[i] = s.count(each)
		if a.bounds.Tuples > 0 && tuples[i] > halfOfAll {
			s.tallyDicts()
		}
	}).Wait()
	a.since, a.all = a.unsent, level{0, a.unsent}
	a.hours = make(map[flow.Hour]*level)
	for i := range shards {
		a.all.tuples += tuples[i]
		for label, n := range large[i] {
			h := a.hours[label]
			if h == nil {
				h = &level{each * shards, a.unsent} // each has no more than that if it does not say so
				a.hours[label] = h
			}
			h.tuples += n - each
		}
	}
}

// count returns how many tuples s has, and those hours that have more than a number, with how many. Their
// VPCs will be asked for, so it begins to count them.
func (s *shard) count(number uint64) (tuples uint64, large map[flow.Hour]uint64) {
	for _, d := range s.dicts {
		tuples += uint64(d.count)
	}
	note := func(label flow.Hour) {
		if n := together(s.hours[label], s.frozen[label]); n > number {
			if large == nil {
				large = make(map[flow.Hour]uint64)
			}
			large[label] = n
			s.tallyLater(s.hours[label])
			s.tallyLater(s.frozen[label])
		}
	}
	for label := range s.hours {
		note(label)
	}
	for label := range s.frozen {
		note(label)
	}
	return tuples, large
}

// together returns how many tuples an hour and what is frozen of it have. Either may be nil.
func together(h, frozen *hour) (tuples uint64) {
	if h != nil {
		tuples += h.tuples - h.overlap
	}
	if frozen != nil {
		tuples += frozen.tuples
	}
	return tuples
}
