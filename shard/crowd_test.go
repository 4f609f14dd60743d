package shard

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"flowd/flow"
)

// crowd is a table among writers, readers and checkpoints, which are kept apart while they send,
// as whoever uses a table with blocks has to.
type crowd struct {
	t       *testing.T
	table   *Table
	sending sync.RWMutex
	disk    map[flow.Hour]model // blocks, which are never written to

	began, sent [3]atomic.Uint64 // flows by hour
}

// write sends batches of flows of 1 byte.
func (c *crowd) write(batches int) {
	for n := range batches {
		h := flow.Hour(n % len(c.sent))
		b := c.table.Acquire(time.Minute)
		for _, f := range numbered(h, n, n+50, 1) {
			f.BytesTx = 1
			b.Add(&f)
		}
		split := c.table.Divide(b)
		c.began[h].Add(50)
		c.sending.RLock()
		c.table.Send(split)
		c.sending.RUnlock()
		c.sent[h].Add(50)
	}
}

// read reads an hour once: what was sent before must be in it, and what was not begun must not.
func (c *crowd) read(h flow.Hour) {
	least := c.sent[h].Load()
	c.sending.Lock()
	answer, block := c.table.Ask(h), c.disk[h]
	most := c.began[h].Load()
	c.sending.Unlock()
	rows, part := answer.Rows()
	if part != (block != nil) {
		c.t.Errorf("hour %d: part is %v, with a block of %d", h, part, len(block))
	}
	if part {
		rows = c.table.Overlay(newBlockRows(block), rows)
	}
	sum := uint64(0)
	for _, totals := range read(c.t, rows, 64) {
		sum += totals.BytesTx
	}
	if sum < least || sum > most {
		c.t.Errorf("hour %d has %d bytes, not %d to %d", h, sum, least, most)
	}
}

// checkpoint spills some hours, and fails at it or not.
func (c *crowd) checkpoint(fails bool, action func(flow.Hour) Action) {
	c.sending.Lock()
	f := c.table.Freeze(action)
	c.sending.Unlock()
	disk := maps.Clone(c.disk)
	for _, h := range f.Hours() {
		if h.Action != Spill && !h.Partial {
			h.Close()
			continue
		}
		var base flow.Rows
		if h.Partial {
			base = newBlockRows(disk[h.Hour])
		}
		disk[h.Hour] = read(c.t, c.table.Overlay(base, h.Rows()), 64)
	}
	c.sending.Lock()
	defer c.sending.Unlock()
	if fails {
		f.Restore()
		return
	}
	f.Install()
	c.disk = disk
}

// TestCrowd has writers, readers and checkpoints at once.
func TestCrowd(t *testing.T) {
	table := start(t, Options{Shards: 4, Batches: 6}, allBits)
	defer table.Close()
	table.limits = limits{renew: 20, move: 50, few: 200, step: 1}
	c := &crowd{t: t, table: table, disk: map[flow.Hour]model{}}
	var writers, others sync.WaitGroup
	for range 2 {
		writers.Go(func() { c.write(150) })
	}
	var done atomic.Bool
	others.Go(func() {
		for n := 0; !done.Load(); n++ {
			c.read(flow.Hour(n % len(c.sent)))
		}
	})
	others.Go(func() {
		for n := 0; !done.Load(); n++ {
			actions := []Action{Keep, Spill, Action(rand.IntN(2))}
			c.checkpoint(n%3 == 0, func(h flow.Hour) Action { return actions[h] })
		}
	})
	writers.Wait()
	done.Store(true)
	others.Wait()
	for h := range c.sent {
		c.read(flow.Hour(h))
	}
}

