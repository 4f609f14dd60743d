package shard

import (
	"encoding/binary"

	"flowd/flow"
)

// record is a tuple's key in the dict:
//
//	0                                      48
//	+---------------------------------------+
//	| key, zeros                            |    a key of at most 48 bytes, which fits two names
//	+---------------------------------------+    of 16 bytes and the usual VPC's 12; or
//	| key[:40]           | place in arena   |    the beginning of a longer one
//	+---------------------------------------+
//
// The lengths at the beginning of a key tell which.
type record [recordSize]byte

const (
	recordSize   = flow.KeySlot
	recordWords  = recordSize / 8
	recordPrefix = recordSize - 8
)

// len returns the length of the key, which may be longer than the record.
func (r *record) len() int { return flow.KeyLen(r[:]) }

// place returns where in the arena the key is, of a record of a long one.
func (r *record) place() uint64 { return binary.LittleEndian.Uint64(r[recordPrefix:]) }

func (r *record) setPlace(place uint64) { binary.LittleEndian.PutUint64(r[recordPrefix:], place) }

func (r *record) word(i int) uint64 { return binary.LittleEndian.Uint64(r[8*i:]) }

// is reports whether r is the record of the short key that k begins with, and then zeros.
func (r *record) is(k *record) bool {
	return (k.word(0)^r.word(0))|(k.word(1)^r.word(1))|(k.word(2)^r.word(2))|
		(k.word(3)^r.word(3))|(k.word(4)^r.word(4))|(k.word(5)^r.word(5)) == 0
}
