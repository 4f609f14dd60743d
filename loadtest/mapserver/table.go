package mapserver

import (
	"maps"
	"slices"
)

// table is what a server holds: the totals of every tuple and hour, and the account of all flows
// that ever came.
type table struct {
	// maxHours is how many hours are kept: the lowest make room for another. 0 keeps all.
	maxHours int
	hours    map[uint32]*hour
	// received, duplicate and expired are the account; what is stored is in the hours.
	received, duplicate, expired amount
}

type hour struct {
	tuples map[key]totals
	amount amount
}

type (
	key    struct{ src, dest, vpc string }
	totals struct{ tx, rx uint64 }
)

// amount is flows and their bytes.
type amount struct {
	Flows   uint64 `json:"flows"`
	BytesTx uint64 `json:"bytes_tx"`
	BytesRx uint64 `json:"bytes_rx"`
}

func (a *amount) add(o amount) {
	a.Flows += o.Flows
	a.BytesTx += o.BytesTx
	a.BytesRx += o.BytesRx
}

func (a *amount) sub(o amount) {
	a.Flows -= o.Flows
	a.BytesTx -= o.BytesTx
	a.BytesRx -= o.BytesRx
}

func amountOf(flows []Row) amount {
	var a amount
	for _, f := range flows {
		a.add(amount{1, f.BytesTx, f.BytesRx})
	}
	return a
}

// add counts flows, and lets the lowest hours go where there are too many.
func (t *table) add(flows []Row) {
	for _, f := range flows {
		h := t.hours[f.Hour]
		if h == nil {
			h = &hour{tuples: make(map[key]totals)}
			t.hours[f.Hour] = h
		}
		k := key{f.SrcApp, f.DestApp, f.VPCID}
		was := h.tuples[k]
		h.tuples[k] = totals{was.tx + f.BytesTx, was.rx + f.BytesRx}
		h.amount.add(amount{1, f.BytesTx, f.BytesRx})
	}
	for t.maxHours > 0 && len(t.hours) > t.maxHours {
		t.expire(t.sorted()[0])
	}
}

// expire lets an hour go.
func (t *table) expire(n uint32) {
	if h := t.hours[n]; h != nil {
		t.expired.add(h.amount)
		delete(t.hours, n)
	}
}

func (t *table) sorted() []uint32 { return slices.Sorted(maps.Keys(t.hours)) }

// hourLine is a line of GET /hours.
type hourLine struct {
	Hour   uint32 `json:"hour"`
	Tuples int    `json:"tuples"`
	amount
}

func (t *table) lines() []hourLine {
	lines := []hourLine{}
	for _, n := range t.sorted() {
		lines = append(lines, hourLine{n, len(t.hours[n].tuples), t.hours[n].amount})
	}
	return lines
}

// Ledger is the answer of GET /ledger.
type Ledger struct {
	account
	Hours []hourAccount `json:"hours"`
}

type account struct {
	Received  amount `json:"received"`
	Stored    amount `json:"stored"`
	Duplicate amount `json:"duplicate"`
	Rejected  amount `json:"rejected"`
	Expired   amount `json:"expired"`
}

// hourAccount is the account of one hour, where all that counts is what is stored.
type hourAccount struct {
	Hour uint32 `json:"hour"`
	account
}

func (t *table) ledger() *Ledger {
	l := &Ledger{Hours: []hourAccount{}}
	l.Received, l.Duplicate, l.Expired = t.received, t.duplicate, t.expired
	for _, line := range t.lines() {
		l.Stored.add(line.amount)
		l.Hours = append(l.Hours, hourAccount{line.Hour, account{Received: line.amount, Stored: line.amount}})
	}
	return l
}
