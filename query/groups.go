package query

import (
	"encoding/binary"
	"hash/maphash"

	"flowd/flow"
)

// groups aggregates rows by some of their names: a hash table with open addressing over entries in the
// order of their first rows. It belongs to one goroutine. The rows added last may be in coded and not yet
// in entries; merge and reset flush them first.
//
// Groups are identified by their subject: the name itself for groups by one name, and the whole key for
// groups by all three, so that neither needs a copy to be looked up. For groups by two names it is the key
// with a zero byte for the name that is left out.
type groups struct {
	fields  flow.Fields
	single  flow.Field // the grouped field, with shape oneName
	shape   shape
	seed    maphash.Seed
	slots   []slot // a power of two, at most three quarters full
	entries []entry
	arena   []byte // the unused part of the last piece
	scratch []byte
	memos   []memo // cache of lookups, for chunks of keys
	coded   coded  // state of chunks with dictionaries
}

type shape uint8

const (
	nothing shape = iota // no name: all rows are one group
	oneName
	twoNames
	wholeKey
)

type slot struct {
	tag   uint32 // high half of the hash
	entry uint32 // index in entries plus 1; 0 for a free slot
}

type entry struct {
	hash    uint64
	subject []byte
	totals  flow.Totals
}

const (
	firstSlots = 64
	arenaPiece = 64 << 10
)

// newGroups returns an empty table. Tables that are merged or compared must have the same seed.
func newGroups(fields flow.Fields, seed maphash.Seed) *groups {
	g := &groups{fields: fields, seed: seed, slots: make([]slot, firstSlots)}
	for f := range flow.FieldCount {
		if fields.Has(f) {
			g.single = f
			g.shape++
		}
	}
	return g
}

// reset empties g, and drops all references to its rows.
func (g *groups) reset() {
	g.flush()
	clear(g.slots)
	clear(g.memos)
	g.entries = nil
}

// add aggregates the given rows of c.
func (g *groups) add(c *flow.Chunk, rows []uint32) {
	switch {
	case g.shape == nothing:
		totals := &g.entries[g.at(nil)].totals
		for _, i := range rows {
			totals.Add(c.Totals[i])
		}
	case c.Keys == nil:
		g.addCoded(c, rows)
	case g.shape == oneName:
		g.addNames(c, rows)
	default:
		for _, i := range rows {
			g.entries[g.at(g.subject(c.Keys[i]))].totals.Add(c.Totals[i])
		}
	}
}

// addNames implements add for groups by one name and chunks of keys.
func (g *groups) addNames(c *flow.Chunk, rows []uint32) {
	if g.memos == nil {
		g.memos = make([]memo, 1<<memoBits)
	}
	for _, i := range rows {
		name := g.name(c.Keys[i])
		if len(name) < 8 || len(name) > 24 {
			g.entries[g.at(name)].totals.Add(c.Totals[i])
			continue
		}
		m := memo{
			binary.LittleEndian.Uint64(name),
			binary.LittleEndian.Uint64(name[min(8, len(name)-8):]),
			binary.LittleEndian.Uint64(name[len(name)-8:]), uint32(len(name)), 0,
		}
		at := &g.memos[(m.first^m.middle<<1^m.last<<2)*0x9e3779b97f4a7c15>>(64-memoBits)]
		if at.first != m.first || at.middle != m.middle || at.last != m.last || at.length != m.length {
			m.entry = uint32(g.at(name))
			*at = m
		}
		g.entries[at.entry].totals.Add(c.Totals[i])
	}
}

// memo caches the lookup of one name, which it holds as overlapping words that cover the whole name. Its
// slot depends on those bits, and a new name in the slot replaces the old one. A client that chooses names
// so that all have the same slot only disables the cache.
type memo struct {
	first, middle, last uint64
	length, entry       uint32
}

const memoBits = 10

