package flow

import "math/rand/v2"

// scratch is what AppendFlows, ReadFlows and Tally need beside a batch. It is kept with the
// batch, so that they make no garbage.
type scratch struct {
	names nameIndex
	refs  []nameRefs // of the names of each item
	hours hourIndex  // of a tally
	read  []readName // the names of the flows being read
}

// working returns b's scratch memory.
func (b *Batch) working() *scratch {
	if b.scratch == nil {
		b.scratch = &scratch{
			names: nameIndex{secret: nameWords{rand.Uint64(), rand.Uint64(), rand.Uint64(), rand.Uint64()}},
			hours: hourIndex{secret: rand.Uint64() | 1},
		}
	}
	return b.scratch
}

// size returns the bytes that s keeps allocated.
func (s *scratch) size() int {
	if s == nil {
		return 0
	}
	return (cap(s.names.slots.at)+cap(s.hours.slots.at))*8 + cap(s.names.names)*40 + cap(s.read)*8 + cap(s.refs)*12
}

// slots is the open addressing of a hash table whose entries are elsewhere, numbered from 0 in
// the order in which they were added. A slot belongs to the table only if it has the table's
// epoch, so emptying a table of any size is one addition.
type slots struct {
	at    []slot
	shift uint8 // a hash chooses by its highest bits; this is 64 less their number
	epoch uint32
}

type slot struct{ epoch, entry uint32 }

// minSlots is the size of a table to begin with.
const minSlots = 512

// clear empties the table, and makes it if it is not there yet.
func (s *slots) clear() {
	if s.at == nil {
		s.resize(minSlots)
	}
	if s.epoch++; s.epoch == 0 { // after 2^32 times the first epochs come again
		clear(s.at)
		s.epoch = 1
	}
}

// full reports whether a table with this many entries must grow. It stays seven eighths
// empty, because the search for a name is hardly ever more than one step then.
func (s *slots) full(entries int) bool { return 8*entries > len(s.at) }

// resize makes an empty table of n slots, a power of two.
func (s *slots) resize(n int) {
	s.at = make([]slot, n)
	s.shift = 64
	for ; n > 1; n >>= 1 {
		s.shift--
	}
	s.epoch = 1
}

// place notes an entry, which is not in the table, by its hash.
func (s *slots) place(hash uint64, entry int) {
	i := hash >> s.shift
	for s.at[i].epoch == s.epoch {
		i = (i + 1) & uint64(len(s.at)-1)
	}
	s.at[i] = slot{s.epoch, uint32(entry)}
}
