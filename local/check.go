package local

import (
	"math"

	"flowd/flow"
	"flowd/shard"
)

// imbalance is how far the account and the tables are apart; all zero if nothing was lost or
// counted twice.
type imbalance struct {
	flows, bytes uint64
}

// check compares the account with the sums of shards and blocks, and the account's parts
// with each other, all as of one moment, and publishes the difference.
func (k *checkpointer) check() {
	var ledger flow.Ledger
	var view *hoursView
	k.ask(func() {
		ledger, view = k.ledger(), k.viewHours()
	})
	found := balance(&ledger, view.hours())
	k.stats.imbalanceFlows.Store(found.flows)
	k.stats.imbalanceBytes.Store(found.bytes)
	k.stats.checks.Add(1)
	if found != (imbalance{}) {
		k.o.Logger.Error("the account and the tables differ", "flows", found.flows, "bytes", found.bytes)
	}
}

// balance compares l with the hours held.
func balance(l *flow.Ledger, held []shard.MemoryHour) (sum imbalance) {
	sum.account(l.Account)
	booked := make(map[flow.Hour]flow.Tally, len(l.Hours))
	var whole flow.Tally
	for i := range l.Hours {
		sum.account(l.Hours[i].Account)
		booked[l.Hours[i].Hour] = l.Hours[i].Stored
		whole.Add(l.Hours[i].Stored)
	}
	sum.tally(whole, l.Stored)
	for i := range held {
		h := &held[i]
		has := flow.Tally{Flows: h.Flows, BytesTx: flow.Sum{Lo: h.Totals.BytesTx}, BytesRx: flow.Sum{Lo: h.Totals.BytesRx}}
		should := booked[h.Hour]
		delete(booked, h.Hour)
		// A total that stopped at 2^64-1 says nothing any more.
		if h.Saturated > 0 || h.Totals.BytesTx == math.MaxUint64 || h.Totals.BytesRx == math.MaxUint64 {
			has.BytesTx, has.BytesRx = should.BytesTx, should.BytesRx
		}
		sum.tally(has, should)
	}
	for _, missing := range booked {
		sum.tally(flow.Tally{}, missing)
	}
	return sum
}

// account adds how far the parts of a are from what was received.
func (i *imbalance) account(a flow.Account) {
	parts := a.Stored
	parts.Add(a.Duplicate)
	parts.Add(a.Rejected)
	parts.Add(a.Expired)
	i.tally(parts, a.Received)
}

// tally adds the difference of two tallies.
func (i *imbalance) tally(a, b flow.Tally) {
	i.flows += max(a.Flows, b.Flows) - min(a.Flows, b.Flows)
	i.bytes += distance(a.BytesTx, b.BytesTx) + distance(a.BytesRx, b.BytesRx)
}

// distance returns how far a and b are apart, at most 2^64-1.
func distance(a, b flow.Sum) uint64 {
	if a.Hi < b.Hi || a.Hi == b.Hi && a.Lo < b.Lo {
		a, b = b, a
	}
	a.Sub(b)
	return clip(a)
}
