package shard

import (
	"fmt"
	"maps"
	"testing"

	"flowd/flow"
)

// numbered returns flows of tuples with the numbers from from to to, by steps of step.
func numbered(h flow.Hour, from, to, step int) []flow.Flow {
	var out []flow.Flow
	for n := from; n < to; n += step {
		out = append(out, flow.Flow{SrcApp: fmt.Sprint("s", n), DestApp: "d", VPCID: "v", BytesTx: uint64(n), BytesRx: 1, Hour: h})
	}
	return out
}

func modelOf(flows ...[]flow.Flow) model {
	m := model{}
	for _, some := range flows {
		for i := range some {
			m.add(&some[i])
		}
	}
	return m
}

// fateOf returns fates: fate for some hours, Keep for all others.
func actionOf(action Action, hours ...flow.Hour) func(flow.Hour) Action {
	return func(h flow.Hour) Action {
		for _, one := range hours {
			if h == one {
				return action
			}
		}
		return Keep
	}
}

func everyHour(action Action) func(flow.Hour) Action { return func(flow.Hour) Action { return action } }

// settled returns the sum of the shards' figures when they have nothing to do.
func settled(table *Table) (sum Stats) {
	table.Hours()
	for _, s := range table.Stats() {
		sum.Tuples += s.Tuples
		sum.Hours += s.Hours
		sum.Bytes += s.Bytes
		sum.Frozen += s.Frozen
		sum.Dictionaries += s.Dictionaries
	}
	return sum
}

// TestDictsGo has hours of ever new tuples, of which all but the newest are spilled: what memory
// holds of tuples and hours stays level.
func TestDictsGo(t *testing.T) {
	const tuples, rounds = 1000, 40
	table := start(t, Options{Shards: 2}, allBits)
	defer table.Close()
	table.limits.renew = tuples / 2
	peak := Stats{}
	for round := range rounds {
		appendFlows(t, table, numbered(flow.Hour(round), round*tuples, (round+1)*tuples, 1)...)
		now := settled(table)
		peak.Bytes, peak.Tuples = max(peak.Bytes, now.Bytes), max(peak.Tuples, now.Tuples)
		f := table.Freeze(func(h flow.Hour) Action {
			if h < flow.Hour(round) {
				return Spill
			}
			return Keep
		})
		if held := settled(table); round > 1 && (held.Frozen == 0 || held.Hours != now.Hours) {
			t.Fatalf("round %d: %d hours, %d of them frozen, of %d", round, held.Hours, held.Frozen, now.Hours)
		}
		f.Install()
	}
	if end := settled(table); end.Dictionaries > 4 || end.Frozen != 0 {
		t.Errorf("%d dictionaries and %d frozen hours are left", end.Dictionaries, end.Frozen)
	}
	if peak.Tuples > 6*tuples || peak.Bytes > 6*tuples*(recordSize+2*cellBytes+20) {
		t.Errorf("up to %d tuples in %d bytes are said to be held, of hours of %d", peak.Tuples, peak.Bytes, tuples)
	}
	want := modelOf(numbered(rounds-1, (rounds-1)*tuples, rounds*tuples, 1))
	if got := read(t, table.Rows(rounds-1), 256); !maps.Equal(got, want) {
		t.Errorf("the newest hour has %d tuples, not the %d that were added", len(got), len(want))
	}
}

// TestDictGoesThoughTheHourStays has one hour that goes on, also between barrier and Install, with
// ever new tuples, and more at a time than are moved for being few.
func TestDictGoesThoughTheHourStays(t *testing.T) {
	const tuples, since, rounds = 2000, 50, 20
	table := start(t, Options{Shards: 1}, allBits)
	defer table.Close()
	table.limits.renew, table.limits.move = tuples/2, since/2
	next, peak := 0, uint64(0)
	add := func(n int) {
		appendFlows(t, table, numbered(0, next, next+n, 1)...)
		next += n
	}
	for range rounds {
		add(tuples)
		peak = max(peak, settled(table).Tuples)
		f := table.Freeze(everyHour(Spill))
		add(since)
		f.Install()
		want := modelOf(numbered(0, next-since, next, 1))
		if got := read(t, table.Rows(0), 256); !maps.Equal(got, want) {
			t.Fatalf("%d tuples are left, not the %d since the barrier", len(got), len(want))
		}
		add(since)
		want = modelOf(numbered(0, next-2*since, next, 1))
		if got := read(t, table.Rows(0), 256); !maps.Equal(got, want) {
			t.Fatalf("%d tuples are there, not the %d since the barrier and Install", len(got), len(want))
		}
	}
	if peak > 3*tuples {
		t.Errorf("up to %d tuples were held, of %d a round", peak, tuples)
	}
}

