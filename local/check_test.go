package local

import (
	"math"
	"sync"
	"testing"

	"flowd/flow"
	"flowd/shard"
)

// TestBalance holds that the check finds what is lost and what is counted twice.
func TestBalance(t *testing.T) {
	tally := func(flows, tx, rx uint64) flow.Tally {
		return flow.Tally{Flows: flows, BytesTx: flow.Sum{Lo: tx}, BytesRx: flow.Sum{Lo: rx}}
	}
	for _, c := range []struct {
		name   string
		change func(*flow.Ledger, []shard.MemoryHour)
		want   imbalance
	}{
		{"nothing", func(*flow.Ledger, []shard.MemoryHour) {}, imbalance{}},
		{"lost in the tables", func(_ *flow.Ledger, h []shard.MemoryHour) { h[0].Flows--; h[0].Totals.BytesTx -= 7 }, imbalance{1, 7}},
		{"twice in the tables", func(_ *flow.Ledger, h []shard.MemoryHour) { h[1].Flows += 2; h[1].Totals.BytesRx += 9 }, imbalance{2, 9}},
		{"an hour lost", func(_ *flow.Ledger, h []shard.MemoryHour) { h[1].Hour = 3; h[1].HourTotals = flow.HourTotals{Hour: 3} }, imbalance{4, 60}},
		{"received, and nothing became of it", func(l *flow.Ledger, _ []shard.MemoryHour) { l.Received.Flows += 5 }, imbalance{5, 0}},
		{"expired twice", func(l *flow.Ledger, _ []shard.MemoryHour) { l.Expired.BytesTx.Add(3) }, imbalance{0, 3}},
		{"hours are not the whole", func(l *flow.Ledger, _ []shard.MemoryHour) { l.Stored.Flows++; l.Received.Flows++ }, imbalance{1, 0}},
		{"a total at its top says nothing", func(_ *flow.Ledger, h []shard.MemoryHour) { h[0].Totals.BytesTx = math.MaxUint64 }, imbalance{}},
	} {
		l := flow.Ledger{
			Account: flow.Account{Received: tally(12, 110, 220), Stored: tally(7, 60, 120), Duplicate: tally(2, 20, 40),
				Rejected: tally(2, 20, 40), Expired: tally(1, 10, 20)},
			Hours: []flow.HourAccount{
				{Hour: 1, Account: flow.Account{Received: tally(3, 40, 80), Stored: tally(3, 40, 80)}},
				{Hour: 2, Account: flow.Account{Received: tally(6, 40, 80), Stored: tally(4, 20, 40), Duplicate: tally(2, 20, 40)}},
			},
		}
		held := []shard.MemoryHour{
			{HourTotals: flow.HourTotals{Hour: 1, Flows: 3, Totals: flow.Totals{BytesTx: 40, BytesRx: 80}}},
			{HourTotals: flow.HourTotals{Hour: 2, Flows: 4, Totals: flow.Totals{BytesTx: 20, BytesRx: 40}}},
		}
		c.change(&l, held)
		if got := balance(&l, held); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// TestCheckSaysSo has the engine find that its account is wrong.
func TestCheckSaysSo(t *testing.T) {
	o := testOptions(t)
	e := open(t, o)
	e.mustPost(t, flow.Origin{}, tuple(5, 1))
	e.checkpointer.check()
	if s := e.Stats(); s.Checks != 1 || s.ImbalanceFlows != 0 || s.ImbalanceBytes != 0 {
		t.Errorf("the check of a right account: %+v", s)
	}
	e.ask(func() { e.hours[1].account.Stored.Flows++ })
	e.checkpointer.check()
	if s := e.Stats(); s.Checks != 2 || s.ImbalanceFlows == 0 {
		t.Errorf("the check of a wrong account: %+v", s)
	}
	e.ask(func() { e.hours[1].account.Stored.Flows-- })
	e.mustClose(t)
}

// TestSameNameAtOnce sends a batch by many at the same time: it counts once, with a log and
// without, and all are told so after it does.
func TestSameNameAtOnce(t *testing.T) {
	for _, logged := range []bool{true, false} {
		o := testOptions(t)
		o.Logged = logged
		e := open(t, o)
		var senders sync.WaitGroup
		var first sync.Map
		for range 20 {
			senders.Go(func() {
				receipt, err := e.post(flow.Origin{Key: "k"}, tuple(5, 1))
				if err != nil {
					t.Error(err)
				}
				if !receipt.Duplicate {
					if _, twice := first.LoadOrStore("k", true); twice {
						t.Error("two were told that theirs is the first")
					}
				}
			})
		}
		senders.Wait()
		if l := e.checkBalance(t); l.Stored.Flows != 1 || l.Duplicate.Flows != 19 {
			t.Errorf("logged %v: %+v", logged, l.Account)
		}
		e.mustClose(t)
	}
}

func TestRetentionByBytes(t *testing.T) {
	o := testOptions(t)
	e := open(t, o)
	for h := range flow.Hour(4) {
		e.mustPost(t, flow.Origin{}, tuple(1, h), tuple(2, h))
	}
	if err := e.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	e.mustClose(t)
	o.RetentionBytes = e.Stats().BlockBytes * 5 / 8 // two hours and a half
	e = open(t, o)
	if err := e.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if s := e.Stats(); s.Hours != 2 || s.HoursExpired != 2 || s.BlockBytes > o.RetentionBytes {
		t.Errorf("%d hours with %d bytes are left, %d expired; want 2 hours within %d bytes", s.Hours, s.BlockBytes, s.HoursExpired, o.RetentionBytes)
	}
	if l := e.checkBalance(t); l.Expired.Flows != 4 || l.Stored.Flows != 4 {
		t.Errorf("the account: %+v", l.Account)
	}
	e.mustClose(t)
}
