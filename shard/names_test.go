package shard

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"flowd/flow"
)

const bySrc = flow.Fields(1 << flow.SrcApp)

// formsOf reads an hour by columns, and returns how many of its scans had codes, and how many keys.
func formsOf(t failer, table *Table, h flow.Hour, names flow.Fields) (byCodes, byKeys int) {
	t.Helper()
	scans := table.Ask(h).Columns(names)
	readColumns(t, scans, h, names)
	for _, s := range scans {
		if s.(*scan).keys {
			byKeys++
		} else {
			byCodes++
		}
	}
	return byCodes, byKeys
}

// heldBytes returns what the shards say that they hold, once what was numbered is in it.
func heldBytes(table *Table) uint64 {
	table.Ask(flow.MaxHour).Empty()
	return settled(table).Bytes
}

// TestTooManyNames gives up the one field that has too many names, when it has them, and no other.
func TestTooManyNames(t *testing.T) {
	const most, byVPC = 100, flow.Fields(1 << flow.VPCID)
	table := start(t, Options{Shards: 1}, allBits)
	defer table.Close()
	table.limits.names, table.limits.renew = most, most/2
	expect := func(when string, names flow.Fields, byCodes int) {
		t.Helper()
		if codes, keys := formsOf(t, table, 1, names); codes != byCodes || keys != 1-byCodes {
			t.Errorf("%s, names %03b: %d scans by codes and %d by keys", when, names, codes, keys)
		}
	}
	appendFlows(t, table, numbered(1, 0, most, 1)...)
	dict := heldBytes(table)
	expect("with as many as may be", bySrc, 1)
	expect("with as many as may be", byVPC, 1)
	expect("with as many as may be", bySrc|byVPC, 1)
	expect("with as many as may be", flow.AllFields, 0)
	byName := heldBytes(table) - dict
	appendFlows(t, table, numbered(1, most, most+1, 1)...)
	expect("with one more", bySrc, 0)
	expect("with one more", byVPC, 1)
	expect("with one more", bySrc|byVPC, 0)
	expect("with one more, again", bySrc, 0)
	if left := heldBytes(table) - dict; left > byName/2 {
		t.Errorf("%d bytes of names are left of %d after the field with most of them was given up", left, byName)
	}
	table.Freeze(everyHour(Expire)).Install()
	appendFlows(t, table, numbered(1, 0, most, 1)...)
	expect("in a new dict", bySrc, 1)
}

// TestNumbersAreHeld counts the memory of what was numbered, for as long as it is there.
func TestNumbersAreHeld(t *testing.T) {
	const tuples = 10_000
	table := start(t, Options{Shards: 2}, allBits)
	defer table.Close()
	table.limits.renew = tuples / 4
	appendFlows(t, table, numbered(1, 0, tuples, 1)...)
	before := heldBytes(table)
	for range 3 {
		formsOf(t, table, 1, bySrc)
	}
	// A code and a name of 6 bytes with what finds it, each with the room that is left for more.
	const least, most = 4 + 16 + 8 + 5, 2*(16+8+6) + 5
	held := heldBytes(table) - before
	if held < least*tuples || held > most*tuples {
		t.Errorf("%d bytes of %d names are held, not %d to %d", held, tuples, least*tuples, most*tuples)
	}
	before += held
	formsOf(t, table, 1, flow.Fields(0).With(flow.VPCID))
	if held := heldBytes(table) - before; held < 4*tuples || held > 5*tuples {
		t.Errorf("%d bytes of %d names that are the same are held", held, tuples)
	}
	appendFlows(t, table, numbered(2, 0, 10, 1)...)
	table.Freeze(actionOf(Expire, 1)).Install()
	if left := heldBytes(table); left > before/4 {
		t.Errorf("%d bytes are held after the dict went, of %d without names", left, before)
	}
}

// TestSparseHour reads an hour by keys that has few of the tuples that its chunks have, and numbers none.
func TestSparseHour(t *testing.T) {
	table := start(t, Options{Shards: 1}, allBits)
	defer table.Close()
	appendFlows(t, table, numbered(1, 0, 10*chunkSize, 1)...)
	appendFlows(t, table, numbered(2, 0, 10*chunkSize, sparse+1)...)
	appendFlows(t, table, numbered(3, 0, 10*chunkSize, sparse-1)...)
	before := heldBytes(table)
	if byCodes, _ := formsOf(t, table, 2, bySrc); byCodes > 0 || heldBytes(table) != before {
		t.Error("a sparse hour has its names numbered")
	}
	if byCodes, _ := formsOf(t, table, 3, bySrc); byCodes != 1 {
		t.Error("an hour that is not sparse is read by keys")
	}
}

// TestOnlyChunksOfTheHourAreNumbered asks about hours with different chunks of a dict.
func TestOnlyChunksOfTheHourAreNumbered(t *testing.T) {
	table := start(t, Options{Shards: 1}, allBits)
	defer table.Close()
	const tuples = 20 * chunkSize
	for h := range flow.Hour(4) {
		appendFlows(t, table, numbered(h, int(h)*tuples, int(h+1)*tuples, 1)...)
	}
	table.Hours()
	n := &table.shards[0].dict.names.fields[flow.SrcApp]
	for i, h := range []flow.Hour{2, 0, 2, 3, 1} {
		formsOf(t, table, h, bySrc)
		if want := tuples * []int{1, 2, 2, 3, 4}[i]; len(n.list.names) != want {
			t.Errorf("%d names are numbered after hour %d, not %d", len(n.list.names), h, want)
		}
	}
}

