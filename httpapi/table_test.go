package httpapi

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"flowd/flow"
	"flowd/shard"
)

var _ Engine = (*tableEngine)(nil)

// tableEngine is the least that the server can serve: a table, and beside it what batches were
// called and the account. One batch after the other passes.
type tableEngine struct {
	*shard.Table
	changes  atomic.Uint64
	mu       sync.Mutex
	named    map[flow.Origin]string // the flows that came by each name
	accounts map[flow.Hour]*flow.Account
}

// newTable returns a running engine.
func newTable(t testing.TB) *tableEngine {
	t.Helper()
	table, err := shard.New(shard.Options{})
	if err != nil {
		t.Fatal(err)
	}
	table.Start()
	t.Cleanup(table.Close)
	return &tableEngine{Table: table, named: map[flow.Origin]string{}, accounts: map[flow.Hour]*flow.Account{}}
}

func (e *tableEngine) Append(b *flow.Batch, o flow.Origin) (flow.Receipt, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	text := fmt.Sprint(b.Items, string(b.Keys))
	before, known := e.named[o]
	switch {
	case !o.Named() || !known:
		e.named[o] = text
		e.enter(b, func(a *flow.Account) *flow.Tally { return &a.Stored })
		e.Table.Append(b)
		e.changes.Add(1)
		return flow.Receipt{}, nil
	case before != text:
		e.enter(b, func(a *flow.Account) *flow.Tally { return &a.Rejected })
		e.Release(b)
		return flow.Receipt{}, flow.ErrReused
	}
	e.enter(b, func(a *flow.Account) *flow.Tally { return &a.Duplicate })
	e.Release(b)
	return flow.Receipt{Duplicate: true}, nil
}

// enter puts the flows of b down as received, and as what of picks.
func (e *tableEngine) enter(b *flow.Batch, of func(*flow.Account) *flow.Tally) {
	for i := range b.Items {
		it := &b.Items[i]
		if e.accounts[it.Hour] == nil {
			e.accounts[it.Hour] = &flow.Account{}
		}
		e.accounts[it.Hour].Received.AddFlow(it.Totals)
		of(e.accounts[it.Hour]).AddFlow(it.Totals)
	}
}

func (e *tableEngine) Rows(h flow.Hour) (flow.Rows, error) { return e.Table.Rows(h), nil }
func (e *tableEngine) Hours() ([]flow.HourTotals, error)   { return e.Table.Hours(), nil }
func (e *tableEngine) Room() int64                         { return math.MaxInt64 }
func (e *tableEngine) Status() flow.Status                 { return flow.Status{} }
func (e *tableEngine) Version(flow.Hour) (uint64, error)   { return e.changes.Load(), nil }

func (e *tableEngine) Find(flow.Hour, []flow.Key) ([]flow.Row, bool, error) { return nil, false, nil }

func (e *tableEngine) ExpiredBefore(flow.Hour, flow.Hour) bool { return false }

func (e *tableEngine) Labels(from, to flow.Hour) (labels []flow.Hour, err error) {
	for _, h := range e.Table.Hours() {
		if h.Hour >= from && h.Hour < to {
			labels = append(labels, h.Hour)
		}
	}
	return labels, nil
}

func (e *tableEngine) Scan(h flow.Hour, _ flow.ScanOptions) ([]flow.Scan, error) {
	return []flow.Scan{flow.ScanRows(e.Table.Rows(h))}, nil
}

func (e *tableEngine) Ledger() (l flow.Ledger, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for h, a := range e.accounts {
		l.Hours = append(l.Hours, flow.HourAccount{Hour: h, Account: *a})
		l.Received.Add(a.Received)
		l.Stored.Add(a.Stored)
		l.Duplicate.Add(a.Duplicate)
		l.Rejected.Add(a.Rejected)
	}
	slices.SortFunc(l.Hours, func(a, b flow.HourAccount) int { return cmp.Compare(a.Hour, b.Hour) })
	return l, nil
}