// name returns the name of key that groups are made by.
func (g *groups) name(key flow.Key) []byte {
	src, dest, vpc := key.Names()
	switch g.single {
	case flow.SrcApp:
		return src
	case flow.DestApp:
		return dest
	}
	return vpc
}

// subject returns the subject of the group of key. It is valid until the next call.
func (g *groups) subject(key flow.Key) []byte {
	switch g.shape {
	case nothing:
		return nil
	case oneName:
		return g.name(key)
	case wholeKey:
		return key
	}
	g.scratch = appendMasked(g.scratch[:0], key, g.fields)
	return g.scratch
}

// at returns the index of the entry of a subject. It inserts an entry for a new subject.
func (g *groups) at(subject []byte) int {
	return g.atHash(subject, maphash.Bytes(g.seed, subject))
}

func (g *groups) atHash(subject []byte, hash uint64) int {
	if at, known := g.find(subject, hash); known {
		return at
	}
	return g.insert(subject, hash)
}

// find returns the index of the entry of a subject with this hash, and whether there is one.
func (g *groups) find(subject []byte, hash uint64) (int, bool) {
	mask := uint64(len(g.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := g.slots[i]
		if s.entry == 0 {
			return 0, false
		}
		if s.tag == uint32(hash>>32) && string(g.entries[s.entry-1].subject) == string(subject) {
			return int(s.entry - 1), true
		}
	}
}

// insert adds an entry for a subject that has none.
func (g *groups) insert(subject []byte, hash uint64) int {
	if 4*(len(g.entries)+1) > 3*len(g.slots) {
		g.slots = make([]slot, 2*len(g.slots))
		for i := range g.entries {
			g.place(g.entries[i].hash, i)
		}
	}
	if len(g.arena) < len(subject) {
		g.arena = make([]byte, arenaPiece)
	}
	n := copy(g.arena, subject)
	g.entries = append(g.entries, entry{hash: hash, subject: g.arena[:n:n]})
	g.arena = g.arena[n:]
	g.place(hash, len(g.entries)-1)
	return len(g.entries) - 1
}

func (g *groups) place(hash uint64, index int) {
	mask := uint64(len(g.slots) - 1)
	i := hash & mask
	for g.slots[i].entry != 0 {
		i = (i + 1) & mask
	}
	g.slots[i] = slot{uint32(hash >> 32), uint32(index + 1)}
}

// merge adds the groups of other to g. Both must have the same fields and seed.
func (g *groups) merge(other *groups) {
	other.flush()
	for i := range other.entries {
		e := &other.entries[i]
		g.entries[g.atHash(e.subject, e.hash)].totals.Add(e.totals)
	}
}

// row returns an entry as a row.
func (g *groups) row(e *entry, hour flow.Hour) flow.Row {
	row := flow.Row{Totals: e.totals, Hour: hour}
	switch g.shape {
	case nothing:
		row.Key = maskedKey
	case oneName:
		names := [flow.FieldCount]string{hidden, hidden, hidden}
		names[g.single] = string(e.subject)
		row.Key = flow.AppendKey(nil, names[flow.SrcApp], names[flow.DestApp], names[flow.VPCID])
	default:
		row.Key = e.subject
	}
	return row
}

// hidden replaces a name that is aggregated away in a key. No flow has this name.
const hidden = "\x00"

// maskedKey is the key with all names hidden.
var maskedKey = flow.AppendKey(nil, hidden, hidden, hidden)

// appendMasked appends key with all names hidden except those of fields.
func appendMasked(dst []byte, key flow.Key, fields flow.Fields) []byte {
	var names [flow.FieldCount][]byte
	names[flow.SrcApp], names[flow.DestApp], names[flow.VPCID] = key.Names()
	from := len(dst)
	dst = append(dst, 0, 0, 0)
	for f, name := range names {
		if !fields.Has(flow.Field(f)) {
			dst = append(dst, hidden...)
			continue
		}
		dst[from+f] = byte(len(name) - 1)
		dst = append(dst, name...)
	}
	return dst
}
