package flow

// Batch is the flows of one request. Its memory is two slices without pointers, kept from one
// use to the next, so a server that reuses its batches takes flows without making garbage.
// A batch belongs to one goroutine at a time; many may read one that is no longer written.
type Batch struct {
	// Items are the flows in the order in which they came.
	Items []Item
	// Keys holds the tuples' keys, each in a slot of KeySlot bytes, filled up with zeros, or of
	// its own length if that is more. So nearly all keys can be hashed and compared as the same
	// few words, without a branch on their lengths, which no processor guesses.
	Keys []byte

	// scratch is memory of AppendFlows, ReadFlows and Tally, made when the first of them is called.
	scratch *scratch
}

// KeySlot is the least bytes that a key takes in a batch. It fits two names of 16 bytes and the
// 12 of a usual VPC.
const KeySlot = 48

// Item is one flow of a batch.
type Item struct {
	Totals Totals
	Hour   Hour
	// KeyFrom and KeyLen say where in Keys the key is.
	KeyFrom uint32
	KeyLen  uint16
}

// Key returns the tuple of it, an item of b. It shares b's memory until the next Reset.
func (b *Batch) Key(it *Item) Key {
	return b.Keys[it.KeyFrom : it.KeyFrom+uint32(it.KeyLen)]
}

// Len returns the number of flows.
func (b *Batch) Len() int { return len(b.Items) }

// Size returns the bytes that b keeps allocated.
func (b *Batch) Size() int { return cap(b.Items)*itemSize + cap(b.Keys) + b.scratch.size() }

// itemSize is unsafe.Sizeof(Item{}), which a test holds.
const itemSize = 32

// Reset empties b and keeps its memory.
func (b *Batch) Reset() {
	b.Items = b.Items[:0]
	b.Keys = b.Keys[:0]
}

// Add appends a flow, which must keep the limits of this package: Add is for flows that a
// program makes; what comes from outside goes through Decode.
func (b *Batch) Add(f *Flow) {
	from := len(b.Keys)
	b.Keys = AppendKey(b.Keys, f.SrcApp, f.DestApp, f.VPCID)
	n := len(b.Keys) - from
	b.Keys = append(b.Keys, make([]byte, max(KeySlot-n, 0))...)
	b.Items = append(b.Items, Item{
		Totals:  Totals{f.BytesTx, f.BytesRx},
		Hour:    f.Hour,
		KeyFrom: uint32(from),
		KeyLen:  uint16(n),
	})
}
