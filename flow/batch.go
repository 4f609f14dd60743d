package flow

import (
	"slices"

	"github.com/cespare/xxhash/v2"
)

// Batch is the flows of one request. Its memory is two slices without pointers, kept from one
// use to the next, so a server that reuses its batches takes flows without making garbage.
// A batch belongs to one goroutine at a time; many may read one that nobody writes.
type Batch struct {
	// Items are the flows in the order in which they came.
	Items []Item
	keys  []byte
}

// Item is one flow of a batch.
type Item struct {
	// Hash is the xxhash of the flow's key. It chooses the shard, and is the same in every
	// process, so that tuples can be spread over machines by it.
	Hash    uint64
	Totals  Totals
	Hour    Hour
	keyLen  uint16
	_       uint16
	keyFrom uint32
}

// Key returns the tuple of it, an item of b. It shares b's memory until the next Reset.
func (b *Batch) Key(it *Item) Key {
	return b.keys[it.keyFrom : it.keyFrom+uint32(it.keyLen)]
}

// ShortKey is the length in bytes up to which a key counts as short. It fits two names of 16
// bytes and the 12 of a usual VPC.
const ShortKey = 48

// ShortKey returns the tuple of it, an item of b, as the little-endian words of its bytes, filled
// up with zeros; or false if it is not short.
func (b *Batch) ShortKey(it *Item) (w0, w1, w2, w3, w4, w5 uint64, ok bool) {
	if it.keyLen > ShortKey {
		return 0, 0, 0, 0, 0, 0, false
	}
	// Whole words are read, whatever follows the key, and masked: to read just the key would take
	// branches on its length, which no processor guesses. Keys has the capacity; see slack.
	src, mask := b.keys[it.keyFrom:it.keyFrom+ShortKey], &masks[it.keyLen]
	return word(src, 0) & mask[0], word(src, 8) & mask[1], word(src, 16) & mask[2],
		word(src, 24) & mask[3], word(src, 32) & mask[4], word(src, 40) & mask[5], true
}

// slack is the capacity in bytes that keys has beyond where any key begins.
const slack = ShortKey

// masks keep the first n bytes of a short key, by n.
var masks = func() (m [ShortKey + 1][ShortKey / wordSize]uint64) {
	for n := range m {
		for i := range n {
			m[n][i/wordSize] |= 0xff << (i % wordSize * 8)
		}
	}
	return m
}()

// Len returns the number of flows.
func (b *Batch) Len() int { return len(b.Items) }

// Size returns the bytes that b keeps allocated.
func (b *Batch) Size() int { return cap(b.Items)*itemSize + cap(b.keys) }

// itemSize is unsafe.Sizeof(Item{}), which a test holds.
const itemSize = 40

// Reset empties b and keeps its memory.
func (b *Batch) Reset() {
	b.Items = b.Items[:0]
	b.keys = b.keys[:0]
}

// Add appends a flow, which must keep the limits of this package: Add is for flows that a
// program makes; what comes from outside goes through Decode.
func (b *Batch) Add(f *Flow) {
	from := len(b.keys)
	b.keys = slices.Grow(b.keys, MaxKey+slack)
	b.keys = AppendKey(b.keys, f.SrcApp, f.DestApp, f.VPCID)
	b.Items = append(b.Items, Item{
		Hash:    xxhash.Sum64(b.keys[from:]),
		Totals:  Totals{f.BytesTx, f.BytesRx},
		Hour:    f.Hour,
		keyLen:  uint16(len(b.keys) - from),
		keyFrom: uint32(from),
	})
}