// TestLargeHours has hours of many chunks, some of which they do not have, through a checkpoint
// that fails and one that does not, with dicts that differ.
func TestLargeHours(t *testing.T) {
	const tuples = slabFrom * chunkSize * 5 / 4
	table := start(t, Options{Shards: 1}, allBits)
	defer table.Close()
	table.limits = limits{renew: 1000, step: barrierStep}
	first, second := numbered(1, 0, tuples, 1), numbered(2, tuples*3/4, tuples, 2)
	appendFlows(t, table, append(first, second...)...)
	check := func(when string, h flow.Hour, rows flow.Rows, want model) {
		t.Helper()
		if got := read(t, rows, 100); !maps.Equal(got, want.hour(h)) {
			t.Errorf("%s: hour %d has %d tuples, or other totals, not %d", when, h, len(got), len(want.hour(h)))
		}
	}

	f := table.Freeze(actionOf(Spill, 1, 2))
	since := append(numbered(1, tuples/2, tuples*5/4, 3), numbered(2, 0, tuples, 5)...)
	appendFlows(t, table, since...)
	atBarrier := modelOf(first, second)
	want := modelOf(first, second, since)
	for _, h := range f.Hours() {
		check("at the barrier", h.Hour, h.Rows(), atBarrier)
	}
	for _, h := range []flow.Hour{1, 2} {
		check("since the barrier", h, table.Rows(h), want)
	}
	f.Restore()
	for _, h := range []flow.Hour{1, 2} {
		check("after the checkpoint failed", h, table.Rows(h), want)
	}

	before := settled(table)
	table.Freeze(actionOf(Spill, 1)).Install()
	disk := maps.Clone(want.hour(1))
	after := settled(table)
	if after.Dictionaries != 2 || after.Bytes > before.Bytes-tuples*cellBytes {
		t.Errorf("%d dictionaries, %d bytes of %d are left", after.Dictionaries, after.Bytes, before.Bytes)
	}
	late := append(numbered(1, tuples/3, tuples*3/2, 2), numbered(2, 0, tuples, 7)...)
	appendFlows(t, table, late...)
	want = modelOf(first, second, since, late)
	rows, part := table.Ask(1).Rows()
	if !part {
		t.Error("an hour that was spilled has no part")
	}
	check("over its block", 1, table.Overlay(newBlockRows(disk), rows), want)
	check("with the old dict", 2, table.Rows(2), want)
	f = table.Freeze(actionOf(Expire, 2))
	last := numbered(2, 0, 2*tuples, 11)
	appendFlows(t, table, last...)
	check("with the old dict, since the barrier", 2, table.Rows(2), modelOf(first, second, since, late, last))
	f.Install()
	check("after it went", 2, table.Rows(2), modelOf(last))
	table.Freeze(actionOf(Expire, 2)).Install()
	if end := settled(table); end.Dictionaries != 1 {
		t.Errorf("%d dictionaries are left of hours that are gone", end.Dictionaries)
	}
}

// TestSparse tells dicts with many tuples in hours from those with few, where the numbers tell it
// and where a sample must.
func TestSparse(t *testing.T) {
	const tuples = 10_000
	for _, c := range []struct {
		name  string
		hours [][2]int // the tuples of each
		want  bool
	}{
		{"none", nil, true},
		{"all in one", [][2]int{{0, tuples}}, false},
		{"all, in parts", [][2]int{{0, 4000}, {4000, 8000}, {8000, tuples}}, false},
		{"few in each of many", [][2]int{{0, 1000}, {0, 1000}, {0, 1000}, {0, 1000}, {0, 1000}, {0, 1000}, {0, 1000}}, true},
		{"few", [][2]int{{0, 1000}, {9000, tuples}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			table := start(t, Options{Shards: 1}, allBits)
			defer table.Close()
			appendFlows(t, table, numbered(0, 0, tuples, 1)...)
			for i, from := range c.hours {
				appendFlows(t, table, numbered(flow.Hour(i+1), from[0], from[1], 1)...)
			}
			table.Freeze(actionOf(Spill, 0)).Install()
			table.scatter(func(_ int, s *shard) {
				if got := s.sparse(s.dict); got != c.want {
					t.Errorf("sparse is %v, not %v", got, c.want)
				}
			}).Wait()
		})
	}
}
