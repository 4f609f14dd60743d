package flow

// Other is the name of both apps of the tuple that stands for all tuples of a VPC that are too many to
// be told apart.
const Other = "~other"

// Folder gives flows of a batch the tuple of Other in their VPC, and adds up what they carry. The zero
// value is ready; one is for one batch.
type Folder struct {
	// Folded has an amount for each hour that has such flows, in the order in which they came.
	Folded []HourTally

	// What is known of the last flow: mostly the next is of the same VPC and hour.
	vpc  string
	from uint32
	n    uint16
	at   int
}

// Fold folds item i of b. Where in b the tuple's key was, nothing is any more.
func (f *Folder) Fold(b *Batch, i int) {
	it := &b.Items[i]
	_, _, vpc := b.Key(it).Names()
	if f.n == 0 || string(vpc) != f.vpc {
		f.vpc = string(vpc)
		from := len(b.Keys)
		b.Keys = AppendKey(b.Keys, Other, Other, f.vpc)
		f.from, f.n = uint32(from), uint16(len(b.Keys)-from)
		b.Keys = append(b.Keys, make([]byte, max(KeySlot-int(f.n), 0))...)
	}
	it.KeyFrom, it.KeyLen = f.from, f.n
	f.count(it)
}

func (f *Folder) count(it *Item) {
	t := f.hour(it.Hour)
	t.Flows++
	t.BytesTx.Add(it.Totals.BytesTx)
	t.BytesRx.Add(it.Totals.BytesRx)
}

func (f *Folder) hour(h Hour) *HourTally {
	if f.at < len(f.Folded) && f.Folded[f.at].Hour == h {
		return &f.Folded[f.at]
	}
	for f.at = range f.Folded {
		if f.Folded[f.at].Hour == h {
			return &f.Folded[f.at]
		}
	}
	f.at = len(f.Folded)
	f.Folded = append(f.Folded, HourTally{Hour: h})
	return &f.Folded[f.at]
}

// IsOther reports whether k is a tuple of Other.
func (k Key) IsOther() bool {
	src, dest, _ := k.Names()
	return string(src) == Other && string(dest) == Other
}

// TallyOther returns what b has under tuples of Other, as Folded has it after these flows were folded.
func (b *Batch) TallyOther() []HourTally {
	var f Folder
	for i := range b.Items {
		if b.Key(&b.Items[i]).IsOther() {
			f.count(&b.Items[i])
		}
	}
	return f.Folded
}