// TestBarrierIsPassedInSteps has flows come for hours while only some are frozen, and for new ones.
func TestBarrierIsPassedInSteps(t *testing.T) {
	s, add := oneShard(t)
	const hours = 10
	batch := func(h flow.Hour) *flow.Batch { return everyTuple(5, h)[0] }
	for h := range flow.Hour(hours) {
		add(batch(h))
	}
	var parts []frozenShare
	s.limits.step = 1
	s.freeze(actionOf(Spill, 0, 2, 4, 6, 8), func(p []frozenShare) { parts = p })
	for n := range 4 * hours { // so many that hours are looked for again
		add(batch(flow.Hour(n % (2 * hours))))
		if n == hours/2 {
			s.pass()
		}
	}
	for s.barrier != nil {
		s.pass()
	}
	if len(parts) != hours || len(s.frozen) != hours/2 || len(s.hours) != 2*hours || s.both != hours/2 {
		t.Errorf("%d hours were at the barrier, %d are frozen, %d in memory, %d of them continued", len(parts), len(s.frozen), len(s.hours), s.both)
	}
	for _, p := range parts {
		if want := Action(1-p.Hour%2) * Spill; p.Flows != 5 || p.Tuples != 5 || p.action != want {
			t.Errorf("hour %d had %d flows and %d tuples, not 5 each, or action %d, not %d", p.Hour, p.Flows, p.Tuples, p.action, want)
		}
		mapped := mapTable{}
		mapped.apply(batch(p.Hour))
		for k, totals := range read(t, &rows{[]*snapshot{p.snapshot}}, 2) {
			key := flow.AppendKey(nil, k.src, k.dest, k.vpc)
			if want := *mapped[p.Hour][string(key)]; totals != want {
				t.Errorf("%v had %v, not %v", k, totals, want)
			}
		}
	}
}

// TestSaturatedIsCounted has totals that stop before a barrier, after it, and where both are added.
func TestSaturatedIsCounted(t *testing.T) {
	table := start(t, Options{Shards: 1}, allBits)
	defer table.Close()
	f := flow.Flow{SrcApp: "a", DestApp: "b", VPCID: "c", BytesTx: flow.MaxBytes, Hour: 1}
	expect := func(when string, want uint64) {
		t.Helper()
		got := table.AskHours().Hours()
		if len(got) != 1 || got[0].Saturated != want {
			t.Errorf("%s: %+v, not one hour with %d additions stopped", when, got, want)
		}
	}
	appendFlows(t, table, f, f, f)
	expect("at first", 1)
	frozen := table.Freeze(everyHour(Spill))
	appendFlows(t, table, f, f, f)
	expect("since the barrier", 2)
	frozen.Restore()
	expect("after Restore", 3)
	frozen = table.Freeze(everyHour(Spill))
	if h := frozen.Hours(); len(h) != 1 || h[0].Saturated != 3 || h[0].Totals.BytesTx != math.MaxUint64 {
		t.Errorf("the frozen hours are %+v", h)
	}
	appendFlows(t, table, f)
	frozen.Install()
	expect("after Install", 0)
}

func TestMisuse(t *testing.T) {
	for name, misuse := range map[string]func(*Table, *Frozen){
		"two at a time":     func(table *Table, f *Frozen) { defer f.Install(); table.Freeze(everyHour(Keep)) },
		"two ends":          func(_ *Table, f *Frozen) { f.Install(); f.Restore() },
		"rows twice":        func(_ *Table, f *Frozen) { defer f.Install(); h := f.Hours()[0]; h.Rows().Close(); h.Rows() },
		"rows after Close":  func(_ *Table, f *Frozen) { defer f.Install(); h := f.Hours()[0]; h.Close(); h.Rows() },
		"rows after an end": func(_ *Table, f *Frozen) { h := f.Hours()[0]; f.Install(); h.Rows() },
	} {
		t.Run(name, func(t *testing.T) {
			table := start(t, Options{Shards: 2}, allBits)
			defer table.Close()
			appendFlows(t, table, numbered(1, 0, 3, 1)...)
			defer func() {
				if said := recover(); said == nil {
					t.Error("no panic")
				} else if s := fmt.Sprint(said); len(s) < len("shard: ") || s[:7] != "shard: " {
					t.Errorf("panic: %s", s)
				}
			}()
			misuse(table, table.Freeze(everyHour(Keep)))
		})
	}
}

// TestWhatIsNotAskedForCostsNothing has checkpoints that nobody reads: chunks are not copied.
func TestWhatIsNotAskedForCostsNothing(t *testing.T) {
	table := start(t, Options{Shards: 1}, allBits)
	defer table.Close()
	flows := numbered(1, 0, 10, 1)
	appendFlows(t, table, flows...)
	table.Hours()
	before := table.shards[0].hours[1].chunks[0].cells
	table.Freeze(everyHour(Keep)).Install()
	table.Freeze(everyHour(Spill)).Restore()
	appendFlows(t, table, flows...)
	table.Hours()
	if after := table.shards[0].hours[1].chunks[0].cells; after != before {
		t.Error("a chunk was copied though nobody reads it")
	}
}
