package shard

import (
	"math"

	"flowd/flow"
)

// vpcTally is how many tuples there are of each VPC, and of flow.Other, which are not among them. An hour
// or a dict has one from when it may come near its bound: most never do.
type vpcTally struct {
	numbers map[string]uint32
	counts  []uint64
	others  uint64
	tuples  uint64 // without others
	last    string // the VPC that was added last, of the number at: mostly the next is the same
	at      uint32
	bytes   uint64
}

func newVPCTally() *vpcTally { return &vpcTally{numbers: make(map[string]uint32)} }

// vpcBytes is about what a VPC takes in a tally beside its name.
const vpcBytes = 64

// add adds a tuple, and returns what memory that took.
func (v *vpcTally) add(key flow.Key) (bytes int) {
	src, dest, vpc := key.Names()
	if string(src) == flow.Other && string(dest) == flow.Other {
		v.others++
		return 0
	}
	v.tuples++
	if len(v.counts) == 0 || string(vpc) != v.last {
		number, known := v.numbers[string(vpc)]
		if !known {
			number = uint32(len(v.counts))
			v.numbers[string(vpc)] = number
			v.counts = append(v.counts, 0)
			bytes = vpcBytes + len(vpc)
			v.bytes += uint64(bytes)
		}
		v.last, v.at = string(vpc), number
	}
	v.counts[v.at]++
	return bytes
}

// find adds what v has of some VPCs, by their places, to p.
func (v *vpcTally) find(vpcs map[string]int, p *population) {
	p.tuples += v.tuples
	for vpc, at := range vpcs {
		if number, known := v.numbers[vpc]; known {
			p.held[at] += v.counts[number]
		}
	}
}

// tallyStep is how many tuples a shard counts by VPC between two messages, at least: some 50 µs.
const tallyStep = 1 << 10

// tallyLater begins to count the tuples of an hour by VPC, which there may be millions of, in steps.
func (s *shard) tallyLater(h *hour) {
	if h == nil || h.vpcs != nil {
		return
	}
	h.vpcs = newVPCTally()
	s.tallying = append(s.tallying, h)
}

// tallyDicts begins the same for all tuples.
func (s *shard) tallyDicts() {
	for _, d := range s.dicts {
		if d.vpcs == nil {
			d.vpcs = newVPCTally()
		}
	}
}

// tally counts up to a number of tuples more, of those that are being counted.
func (s *shard) tally(tuples int) {
	for len(s.tallying) > 0 && tuples > 0 {
		last := len(s.tallying) - 1
		if h := s.tallying[last]; h.tally(&tuples) {
			s.tallying = s.tallying[:last]
		}
	}
	for _, d := range s.dicts {
		if d.vpcs != nil && tuples > 0 {
			d.tally(&tuples)
		}
	}
}

// behind reports whether there is something to count.
func (s *shard) behind() bool {
	if len(s.tallying) > 0 {
		return true
	}
	for _, d := range s.dicts {
		if d.vpcs != nil && d.tallied < d.count {
			return true
		}
	}
	return false
}

// vpcTally returns how many tuples h has of each VPC but those that it shares with the frozen hour below it.
func (h *hour) vpcTally() *vpcTally {
	if h.vpcs == nil {
		h.vpcs = newVPCTally()
	}
	tuples := math.MaxInt
	h.tally(&tuples)
	return h.vpcs
}

// tally counts tuples of the chunks from tallied on, until it has counted so many, and reports whether all
// are. Tuples that arrive in chunks before that are counted as they do.
func (h *hour) tally(tuples *int) (all bool) {
	column := h.column()
	for ; int(h.tallied) < len(column.chunks) && *tuples > 0; h.tallied++ {
		cells := column.chunks[h.tallied].cells
		if cells == nil {
			continue
		}
		*tuples -= chunkSize
		for i := range cells {
			id := h.tallied*chunkSize + uint32(i)
			if cells[i].BytesTx|cells[i].BytesRx != 0 || column.zero(id) {
				h.tallyVPC(id)
			}
		}
	}
	return int(h.tallied) >= len(column.chunks)
}

// tallyVPC counts a tuple, unless the frozen hour below has it.
func (h *hour) tallyVPC(id uint32) {
	if h.base != nil {
		if _, known := h.base.column().at(id); known {
			return
		}
	}
	h.take(h.vpcs.add(h.dict.key(id)))
}

// forgetVPCs makes the next who asks count again.
func (h *hour) forgetVPCs() {
	if h.vpcs != nil {
		h.take(-int(h.vpcs.bytes))
		h.vpcs, h.tallied = nil, 0
	}
}

// vpcTally returns how many tuples d has of each VPC.
func (d *dict) vpcTally() *vpcTally {
	if d.vpcs == nil {
		d.vpcs = newVPCTally()
	}
	tuples := math.MaxInt
	d.tally(&tuples)
	return d.vpcs
}

// tally counts up to a number of the tuples that came since the last time.
func (d *dict) tally(tuples *int) {
	for ; d.tallied < d.count && *tuples > 0; d.tallied++ {
		d.vpcs.add(d.key(d.tallied))
		*tuples--
	}
}
