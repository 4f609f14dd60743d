package local

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowd/flow"
)

func TestRestartKeepsAll(t *testing.T) {
	for _, way := range []struct {
		name string
		stop func(*testing.T, *Engine)
	}{
		{"log alone", func(t *testing.T, e *Engine) {
			e.checkpointer.covered.Store(e.stats.received.Load()) // so that Close makes no checkpoint
			e.mustClose(t)
		}},
		{"last checkpoint", func(t *testing.T, e *Engine) { e.mustClose(t) }},
	} {
		t.Run(way.name, func(t *testing.T) {
			o, want := testOptions(t), make(totals)
			for round := range 4 {
				e := open(t, o)
				for n := range 100 {
					f := tuple(n, flow.Hour(n%3))
					e.mustPost(t, flow.Origin{Agent: "a", Seq: uint64(100*round + n + 1)}, f)
					want.add(f)
				}
				if diff := cmp.Diff(want, e.read(t, 0, 1, 2)); diff != "" {
					t.Fatalf("round %d (-want +got):\n%s", round, diff)
				}
				if !e.mustPost(t, flow.Origin{Agent: "a", Seq: uint64(100*round + 50)}, tuple(49, 1)) {
					t.Error("a batch that counts already was counted again")
				}
				ledger := e.checkBalance(t)
				if got, want := ledger.Stored.Flows, uint64(100*(round+1)); got != want {
					t.Errorf("the account has %d flows stored, want %d", got, want)
				}
				way.stop(t, e)
			}
		})
	}
}

// TestDurabilityMayChange starts the same folder with a log and without one, in turn.
func TestDurabilityMayChange(t *testing.T) {
	o := testOptions(t)
	for round, logged := range []bool{false, false, true, true, false, false, true} {
		o.Logged = logged
		e := open(t, o)
		e.mustPost(t, flow.Origin{Agent: "a", Seq: uint64(round + 1)}, tuple(round, 1))
		if got := e.checkBalance(t).Stored.Flows; got != uint64(round+1) {
			t.Errorf("round %d, logged %v: %d flows are stored, want %d", round, logged, got, round+1)
		}
		e.mustClose(t)
	}
}

func TestNamesAreKeptThroughRestarts(t *testing.T) {
	o := testOptions(t)
	first, other := tuple(1, 5), tuple(2, 5)
	named := flow.Origin{Client: "c", Key: "k"}
	steps := []struct {
		what      string
		origin    flow.Origin
		flow      flow.Flow
		duplicate bool
		err       error
	}{
		{"first", named, first, false, nil},
		{"again", named, first, true, nil},
		{"other flows", named, other, false, flow.ErrReused},
		{"other client", flow.Origin{Client: "d", Key: "k"}, other, false, nil},
		{"sequence", flow.Origin{Agent: "a", Seq: 100}, first, false, nil},
		{"again", flow.Origin{Agent: "a", Seq: 100}, first, true, nil},
		{"window", flow.Origin{Agent: "a", Seq: 37}, first, false, nil},
		{"too old", flow.Origin{Agent: "a", Seq: 36}, first, false, flow.ErrTooOld},
		{"no name", flow.Origin{}, first, false, nil},
	}
	for _, s := range steps {
		e := open(t, o)
		receipt, err := e.post(s.origin, s.flow)
		if receipt.Duplicate != s.duplicate || !errors.Is(err, s.err) {
			t.Errorf("%s: duplicate %v, error %v, want %v, %v", s.what, receipt.Duplicate, err, s.duplicate, s.err)
		}
		e.checkBalance(t)
		e.mustClose(t)
	}
	e := open(t, o)
	l := e.checkBalance(t)
	if l.Received.Flows != 9 || l.Stored.Flows != 5 || l.Duplicate.Flows != 2 || l.Rejected.Flows != 2 {
		t.Errorf("the account after all: %+v", l.Account)
	}
	e.mustClose(t)
}

func TestLateFlowsGoToTheirBlock(t *testing.T) {
	o, want := testOptions(t), make(totals)
	o.MemoryBudget = 1 // every checkpoint empties memory
	e := open(t, o)
	for round := range 5 {
		for n := range 300 {
			f := tuple(n+100*round, flow.Hour(n%2))
			e.mustPost(t, flow.Origin{}, f)
			want.add(f)
		}
		check := func(when string) {
			t.Helper()
			if diff := cmp.Diff(want, e.read(t, 0, 1)); diff != "" {
				t.Fatalf("round %d, %s (-want +got):\n%s", round, when, diff)
			}
			e.checkBalance(t)
		}
		check("before the checkpoint")
		if err := e.Checkpoint(); err != nil {
			t.Fatal(err)
		}
		check("after it")
	}
	for _, s := range e.Stats().Shards {
		if s.Hours > 0 {
			t.Errorf("a shard has %d hours in memory after a checkpoint without a budget", s.Hours)
		}
	}
	e.mustClose(t)
}

func TestRetention(t *testing.T) {
	var now atomic.Int64 // Unix milliseconds
	now.Store(1e12)
	hour := time.Hour.Milliseconds()
	base := func(t *testing.T) Options {
		o := testOptions(t)
		o.Clock = func() time.Time { return time.UnixMilli(now.Load()) }
		return o
	}
	for _, c := range []struct {
		name   string
		change func(*Options)
		kept   []flow.Hour
	}{
		{"by age", func(o *Options) { o.Retention = 150 * time.Minute }, []flow.Hour{3, 4, 5}},
		{"not by number", func(o *Options) { o.MaxHours = 20 }, []flow.Hour{1, 2, 3, 4, 5}},
		{"in memory", func(o *Options) { o.Retention, o.Dir, o.Logged = 150*time.Minute, "", false }, []flow.Hour{3, 4, 5}},
		{"for ever", func(o *Options) { o.Retention = 0 }, []flow.Hour{1, 2, 3, 4, 5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := base(t)
			c.change(&o)
			e := open(t, o)
			for h := range flow.Hour(5) {
				e.mustPost(t, flow.Origin{}, tuple(int(h), h+1), tuple(7, h+1))
				e.flush()
				now.Add(hour)
			}
			now.Add(-hour)
			if err := e.Checkpoint(); err != nil {
				t.Fatal(err)
			}
			hours, err := e.Hours()
			if err != nil {
				t.Fatal(err)
			}
			var kept []flow.Hour
			for _, h := range hours {
				kept = append(kept, h.Hour)
			}
			if diff := cmp.Diff(c.kept, kept); diff != "" {
				t.Errorf("hours kept (-want +got):\n%s", diff)
			}
			l := e.checkBalance(t)
			if got, want := l.Expired.Flows, uint64(2*(5-len(c.kept))); got != want {
				t.Errorf("%d flows expired, want %d", got, want)
			}
			e.mustClose(t)
		})
	}
}

func TestTooManyHours(t *testing.T) {
	o := testOptions(t)
	o.MaxHours = 2
	e := open(t, o)
	if _, err := e.post(flow.Origin{}, tuple(1, 1), tuple(1, 2), tuple(1, 3)); !errors.Is(err, flow.ErrTooManyHours) {
		t.Errorf("three hours of two: %v, want ErrTooManyHours", err)
	}
	if got := e.checkBalance(t).Rejected.Flows; got != 3 {
		t.Errorf("%d flows rejected in the account, want 3", got)
	}
	e.mustClose(t)
}

func TestFolderIsLocked(t *testing.T) {
	o := testOptions(t)
	e := open(t, o)
	second, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Open(); err == nil {
		t.Error("a second engine opened the folder of the first")
	}
	e.mustClose(t)
}
