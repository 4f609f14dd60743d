package shard

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"math/rand/v2"

	"flowd/flow"
)

// probe is a key as the dict looks for it.
type probe struct {
	record record // the key and zeros, or its first bytes if it is long
	hash   uint64
	long   bool // the key does not fit a record
}

// hasher is the hash of the dict. It is secret and differs from start to start: a client that
// could compute it could send tuples that all collide, and make each search walk all of them.
// The hash that chooses the shard is public, and of no use here.
type hasher struct {
	secret [7]uint64
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

// short hashes a key that fits a record, with its zeros: always the same six words, so there is
// no branch on its length to be guessed wrong. It is the folded multiplication of wyhash (Wang
// Yi), which Go's own maps use where the processor has no AES.
func (h *hasher) short(w0, w1, w2, w3, w4, w5 uint64) uint64 {
	a := fold(w0^h.secret[0], w1^h.secret[1])
	b := fold(w2^h.secret[2], w3^h.secret[3])
	c := fold(w4^h.secret[4], w5^h.secret[5])
	return fold(a^c, b^h.secret[6])
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

func (h *hasher) long(key flow.Key) uint64 { return maphash.Bytes(h.seed, key) }

// probes fills into with the probes for the items of b that order names.
func (h *hasher) probes(into []probe, b *flow.Batch, order []uint32) {
	le, items := binary.LittleEndian, b.Items
	for i, at := range order[:len(into)] {
		k, item := &into[i], &items[at]
		w0, w1, w2, w3, w4, w5, short := b.ShortKey(item)
		if !short {
			key := b.Key(item)
			copy(k.record[:], key)
			k.long, k.hash = true, h.long(key)&h.mask
			continue
		}
		le.PutUint64(k.record[0:], w0)
		le.PutUint64(k.record[8:], w1)
		le.PutUint64(k.record[16:], w2)
		le.PutUint64(k.record[24:], w3)
		le.PutUint64(k.record[32:], w4)
		le.PutUint64(k.record[40:], w5)
		k.long, k.hash = false, h.short(w0, w1, w2, w3, w4, w5)&h.mask
	}
}

// hashOf returns the hash of a tuple that d holds.
func (d *dict) hashOf(id uint32) uint64 {
	r := d.record(id)
	if n := r.len(); n > len(r) {
		return d.hasher.long(d.long(r, n)) & d.hasher.mask
	}
	return d.hasher.short(r.word(0), r.word(1), r.word(2), r.word(3), r.word(4), r.word(5)) & d.hasher.mask
}
