package shard

import (
	"encoding/binary"

	"flowd/flow"
	"flowd/limit"
)

// census is what the shards have of the hours and VPCs of a batch, as of when the last batch was sent.
type census struct {
	batch *flow.Batch
	hours []population // of near
	all   population   // if it is asked for
	asked bool         // all is
	place map[flow.Hour]int
	fresh []uint8 // of each flow; others write to other elements meanwhile
}

// What a flow's tuple is new in.
const (
	freshHour = 1 << iota
	freshAll
)

// population is how many tuples there are of each VPC that is asked for, without those of flow.Other.
type population struct {
	hour   flow.Hour
	vpcs   map[string]int // place in held
	held   []uint64
	tuples uint64
}

func (p *population) ask(vpc []byte) {
	if _, known := p.vpcs[string(vpc)]; known {
		return
	}
	if p.vpcs == nil {
		p.vpcs = make(map[string]int)
	}
	p.vpcs[string(vpc)] = len(p.held)
	p.held = append(p.held, 0)
}

// census asks the shards about b: about its flows of hours that are near, and about all if all is.
func (a *Admission) census(b *flow.Batch, near []flow.Hour, all bool) *census {
	c := &census{batch: b, hours: make([]population, len(near)), asked: all, place: make(map[flow.Hour]int), fresh: make([]uint8, b.Len())}
	for i, label := range near {
		c.hours[i].hour = label
		c.place[label] = i
	}
	for i := range b.Items {
		item := &b.Items[i]
		_, _, vpc := b.Key(item).Names()
		if at, is := c.place[item.Hour]; is {
			c.hours[at].ask(vpc)
		}
		if all {
			c.all.ask(vpc)
		}
	}
	split := a.table.newSplit()
	split.divide(b)
	found := make([]census, len(a.table.shards))
	a.table.scatter(func(i int, s *shard) {
		order, hashes := split.slice(i)
		s.census(c, order, hashes, &found[i])
	}).Wait()
	for i := range found {
		for j := range c.hours {
			c.hours[j].add(&found[i].hours[j])
		}
		c.all.add(&found[i].all)
	}
	return c
}

// add adds what a shard found.
func (p *population) add(found *population) {
	p.tuples += found.tuples
	for i, n := range found.held {
		p.held[i] += n
	}
}

// census finds the part of c's question that s holds, and which of the flows that order names are
// new, whose tuples have these hashes.
func (s *shard) census(c *census, order []uint32, hashes []uint64, found *census) {
	found.hours = make([]population, len(c.hours))
	for i := range c.hours {
		at := &found.hours[i]
		at.held = make([]uint64, len(c.hours[i].held))
		for _, h := range [...]*hour{s.hours[c.hours[i].hour], s.frozen[c.hours[i].hour]} {
			if h != nil {
				h.vpcTally().find(c.hours[i].vpcs, at)
			}
		}
	}
	if c.asked {
		found.all.held = make([]uint64, len(c.all.held))
		for _, d := range s.dicts {
			d.vpcTally().find(c.all.vpcs, &found.all)
		}
	}
	// Of all flows, for a later batch may be asked about other hours, before this one is sent.
	for at, i := range order {
		c.fresh[i] = s.freshness(c.batch, &c.batch.Items[i], hashes[at])
	}
	s.publish()
}

// freshness tells what the tuple of a flow, whose hash is given, is new in.
func (s *shard) freshness(b *flow.Batch, item *flow.Item, hash uint64) uint8 {
	h, frozen := s.hours[item.Hour], s.frozen[item.Hour]
	if h == nil {
		h, frozen = frozen, nil
	}
	d := s.dict
	if h != nil {
		d = h.dict
	}
	id := d.find(b, item, hash)
	if id == noID {
		return freshHour | freshAll
	}
	known := false
	if h != nil {
		_, known = h.column().at(id)
	}
	if frozen != nil && !known {
		_, known = frozen.column().at(id)
	}
	if !known {
		return freshHour
	}
	return 0
}

