package flow

import (
	"hash/maphash"
	"math/bits"
	"slices"

	"flowd/flow/swar"
)

// nameIndex finds the names of a batch again, so that each is written once. Its hash is keyed
// with a secret: a client that could compute it could send names that all collide, and make each
// search walk all of them.
type nameIndex struct {
	names  []indexedName // in order of their first appearance
	slots  slots
	secret nameWords
	seed   maphash.Seed // of the hash of long names, once there was one
	seeded bool
}

// indexedName is a name by what tells it from others: a short one is its words, a long one has
// its hash in the first of them, and is compared where it stands in the keys.
type indexedName struct {
	words  nameWords
	at     uint32 // in the batch's keys
	length uint16
}

// nameWords is a short name filled up with zeros, with its length in the last byte. It is no array
// because those are not kept in registers.
type nameWords struct{ a, b, c, d uint64 }

// shortName is the most bytes of a name that is compared as words. Nearly all are; one look at
// all of them costs less than a branch on how many there are, which no processor guesses.
const shortName = nameBlock - 1

// nameBlock is the bytes of a short name's words. It is also what is copied of a name at once.
const nameBlock = 4 * swar.WordSize

// nameRefs are the numbers of the three names of a tuple.
type nameRefs [FieldCount]uint32

// index numbers the names of b, and fills refs, which is as long as b's items.
func (x *nameIndex) index(b *Batch, refs []nameRefs) {
	x.names = x.names[:0]
	x.slots.clear()
	// The words of the last name may end behind the keys.
	b.Keys = slices.Grow(b.Keys, nameBlock)
	keys := b.Keys[:len(b.Keys)+nameBlock]
	for i := range b.Items[:len(refs)] {
		from := int(b.Items[i].KeyFrom)
		header := keys[from : from+KeyHeader]
		src := from + KeyHeader
		dest := src + int(header[0]) + 1
		vpc := dest + int(header[1]) + 1
		refs[i] = nameRefs{
			x.find(keys, src, int(header[0])+1),
			x.find(keys, dest, int(header[1])+1),
			x.find(keys, vpc, int(header[2])+1),
		}
	}
}

// find returns the number of the name of n bytes at keys[at:], a new one if it is new. There is a
// block of keys there, whatever n is.
func (x *nameIndex) find(keys []byte, at, n int) uint32 {
	if n > shortName {
		return x.findLong(keys, at, n)
	}
	from, mask := keys[at:at+nameBlock], lanes[nameBlock-n:2*nameBlock-n]
	w := nameWords{
		swar.Word(from, 0) & swar.Word(mask, 0),
		swar.Word(from, swar.WordSize) & swar.Word(mask, swar.WordSize),
		swar.Word(from, 2*swar.WordSize) & swar.Word(mask, 2*swar.WordSize),
		swar.Word(from, 3*swar.WordSize)&swar.Word(mask, 3*swar.WordSize) | uint64(n)<<56,
	}
	hash := x.hash(w)
	s := &x.slots
	for i := hash >> s.shift; ; i = (i + 1) & uint64(len(s.at)-1) {
		slot := s.at[i]
		if slot.epoch != s.epoch {
			return x.add(indexedName{w, uint32(at), uint16(n)}, hash)
		}
		e := &x.names[slot.entry].words
		if (e.a^w.a)|(e.b^w.b)|(e.c^w.c)|(e.d^w.d) == 0 {
			return slot.entry
		}
	}
}

// findLong does the same for a name that is not short. The length in the last of its words tells
// it from short ones, as no length of those is that much.
func (x *nameIndex) findLong(keys []byte, at, n int) uint32 {
	if !x.seeded {
		x.seed, x.seeded = maphash.MakeSeed(), true
	}
	name := keys[at : at+n]
	hash := maphash.Bytes(x.seed, name)
	w := nameWords{hash, 0, 0, ^uint64(n)}
	s := &x.slots
	for i := hash >> s.shift; ; i = (i + 1) & uint64(len(s.at)-1) {
		slot := s.at[i]
		if slot.epoch != s.epoch {
			return x.add(indexedName{w, uint32(at), uint16(n)}, hash)
		}
		e := &x.names[slot.entry]
		if e.words == w && string(keys[e.at:int(e.at)+n]) == string(name) {
			return slot.entry
		}
	}
}

// add appends a name that is not there.
func (x *nameIndex) add(name indexedName, hash uint64) uint32 {
	number := len(x.names)
	x.names = append(x.names, name)
	if !x.slots.full(number + 1) {
		x.slots.place(hash, number)
		return uint32(number)
	}
	x.slots.resize(2 * len(x.slots.at))
	for i := range x.names {
		x.slots.place(x.hashOf(&x.names[i]), i)
	}
	return uint32(number)
}

func (x *nameIndex) hashOf(name *indexedName) uint64 {
	if int(name.length) > shortName {
		return name.words.a
	}
	return x.hash(name.words)
}

// hash is the folded multiplication of wyhash (Wang Yi).
func (x *nameIndex) hash(w nameWords) uint64 {
	hi0, lo0 := bits.Mul64(w.a^x.secret.a, w.b^x.secret.b)
	hi1, lo1 := bits.Mul64(w.c^x.secret.c, w.d^x.secret.d)
	return hi0 ^ lo0 ^ hi1 ^ lo1
}

// lanes is a window of 32 bytes wide open: what begins at 32-n has the first n bytes set.
var lanes = [2 * nameBlock]byte{
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
}
