package query

import (
	"bytes"
	"cmp"
	"math/bits"

	"flowd/flow"
)

// rank is the number that rows are sorted by. It has 65 bits, since the bytes of both directions may add up
// to more than 2^64.
type rank struct {
	hi uint8
	lo uint64
}

func (r rank) compare(other rank) int {
	if r.hi != other.hi {
		return cmp.Compare(r.hi, other.hi)
	}
	return cmp.Compare(r.lo, other.lo)
}

// rank returns the rank of a row with totals t, or zero if the order is by a name. The first row has the
// highest rank.
func (o Order) rank(t flow.Totals, h flow.Hour) rank {
	var r rank
	switch o.By {
	case ByBytesTotal:
		sum, carry := bits.Add64(t.BytesTx, t.BytesRx, 0)
		r = rank{uint8(carry), sum}
	case ByBytesTx:
		r.lo = t.BytesTx
	case ByBytesRx:
		r.lo = t.BytesRx
	case ByHour:
		r.lo = uint64(h)
	default:
		return r
	}
	if !o.Descending {
		r = rank{1 - r.hi, ^r.lo}
	}
	return r
}

// byName returns the name that o sorts by, and whether it sorts by one.
func (o Order) byName() (flow.Field, bool) {
	return flow.Field(o.By - BySrcApp), o.By >= BySrcApp && o.By <= ByVPCID
}

// compare returns a negative number if a comes before b.
func (o Order) compare(a, b *flow.Row) int {
	if f, ok := o.byName(); ok {
		c := bytes.Compare(name(a.Key, f), name(b.Key, f))
		if o.Descending {
			c = -c
		}
		if c != 0 {
			return c
		}
	} else if o.By != Unordered {
		if c := o.rank(b.Totals, b.Hour).compare(o.rank(a.Totals, a.Hour)); c != 0 {
			return c
		}
	}
	return compareNames(a, b)
}

// compareNames compares two rows by their names and their hour.
func compareNames(a, b *flow.Row) int {
	srcA, destA, vpcA := a.Key.Names()
	srcB, destB, vpcB := b.Key.Names()
	return cmp.Or(bytes.Compare(srcA, srcB), bytes.Compare(destA, destB), bytes.Compare(vpcA, vpcB),
		cmp.Compare(a.Hour, b.Hour))
}

func name(key flow.Key, f flow.Field) []byte {
	src, dest, vpc := key.Names()
	return [flow.FieldCount][]byte{src, dest, vpc}[f]
}
