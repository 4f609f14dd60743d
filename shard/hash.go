package shard

import (
	"hash/maphash"
	"math/bits"
	"math/rand/v2"

	"flowd/flow"
)

// hasher is the hash of tuples. It is secret and differs from start to start: a client that could
// compute it could send tuples that all go to one shard, or collide in its dict and make each search
// walk all of them. One hash serves for both, from bits of its own for each:
//
//	63..56   55..24            23..8   7..0
//	part     bucket in it      shard   tag
type hasher struct {
	secret [recordWords + 1]uint64
	seed   maphash.Seed
	mask   uint64 // of the bits of the result that are used: all, but in tests of collisions
}

func newHasher() hasher {
	h := hasher{seed: maphash.MakeSeed(), mask: 1<<64 - 1}
	for i := range h.secret {
		h.secret[i] = rand.Uint64()
	}
	return h
}

// shardOf returns which of so many shards a tuple is of, by its hash. They are a power of two, up to MaxShards.
func shardOf(hash, shards uint64) uint64 { return hash >> 8 & (shards - 1) }

// batch hashes the keys of all items of b, into hashes.
func (h *hasher) batch(b *flow.Batch, hashes []uint64) {
	items, keys := b.Items, b.Keys
	for i := range items[:len(hashes)] {
		item := &items[i]
		if item.KeyLen > recordSize {
			hashes[i] = h.long(b.Key(item))
			continue
		}
		k := (*record)(keys[item.KeyFrom:])
		hashes[i] = h.words(k.word(0), k.word(1), k.word(2), k.word(3), k.word(4), k.word(5))
	}
}

// words hashes a key that fits a record, with its zeros: always the same six words, so there is
// no branch on its length to be guessed wrong. It is the folded multiplication of wyhash (Wang
// Yi), which Go's own maps use where the processor has no AES.
func (h *hasher) words(w0, w1, w2, w3, w4, w5 uint64) uint64 {
	hi0, lo0 := bits.Mul64(w0^h.secret[0], w1^h.secret[1])
	hi1, lo1 := bits.Mul64(w2^h.secret[2], w3^h.secret[3])
	hi2, lo2 := bits.Mul64(w4^h.secret[4], w5^h.secret[5])
	hi, lo := bits.Mul64(hi0^lo0^hi2^lo2, hi1^lo1^h.secret[6])
	return (hi ^ lo) & h.mask
}

func (h *hasher) long(key flow.Key) uint64 { return maphash.Bytes(h.seed, key) & h.mask }

// record hashes the key of a record of d.
func (h *hasher) record(d *keys, r *record) uint64 {
	if n := r.len(); n > recordSize {
		return h.long(d.long(r, n))
	}
	return h.words(r.word(0), r.word(1), r.word(2), r.word(3), r.word(4), r.word(5))
}