// TestLooksOfManyTimes has looks that know of ever more tuples, and reads the later ones first.
func TestLooksOfManyTimes(t *testing.T) {
	table := start(t, Options{Shards: 1}, allBits)
	defer table.Close()
	var looks []look
	all := model{}
	for n := range 20 {
		flows := numbered(1, n*37, n*37+50, 1)
		appendFlows(t, table, flows...)
		all = plusModel(all, modelOf(flows))
		looks = append(looks, look{table.Ask(1).Columns(bySrc), bySrc, all, func(*scan) string { return "codes" }})
	}
	numbered := &table.shards[0].dict.names.fields[flow.SrcApp].done
	for _, l := range slices.Backward(looks) {
		before := slices.Clone(*numbered)
		l.check(t)
		if before != nil && !slices.Equal(*numbered, before) {
			t.Errorf("%d ids of each chunk are numbered, of which later ones knew %d", *numbered, before)
		}
	}
}

// TestAskedWhileItGrows has readers that number names, and read what others number, while the hour grows
// and checkpoints take it out of memory.
func TestAskedWhileItGrows(t *testing.T) {
	table := start(t, Options{Shards: 2}, allBits)
	defer table.Close()
	table.limits.renew = 500
	var writer, readers sync.WaitGroup
	var done atomic.Bool
	writer.Go(func() {
		for n := range 100 {
			appendFlows(t, table, numbered(flow.Hour(n%2), n*20, n*20+100, 1)...)
			if n%10 == 9 {
				f := table.Freeze(everyHour(Action(n / 10 % 2)))
				appendFlows(t, table, numbered(flow.Hour(n%2), n*20+50, n*20+200, 1)...)
				f.Install()
			}
		}
	})
	for range 3 {
		readers.Go(func() {
			for !done.Load() {
				names := flow.Fields(rand.IntN(int(flow.AllFields) + 1))
				h := flow.Hour(rand.IntN(2))
				readColumns(t, table.Ask(h).Columns(names), h, names)
			}
		})
	}
	writer.Wait()
	done.Store(true)
	readers.Wait()
}

// TestNameList holds a list to a map, however hashes collide, and its size to what is in it.
func TestNameList(t *testing.T) {
	for _, mask := range []uint32{0, 1, 0xff, 0xffff_ffff} {
		t.Run(fmt.Sprintf("mask=%x", mask), func(t *testing.T) {
			var l nameList
			numbers, given, text := map[string]uint32{}, []string(nil), 0
			for i := range 3000 {
				n := i * i % 1009
				name := strings.Repeat("x", n%flow.MaxName) + fmt.Sprint(n)
				want, known := numbers[name]
				if !known {
					want = uint32(len(given))
					numbers[name], given, text = want, append(given, name), text+len(name)
				}
				if got := l.number([]byte(name), uint32(n)*0x9e3779b9&mask); got != want {
					t.Fatalf("%s has number %d, not %d", name, got, want)
				}
			}
			if !slices.Equal(l.names, given) {
				t.Errorf("%s, not %v", l.names, given)
			}
			least := uint64(text + len(given)*(16+8))
			if size := l.size(); size < least || size > 2*least {
				t.Errorf("%d names of %d bytes are said to take %d", len(given), text, size)
			}
		})
	}
}

// TestColumnsOfACrowd adds up, by columns, an hour that is partly on disk, among writers and checkpoints.
func TestColumnsOfACrowd(t *testing.T) {
	table := start(t, Options{Shards: 4, Batches: 6}, allBits)
	defer table.Close()
	table.limits = limits{renew: 20, move: 50, few: 200, step: 1, names: 300}
	c := &crowd{t: t, table: table, disk: map[flow.Hour]model{}}
	var writers, others sync.WaitGroup
	var done atomic.Bool
	writers.Go(func() { c.write(150) })
	for range 2 {
		others.Go(func() {
			for n := 0; !done.Load(); n++ {
				c.look(flow.Hour(n%len(c.sent)), bySrc)
			}
		})
	}
	others.Go(func() {
		for n := 0; !done.Load(); n++ {
			c.checkpoint(n%3 == 0, everyHour(Action(n%2)*Spill))
		}
	})
	writers.Wait()
	done.Store(true)
	others.Wait()
}

// look is read by columns.
func (c *crowd) look(h flow.Hour, names flow.Fields) {
	least := c.sent[h].Load()
	c.sending.Lock()
	answer, block := c.table.Ask(h), maps.Clone(c.disk[h])
	most := c.began[h].Load()
	c.sending.Unlock()
	sum := uint64(0)
	for _, totals := range block {
		sum += totals.BytesTx
	}
	for _, totals := range readColumns(c.t, answer.Columns(names), h, names) {
		sum += totals.BytesTx
	}
	if sum < least || sum > most {
		c.t.Errorf("hour %d has %d bytes, not %d to %d", h, sum, least, most)
	}
}
