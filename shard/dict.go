package shard

import (
	"math/bits"

	"flowd/flow"
)

// dict gives each tuple of a shard an id, 0, 1, 2 … in order of arrival. It only grows, and goes as
// a whole when no hour has it any more (generation.go). Its
// memory holds no pointers but one per chunk, so the garbage collector has nothing to walk:
//
//	parts[top 8 bits of the hash][next bits]    a bucket of 8 tuples
//	  +-------------------+----------------------+
//	  | 8 tags of 1 byte  |  8 ids of 4 bytes    |    a tag is the hash's low byte, or 1 if that
//	  +-------------------+----------------------+    is 0; 0 is a free place
//	                          |
//	                          v
//	chunks[id / 256][id % 256]                  a record (record.go)
//
// All tags of a bucket are compared at once, in one word, so a search hardly ever takes a branch
// that the processor did not expect, which would cost more than the rest of it (the layout is
// that of the "Swiss" tables of Abseil). A full bucket overflows into the next one.
//
// There are 256 parts because growing moves all buckets of a part, and hashes its keys again. That
// takes some 1 µs at 10,000 tuples and half a millisecond at a million, where one table would
// take 256 times that.
type dict struct {
	keys
	hasher    hasher        // never changes
	names     numberedNames // the readers' own
	parts     [partCount]part
	count     uint32
	arenaUsed int // bytes of the last chunk of the arena

	bucketBytes, arenaBytes uint64

	vpcs    *vpcTally // of the first tallied tuples; nil until it is asked for
	tallied uint32

	hours   int               // that have this dict
	waiting [blockSize]uint32 // flows of the batch being applied, while there is more than one dict
	// waitingHashes are those of their tuples.
	waitingHashes [blockSize]uint64
	waits         int
	sink          uint64 // keeps loads that are made for the cache's sake
}

// keys is the part of a dict that a reader may copy and use beside the owner: what it finds for
// an id that existed when it was copied is never written again.
type keys struct {
	chunks []*[chunkSize]record
	arena  [][]byte
}

const (
	partCount = 256
	chunkSize = 256 // ids in a chunk, of records as of cells
	maxTuples = 1<<32 - 2

	// The arena's chunks double from 4 KiB to 1 MiB, so that a small table stays small.
	arenaMin   = 4 << 10
	arenaSteps = 8
	arenaMax   = arenaMin << arenaSteps
)

type part struct {
	buckets []bucket // a power of two
	used    int
}

type bucket struct {
	tags uint64
	ids  [bucketSize]uint32
}

const (
	bucketSize  = 8
	bucketBytes = 40
)

// noID is what a search returns that found nothing.
const noID = 1<<32 - 1

func newDict(h hasher) *dict {
	d := &dict{hasher: h, bucketBytes: partCount * bucketBytes}
	for i := range d.parts {
		d.parts[i].buckets = make([]bucket, 1)
	}
	return d
}

// bucket returns the bucket where the search for hash begins.
func (d *dict) bucket(hash uint64) *bucket {
	p := &d.parts[hash>>56]
	return &p.buckets[p.first(hash)]
}

func (p *part) first(hash uint64) uint32 { return uint32(hash>>24) & uint32(len(p.buckets)-1) }

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// tag returns the tag of hash in every byte.
func tag(hash uint64) uint64 {
	t := hash & 0xff
	if t == 0 {
		t = 1
	}
	return t * lowBits
}

// match marks the high bit of the bytes of tags that equal those of tag. Above the lowest mark
// there may be wrong ones, which the comparison of keys sorts out.
func match(tags, tag uint64) uint64 {
	x := tags ^ tag
	return (x - lowBits) &^ x & highBits
}

// guess returns the first id in b that may have hash, or noID. It is nearly always the right
// one, if the tuple is known.
func (b *bucket) guess(hash uint64) uint32 {
	m := match(b.tags, tag(hash))
	if m == 0 {
		return noID
	}
	return b.ids[bits.TrailingZeros64(m)/8]
}

// id returns the id of the tuple of an item, whose hash is given, and makes one if it is new.
func (d *dict) id(b *flow.Batch, item *flow.Item, hash uint64) uint32 {
	if id := d.find(b, item, hash); id != noID {
		return id
	}
	p := &d.parts[hash>>56]
	if p.used++; p.used > len(p.buckets)*bucketSize/8*7 {
		d.grow(p)
	}
	id := d.store(b.Key(item))
	p.put(hash, id)
	return id
}

