package flow

// Other is the name of both apps of the tuple that stands for all tuples of a VPC that are too many to
// be told apart.
const Other = "~other"

// Fold gives the items of b with these numbers the tuple of Other in their VPC. Where in b their keys were
// nothing is any more.
func (b *Batch) Fold(numbers []uint32) {
	// Mostly the next is of the same VPC.
	var vpc string
	var from uint32
	var n uint16
	for _, i := range numbers {
		it := &b.Items[i]
		if _, _, next := b.Key(it).Names(); n == 0 || string(next) != vpc {
			vpc, from = string(next), uint32(len(b.Keys))
			b.Keys = AppendKey(b.Keys, Other, Other, vpc)
			n = uint16(len(b.Keys) - int(from))
			b.Keys = append(b.Keys, make([]byte, max(KeySlot-int(n), 0))...)
		}
		it.KeyFrom, it.KeyLen = from, n
	}
}

// IsOther reports whether k is a tuple of Other.
func (k Key) IsOther() bool {
	src, dest, _ := k.Names()
	return string(src) == Other && string(dest) == Other
}

// TallyOther returns what b has of each hour under tuples of Other, also where a client named them so, in the order in
// which the hours first appear; nil if it has nothing.
func (b *Batch) TallyOther() []HourTally {
	var other Batch // of which the tally needs no keys
	for i := range b.Items {
		if b.Key(&b.Items[i]).IsOther() {
			other.Items = append(other.Items, b.Items[i])
		}
	}
	return other.Tally(nil)
}
