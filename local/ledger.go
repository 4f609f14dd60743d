package local

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sync/atomic"

	"flowd/clock"
	"flowd/flow"
)

// hour is what the engine knows of an hour beside its totals.
type hour struct {
	account flow.Account
	// written is when the last flow came; asked when it was last read, in Unix milliseconds.
	lastWrite clock.Stamp
	asked     atomic.Int64
	// version changes whenever flows do. It begins at random, so that none comes again.
	version uint64
	// openedBy is the client whose flows came first, as far as it is known, and live whether the hour
	// was close to the clock then. expiredBefore says that the hour had expired when they came.
	openedBy      string
	live          bool
	opener        uint64 // opener.record
	expiredBefore bool
	// block is the hour on disk as of the last checkpoint, nil if it was not part of one.
	block *blockRef
}

func newHour() *hour { return &hour{version: rand.Uint64()} }

// column is one of the account's outcomes of a batch.
type column func(*flow.Account) *flow.Tally

func stored(a *flow.Account) *flow.Tally    { return &a.Stored }
func duplicate(a *flow.Account) *flow.Tally { return &a.Duplicate }
func rejected(a *flow.Account) *flow.Tally  { return &a.Rejected }

// enter adds what came in to the account: as received, and as what became of it. Only flows that
// are stored make an hour; others are entered for it if it exists, and in the whole anyway.
func (e *Engine) enter(tally []flow.HourTally, outcome column, by *opener) {
	isStored := outcome(&e.account) == &e.account.Stored
	for i := range tally {
		t := tally[i].Tally()
		e.account.Received.Add(t)
		outcome(&e.account).Add(t)
		e.stats.received.Add(t.Flows)
		h := e.hours[tally[i].Hour]
		if h == nil {
			if !isStored {
				continue
			}
			h = e.openHour(tally[i].Hour, by)
		}
		if by.record > 0 && by.record < h.opener {
			e.reopen(tally[i].Hour, h, by)
		}
		h.account.Received.Add(t)
		outcome(&h.account).Add(t)
		if isStored {
			if by.now.Time >= h.lastWrite.Time {
				h.lastWrite = by.now
			}
			h.version++
		}
	}
}

// enterFolded notes the part of the stored flows that was folded.
func (e *Engine) enterFolded(folded []flow.HourTally) {
	for i := range folded {
		t := folded[i].Tally()
		e.account.Folded.Add(t)
		e.stats.foldedFlows.Add(t.Flows)
		e.stats.foldedBytes.Add(t.BytesTx.Lo + t.BytesRx.Lo)
		if h := e.hours[folded[i].Hour]; h != nil {
			h.account.Folded.Add(t)
		}
	}
}

// expire moves what an hour held at a checkpoint to the expired ones. What came since stays.
func (e *Engine) expire(label flow.Hour, at flow.Account) {
	e.account.Stored.Sub(at.Stored)
	e.account.Expired.Add(at.Stored)
	h := e.hours[label]
	h.version++
	for _, of := range []column{received, stored, duplicate, rejected, folded} {
		of(&h.account).Sub(*of(&at))
	}
	e.expired.add(label)
	switch {
	case h.account.Stored.Flows == 0:
		e.forget(label, h)
	case !h.expiredBefore:
		h.expiredBefore = true
		e.stats.partialHours.Add(1)
	}
}

func received(a *flow.Account) *flow.Tally { return &a.Received }
func folded(a *flow.Account) *flow.Tally   { return &a.Folded }

// ledger returns a copy of the account. The committer calls it.
func (e *Engine) ledger() flow.Ledger {
	l := flow.Ledger{Account: e.account, Hours: make([]flow.HourAccount, 0, len(e.hours))}
	for label, h := range e.hours {
		l.Hours = append(l.Hours, flow.HourAccount{Hour: label, Account: h.account, ExpiredBefore: h.expiredBefore})
	}
	slices.SortFunc(l.Hours, func(a, b flow.HourAccount) int { return cmp.Compare(a.Hour, b.Hour) })
	return l
}