// find returns the id of the tuple of an item, whose hash is given, or noID.
func (d *dict) find(b *flow.Batch, item *flow.Item, hash uint64) uint32 {
	p := &d.parts[hash>>56]
	mask := uint32(len(p.buckets) - 1)
	t := tag(hash)
	for i := p.first(hash); ; i = (i + 1) & mask {
		at := &p.buckets[i]
		for m := match(at.tags, t); m != 0; m &= m - 1 {
			if id := at.ids[bits.TrailingZeros64(m)/8]; d.is(id, b, item) {
				return id
			}
		}
		if match(at.tags, 0) != 0 {
			return noID
		}
	}
}

// is reports whether id is the id of an item's tuple.
func (d *dict) is(id uint32, b *flow.Batch, item *flow.Item) bool {
	if item.KeyLen <= recordSize {
		return d.record(id).is((*record)(b.Keys[item.KeyFrom:]))
	}
	return d.isLong(id, b.Key(item))
}

//go:noinline
func (d *dict) isLong(id uint32, key flow.Key) bool {
	r := d.record(id)
	n := r.len()
	return n == len(key) && string(d.long(r, n)) == string(key)
}

// put adds an id that is not yet in p, where there is room.
func (p *part) put(hash uint64, id uint32) {
	mask := uint32(len(p.buckets) - 1)
	for i := p.first(hash); ; i = (i + 1) & mask {
		b := &p.buckets[i]
		if m := match(b.tags, 0); m != 0 {
			at := bits.TrailingZeros64(m) / 8
			b.tags |= tag(hash) & (0xff << (8 * at))
			b.ids[at] = id
			return
		}
	}
}

// grow doubles the buckets of p.
func (d *dict) grow(p *part) {
	old := p.buckets
	p.buckets = make([]bucket, 2*len(old))
	d.bucketBytes += uint64(len(old)) * bucketBytes
	for i := range old {
		for at, tags := 0, old[i].tags; tags != 0; at, tags = at+1, tags>>8 {
			id := old[i].ids[at]
			p.put(d.hasher.record(&d.keys, d.record(id)), id)
		}
	}
}

// store copies a key to a new record.
func (d *dict) store(key flow.Key) uint32 {
	id := d.count
	if id == maxTuples {
		// 250 GB come first; were it reached, going on would mix up tuples.
		panic("shard: more than 2^32-2 tuples in one shard")
	}
	if id%chunkSize == 0 {
		d.chunks = append(d.chunks, new([chunkSize]record))
	}
	d.count++
	r := d.record(id)
	if copy(r[:], key) < len(key) {
		r.setPlace(d.keep(key))
	}
	return id
}

// keep copies key to the arena and returns its place: the chunk in the upper half, where it
// begins there in the lower.
func (d *dict) keep(key flow.Key) uint64 {
	last := len(d.arena) - 1
	if last < 0 || len(d.arena[last])-d.arenaUsed < len(key) {
		last++
		size := arenaMin << min(last, arenaSteps)
		d.arena = append(d.arena, make([]byte, size))
		d.arenaBytes += uint64(size)
		d.arenaUsed = 0
	}
	from := d.arenaUsed
	d.arenaUsed += copy(d.arena[last][from:], key)
	return uint64(last)<<32 | uint64(from)
}

func (k *keys) record(id uint32) *record { return &k.chunks[id/chunkSize][id%chunkSize] }

// key returns the key of an id. It shares the memory of k.
func (k *keys) key(id uint32) flow.Key {
	r := k.record(id)
	n := r.len()
	if n <= len(r) {
		return r[:n:n]
	}
	return k.long(r, n)
}

// long returns the key of n bytes that r has the place of.
func (k *keys) long(r *record, n int) flow.Key {
	place := r.place()
	from := int(uint32(place))
	return k.arena[place>>32][from : from+n : from+n]
}

// peek loads r and, if its key is long, the beginning of that, for nothing but bringing them into
// the cache.
func (k *keys) peek(r *record) uint64 {
	if r.len() <= len(r) {
		return r.place()
	}
	place := r.place()
	return uint64(k.arena[place>>32][uint32(place)])
}

// bytes returns the memory that the dict takes.
func (d *dict) bytes() uint64 {
	bytes := d.bucketBytes + d.arenaBytes + uint64(len(d.chunks))*chunkSize*recordSize + d.names.bytes.Load()
	if d.vpcs != nil {
		bytes += d.vpcs.bytes
	}
	return bytes
}
