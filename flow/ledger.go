package flow

import (
	"math/big"
	"math/bits"
	"strconv"
)

// Sum is a count that does not end at 2^64: of the bytes that a whole fleet ever sent.
type Sum struct{ Hi, Lo uint64 }

// Add adds n.
func (s *Sum) Add(n uint64) { s.AddSum(Sum{Lo: n}) }

// AddSum adds o.
func (s *Sum) AddSum(o Sum) {
	var carry uint64
	s.Lo, carry = bits.Add64(s.Lo, o.Lo, 0)
	s.Hi, _ = bits.Add64(s.Hi, o.Hi, carry)
}

// Sub subtracts o, which must not be more.
func (s *Sum) Sub(o Sum) {
	var borrow uint64
	s.Lo, borrow = bits.Sub64(s.Lo, o.Lo, 0)
	s.Hi, _ = bits.Sub64(s.Hi, o.Hi, borrow)
}

// String returns s in decimal.
func (s Sum) String() string {
	if s.Hi == 0 {
		return strconv.FormatUint(s.Lo, 10)
	}
	n := new(big.Int).SetUint64(s.Hi)
	return n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(s.Lo)).String()
}

// Tally is an amount of flows and their bytes.
type Tally struct {
	Flows            uint64
	BytesTx, BytesRx Sum
}

// Add adds o.
func (t *Tally) Add(o Tally) {
	t.Flows += o.Flows
	t.BytesTx.AddSum(o.BytesTx)
	t.BytesRx.AddSum(o.BytesRx)
}

// Sub subtracts o, which must not be more in any part.
func (t *Tally) Sub(o Tally) {
	t.Flows -= o.Flows
	t.BytesTx.Sub(o.BytesTx)
	t.BytesRx.Sub(o.BytesRx)
}

// AddFlow adds one flow with these bytes.
func (t *Tally) AddFlow(b Totals) {
	t.Flows++
	t.BytesTx.Add(b.BytesTx)
	t.BytesRx.Add(b.BytesRx)
}

// Account says what became of flows. Received is counted where they come in, the others where it
// is decided what becomes of them, so that
//
//	Received = Stored + Duplicate + Rejected + Expired
//
// holds unless something was lost or counted twice.
type Account struct {
	Received  Tally // flows of batches that could be read
	Stored    Tally // that the totals of today hold
	Duplicate Tally // of batches that counted already
	Rejected  Tally // of batches that were readable, and refused
	Expired   Tally // that the totals held until their hour expired
	// Folded are those among Stored and Expired that count under the tuple of Other, in batches of
	// which some had to, since there were too many tuples. They are counted when they come, and stay.
	Folded Tally
}

// HourAccount is the account of one hour.
type HourAccount struct {
	Hour Hour
	Account
	// ExpiredBefore is that of HourTotals.
	ExpiredBefore bool
}

// Ledger is the account of all flows since the first start on the same data. Hours has the hours
// that are kept, ascending; expired ones are part of the whole alone.
type Ledger struct {
	Account
	Hours []HourAccount
}

// Status is whether the server can do its work. The zero value is a server that can.
type Status struct {
	// Reasons name what it cannot do and why, as "recovering" or "disk-full"; none if all is well.
	Reasons []string
	// Detail is a sentence about them, with progress if there is some.
	Detail string
	// ReadOnly says that questions are answered, and only batches are refused.
	ReadOnly bool
}

// Ready reports whether nothing is in the way.
func (s *Status) Ready() bool { return len(s.Reasons) == 0 }