// grants are the new tuples that batches may have that are not yet sent.
type grants struct {
	tuples map[string]struct{} // by hour and key, and by key alone those that are new in all
	hours  map[flow.Hour]*population
	all    population
	name   []byte
}

func newGrants() *grants {
	return &grants{tuples: make(map[string]struct{}), hours: make(map[flow.Hour]*population)}
}

func (g *grants) reset() {
	if len(g.tuples) > 0 {
		*g = *newGrants()
	}
}

// hour returns what was granted of an hour.
func (g *grants) hour(label flow.Hour) *population {
	p := g.hours[label]
	if p == nil {
		p = &population{hour: label}
		g.hours[label] = p
	}
	return p
}

// of returns how many tuples a VPC has.
func (p *population) of(vpc []byte) uint64 {
	if at, is := p.vpcs[string(vpc)]; is {
		return p.held[at]
	}
	return 0
}

// grow adds a tuple of a VPC.
func (p *population) grow(vpc []byte) {
	p.ask(vpc)
	p.held[p.vpcs[string(vpc)]]++
	p.tuples++
}

// names returns what a tuple of an hour is called in g.tuples, until it is called again.
func (g *grants) names(item *flow.Item, key flow.Key) (inHour, inAll []byte) {
	const hour = 8 // bytes; a key tells its own length, so no name is another's
	g.name = append(binary.LittleEndian.AppendUint64(g.name[:0], uint64(item.Hour)), key...)
	return g.name, g.name[hour:]
}

// grant notes that the flows of c may have their tuples.
func (c *census) grant(g *grants) { c.each(func(int, uint8, []byte) bool { return true }, g) }

// each calls may for each flow of a new tuple of a VPC, and grants it if that returns true.
func (c *census) each(may func(i int, fresh uint8, vpc []byte) bool, g *grants) {
	for i, fresh := range c.fresh {
		item := &c.batch.Items[i]
		key := c.batch.Key(item)
		if fresh == 0 || key.IsOther() {
			continue
		}
		inHour, inAll := g.names(item, key)
		if _, again := g.tuples[string(inHour)]; again {
			continue
		}
		if _, again := g.tuples[string(inAll)]; again {
			fresh &^= freshAll
		}
		_, _, vpc := key.Names()
		if !may(i, fresh, vpc) {
			continue
		}
		g.tuples[string(inHour)] = struct{}{}
		g.hour(item.Hour).grow(vpc)
		if fresh&freshAll != 0 {
			g.tuples[string(inAll)] = struct{}{}
			g.all.grow(vpc)
		}
	}
}

// decide returns which flows of c are in excess, and grants the others what they take.
func (c *census) decide(b *Bounds, g *grants) (x Excess) {
	c.each(func(i int, fresh uint8, vpc []byte) bool {
		label := c.batch.Items[i].Hour
		o, may := Obstacle{}, true
		if at, near := c.place[label]; near {
			o, may = meet(b.HourTuples, vpc, &c.hours[at], g.hour(label))
		}
		if may && c.asked && fresh&freshAll != 0 {
			o, may = meet(b.Tuples, vpc, &c.all, &g.all)
			o.InAll = true
		}
		if may {
			return true
		}
		if x.Flows == nil {
			o.VPC, o.Hour = string(vpc), label
			x.First = o
		}
		if o.Taken < o.Bound {
			x.OverShare++
		}
		x.Flows = append(x.Flows, uint32(i))
		return false
	}, g)
	return x
}

// meet tells whether a VPC may have one more tuple of a bound, of which it and others have some, and were
// granted more.
func meet(bound uint64, vpc []byte, have, granted *population) (Obstacle, bool) {
	o := Obstacle{Held: have.of(vpc) + granted.of(vpc), Taken: have.tuples + granted.tuples, Bound: bound}
	return o, limit.MayHold(o.Held, bound-min(o.Taken, bound))
}
