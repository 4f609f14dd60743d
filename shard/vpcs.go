package shard

import "flowd/flow"

// vpcTally is how many tuples there are of each VPC, and of flow.Other, which are not among them. An hour
// or a dict has one from when it was first asked for on, which is near the bounds: most never have one.
type vpcTally struct {
	numbers map[string]uint32
	counts  []uint64
	others  uint64
	tuples  uint64 // without others
	last    string // the VPC that was added last, of the number at: mostly the next is the same
	at      uint32
	bytes   uint64
}

// vpcBytes is about what a VPC takes in a tally beside its name.
const vpcBytes = 64

// add adds a tuple, and returns what memory that took.
func (v *vpcTally) add(key flow.Key) (bytes int) {
	if key.IsOther() {
		v.others++
		return 0
	}
	_, _, vpc := key.Names()
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

// tallyVPCs returns how many tuples h has of each VPC but those that it shares with the frozen hour below
// it. The first time all of them are counted, some 10 ms for a million; from then on each that arrives.
func (h *hour) tallyVPCs() *vpcTally {
	if h.vpcs != nil {
		return h.vpcs
	}
	h.vpcs = &vpcTally{numbers: make(map[string]uint32)}
	column := h.column()
	for c := range column.chunks {
		cells := column.chunks[c].cells
		if cells == nil {
			continue
		}
		for i := range cells {
			id := uint32(c*chunkSize + i)
			if cells[i].BytesTx|cells[i].BytesRx != 0 || column.zero(id) {
				h.tallyVPC(id)
			}
		}
	}
	return h.vpcs
}

// tallyVPC counts a tuple, unless the frozen hour below has it.
func (h *hour) tallyVPC(id uint32) {
	if h.under != nil {
		if _, known := h.under.column().at(id); known {
			return
		}
	}
	h.take(h.vpcs.add(h.dict.key(id)))
}

// forgetVPCs makes the next who asks count again.
func (h *hour) forgetVPCs() {
	if h.vpcs != nil {
		h.take(-int(h.vpcs.bytes))
		h.vpcs = nil
	}
}

// tallyVPCs returns how many tuples d has of each VPC. It counts those that came since the last time.
func (d *dict) tallyVPCs() *vpcTally {
	if d.vpcs == nil {
		d.vpcs = &vpcTally{numbers: make(map[string]uint32)}
	}
	for ; d.tallied < d.count; d.tallied++ {
		d.vpcs.add(d.key(d.tallied))
	}
	return d.vpcs
}
