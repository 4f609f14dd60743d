// Package flow holds the nouns of flowd: a flow, the tuple it counts for, the totals of a
// tuple, and the rows of an answer; and their forms: JSON and NDJSON in, JSON out, and the
// key that the rest of the program hashes and compares.
//
// It imports nothing else of this program.
package flow

import (
	"math"
	"math/bits"
)

// Limits of the contract. They hold for every flow, whatever the server's settings are.
const (
	// MaxName is the longest name in bytes; the shortest is 1.
	MaxName = 256
	// MaxBytes is the largest byte count of one flow. Totals go further, to 2^64-1.
	MaxBytes = 1<<63 - 1
	// MaxHour is the largest hour.
	MaxHour = 1<<31 - 1
)

// Hour labels the bucket that a flow is added to, from 0 to MaxHour. The engine gives it no
// meaning; hours since the Unix epoch are recommended.
type Hour uint32

// Flow is one report: what SrcApp exchanged with DestApp inside VPCID during Hour.
type Flow struct {
	SrcApp, DestApp, VPCID string
	BytesTx, BytesRx       uint64
	Hour                   Hour
}

// Key returns f's tuple.
func (f *Flow) Key() Key {
	return AppendKey(nil, f.SrcApp, f.DestApp, f.VPCID)
}

// Totals is what a tuple, or a whole hour, adds up to, in bytes each way.
type Totals struct {
	BytesTx, BytesRx uint64
}

// Add adds u to t, whose parts stop at 2^64-1. It returns 1 if one was stopped, else 0.
func (t *Totals) Add(u Totals) (saturated uint64) {
	var carryTx, carryRx uint64
	t.BytesTx, carryTx = bits.Add64(t.BytesTx, u.BytesTx, 0)
	t.BytesRx, carryRx = bits.Add64(t.BytesRx, u.BytesRx, 0)
	if carryTx|carryRx == 0 {
		return 0
	}
	if carryTx != 0 {
		t.BytesTx = math.MaxUint64
	}
	if carryRx != 0 {
		t.BytesRx = math.MaxUint64
	}
	return 1
}

// Row is one line of an answer: a tuple's totals in an hour. Key is lent by the source that filled
// the row: it is never written again, and keeps the memory behind it alive.
type Row struct {
	Key    Key
	Totals Totals
	Hour   Hour
}

// Rows is a cursor over the rows of an answer. It belongs to one goroutine.
type Rows interface {
	// Next fills dst from its start and returns how many rows it wrote: at least one, unless dst
	// is empty or there are no more.
	Next(dst []Row) int
	// Err returns the error that ended Next before the last row, nil if none did. It is valid once
	// Next returned less than was asked for.
	Err() error
	// Close ends the reading. It must be called, once or more often: until then the source
	// keeps the hour as it was. The keys of the rows stay valid.
	Close()
}

// HourTotals is what an hour holds: distinct tuples, flows counted, and their bytes.
type HourTotals struct {
	Hour   Hour
	Tuples uint64
	Flows  uint64
	Totals Totals
	// ExpiredBefore says that the hour had expired when these flows came, so that they are a part of it.
	ExpiredBefore bool
}
