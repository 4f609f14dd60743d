package shard

import (
	"errors"
	"math"
	"testing"

	"flowd/flow"

	"github.com/google/go-cmp/cmp"
)

func TestOverlay(t *testing.T) {
	one := func(src string, tx, rx uint64) model { return model{{7, src, "d", "v"}: {BytesTx: tx, BytesRx: rx}} }
	for _, c := range []struct {
		name              string
		block, part, want model
	}{
		{"nothing", model{}, model{}, model{}},
		{"a block alone", one("a", 1, 2), model{}, one("a", 1, 2)},
		{"a part alone", model{}, one("a", 1, 2), one("a", 1, 2)},
		{"the same tuple", one("a", 1, 2), one("a", 3, 4), one("a", 4, 6)},
		{"different tuples", one("a", 1, 2), one("b", 3, 4), plusModel(one("a", 1, 2), one("b", 3, 4))},
		{"no bytes in the part", one("a", 1, 2), one("a", 0, 0), one("a", 1, 2)},
		{"no bytes at all", one("a", 0, 0), one("a", 0, 0), one("a", 0, 0)},
		{"more than fits", one("a", math.MaxUint64, 2), one("a", 1, 1), one("a", math.MaxUint64, 3)},
	} {
		for _, few := range []uint64{0, overlayFew} {
			t.Run(c.name, func(t *testing.T) {
				table := start(t, Options{Shards: 2}, allBits)
				defer table.Close()
				table.limits.few = few
				var part []flow.Flow
				for k, totals := range c.part {
					part = append(part, flow.Flow{SrcApp: k.src, DestApp: k.dest, VPCID: k.vpc, Hour: k.hour, BytesTx: totals.BytesTx, BytesRx: totals.BytesRx})
				}
				appendFlows(t, table, part...)
				got := read(t, table.Overlay(newBlockRows(c.block), table.Rows(7)), 10)
				if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(modelKey{})); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// TestOverlayPassesErrors has a block that fails after some rows: they come, and nothing else.
func TestOverlayPassesErrors(t *testing.T) {
	table := start(t, Options{Shards: 2}, allBits)
	defer table.Close()
	appendFlows(t, table, numbered(7, 0, 10, 1)...)
	block := newBlockRows(modelOf(numbered(7, 5, 20, 1)))
	block.err = errors.New("block: bad checksum")
	rows := table.Overlay(block, table.Rows(7))
	dst := make([]flow.Row, 100)
	seen := 0
	for n := rows.Next(dst); n > 0; n = rows.Next(dst) {
		seen += n
	}
	if seen != 15 || rows.Err() != block.err {
		t.Errorf("%d rows and error %v, not the 15 of the block and its error", seen, rows.Err())
	}
	rows.Close()
	rows.Close()
	if !block.closed {
		t.Error("the block was not closed")
	}
	if n := rows.Next(dst); n != 0 {
		t.Errorf("%d rows after closing", n)
	}
}

func TestOverlayOfOne(t *testing.T) {
	table := start(t, Options{Shards: 2}, allBits)
	defer table.Close()
	block := newBlockRows(modelOf(numbered(7, 0, 3, 1)))
	if got := table.Overlay(block, nil); got != flow.Rows(block) {
		t.Error("a block without a part is not itself")
	}
	if got := table.Overlay(block, table.Rows(7)); got != flow.Rows(block) {
		t.Error("a block with an empty part is not itself")
	}
	part := table.Rows(7)
	if got := table.Overlay(nil, part); got != part {
		t.Error("a part without a block is not itself")
	}
}

// TestOverlayKeepsItsMoment reads a part over its block while the part changes and goes.
func TestOverlayKeepsItsMoment(t *testing.T) {
	const tuples = 16 * overlayLeast
	table := start(t, Options{Shards: 1}, allBits)
	defer table.Close()
	table.limits = limits{renew: 100, step: barrierStep}
	block, part := numbered(7, 0, tuples, 1), numbered(7, 0, tuples, 2)
	appendFlows(t, table, part...)
	rows := table.Overlay(newBlockRows(modelOf(block)), table.Rows(7))
	want := modelOf(block, part)
	dst := make([]flow.Row, 100)
	for i := range 3 { // one chunk is read before, the others after the part's dict has gone
		n := rows.Next(dst)
		for _, r := range dst[:n] {
			src, dest, vpc := r.Key.Names()
			k := modelKey{r.Hour, string(src), string(dest), string(vpc)}
			if r.Totals != want[k] {
				t.Fatalf("%v has %v, not %v", k, r.Totals, want[k])
			}
			delete(want, k)
		}
		appendFlows(t, table, numbered(7, 0, tuples*5/4, 1)...)
		if i == 1 {
			table.Freeze(everyHour(Expire)).Install()
		}
	}
	if diff := cmp.Diff(want, read(t, rows, 256), cmp.AllowUnexported(modelKey{})); diff != "" {
		t.Error(diff)
	}
}
