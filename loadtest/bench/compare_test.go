package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPaired(t *testing.T) {
	// A machine that becomes half as fast changes both figures of a round, and no ratio.
	tree, base := []float64{90, 44, 99}, []float64{100, 50, 100}
	if r := paired(tree, base, false); r != (ratio{0.9, 0.88, 0.99}) {
		t.Errorf("more is better: %v", r)
	}
	if r := paired([]float64{2, 4, 4, 9, 1}, []float64{1, 4, 2, 3, 8}, true); r != (ratio{0.5, 0.5, 1}) {
		t.Errorf("less is better: %v", r)
	}
	row := newRatioRow(measurement{what: "what", unit: "ms"}, byWall, found{"base": {"ms": {1, 3}}, "tree": {"ms": {2, 2}}, "base again": {"ms": {1, 6}}})
	if want := (ratioRow{what: "what", by: byWall, unit: "ms", tree: 2, base: 2, ratio: ratio{1, 0.5, 1.5}, noise: ratio{0.75, 0.5, 1}}); row != want {
		t.Errorf("%+v, want %+v", row, want)
	}
}

func TestOrderOfTurns(t *testing.T) {
	first := [3]int{}
	for round := 0; round < 60; round += 2 {
		a, b := order(3, round), order(3, round+1)
		first[a[0]]++
		first[b[0]]++
		slices.Reverse(b)
		if !slices.Equal(a, b) || !slices.Equal(slices.Sorted(slices.Values(a)), []int{0, 1, 2}) {
			t.Errorf("round %d: %v, then %v turned around", round, a, b)
		}
	}
	if slices.Min(first[:]) < 10 {
		t.Errorf("of 60 rounds the sides were first in %v", first)
	}
}

func TestFlagsThatACommitLacks(t *testing.T) {
	b := bench{flags: flagsOf("Usage: flowd serve\n\nFlags:\n  -h, --help    Show --this.\n      --listen=\"127.0.0.1:8080\"   Where, as --that.\n      --[no-]insecure\n      --data=FOLDER\n      --checkpoint-interval=5m\n")}
	if len(b.flags) != 5 || !b.flags["help"] || !b.flags["insecure"] {
		t.Errorf("flags %v", b.flags)
	}
	if got := b.known([]string{"--listen=a", "--admin-listen=off", "--data="}); !slices.Equal(got, []string{"--listen=a", "--data="}) {
		t.Errorf("known are %v", got)
	}
	if err := b.lacks([]string{"--data", "--durability"}); err == nil || err.Error() != "it has no --durability" {
		t.Errorf("error %v", err)
	}
	early := bench{flags: map[string]bool{"data": true}}
	if got := early.known([]string{"--data=", "--data=x"}); !slices.Equal(got, []string{"--data=x"}) {
		t.Errorf("of a program without checkpoints known are %v", got)
	}
	e := sideError{baseSide, "base", errors.New("base ended at its start\nended, and printed:\nflowd: --data: is empty\n")}
	if e.short() != "base: flowd: --data: is empty" {
		t.Errorf("in short %q", e.short())
	}
	if all := (&bench{}).known([]string{"--any=1"}); len(all) != 1 {
		t.Errorf("without a look at its flags %v are known", all)
	}
}

// What the base cannot do is said in the table, what the tree cannot do ends the run.
func TestRowsThatCannotBeMeasured(t *testing.T) {
	b := &bench{log: t.Output()}
	measured := 0.0
	count := func(context.Context) (figures, error) { measured++; return figures{"n": measured}, nil }
	f, err := b.turns(t.Context(), "x", 2, []side{{"a", count}, {"b", count}, {"c", count}})
	if err != nil || measured != 6 || len(f) != 3 || len(f["a"]["n"]) != 2 {
		t.Errorf("%v, %v", f, err)
	}
	var failed *sideError
	no := func(context.Context) (figures, error) { return nil, errors.New("no") }
	if _, err := b.turns(t.Context(), "x", 2, []side{{"a", no}}); !errors.As(err, &failed) {
		t.Errorf("error %v", err)
	}
	var text strings.Builder
	writeRatios(&text, []ratioRow{{what: "a", by: byWall, why: "base: it has no --data"},
		{what: "b", by: byProcessor, unit: "flows/s", tree: 97, base: 100, ratio: ratio{0.97, 0.9, 1}, noise: ratio{1, 0.99, 1.01}}})
	for _, want := range []string{"not measured: base: it has no --data", "0.970 (0.900 to 1.000)", "1.000 (0.990 to 1.010)"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, text.String())
		}
	}
}

// TestComparisonOfFlowd runs all of a comparison for a moment, of the tree with itself, once with all
// flags, and once as if the base had none for durability.
func TestComparisonOfFlowd(t *testing.T) {
	runtime.LockOSThread() // the servers end with it
	b := &bench{
		options: options{Rounds: 1, For: 200 * time.Millisecond, WarmUp: 10 * time.Millisecond, Connections: 2},
		dir:     t.TempDir(), log: t.Output(),
	}
	t.Setenv("CGO_ENABLED", "0") // as released, and as other tests build flowd: Go compiles it once
	if err := b.build(t.Context()); err != nil {
		t.Fatal(err)
	}
	help, err := command(t.Context(), "", b.flowd, "serve", "--help")
	if err != nil {
		t.Fatal(err)
	}
	c := &compared{bench: b, dir: t.TempDir(), tuples: 2000, batches: 10}
	for i := range sideNames {
		own := *b
		own.flags = flagsOf(help)
		c.programs = append(c.programs, &program{bench: &own, dir: filepath.Join(c.dir, fmt.Sprint(i))})
	}
	if err := c.measureAll(t.Context(), comparisons); err != nil {
		t.Fatal(err)
	}
	for _, r := range c.rows {
		if r.why != "" || r.tree <= 0 || r.base <= 0 || r.ratio.median <= 0 || r.noise.median <= 0 {
			t.Errorf("row %+v", r)
		}
	}
	all := len(c.rows)
	c.rows = nil
	delete(c.programs[baseSide].flags, "durability")
	if err := c.measureAll(t.Context(), comparisons[1:4]); err != nil {
		t.Fatal(err)
	}
	missing := 0
	for _, r := range c.rows {
		if r.why != "" {
			missing++
		}
	}
	if all != 2*len(sizes)+4 || missing != len(sizes)+2 || len(c.rows) != missing {
		t.Errorf("%d and %d rows, %d of these missing", all, len(c.rows), missing)
	}
	delete(c.programs[treeSide].flags, "durability")
	if err := c.measureAll(t.Context(), comparisons[1:4]); err == nil {
		t.Error("the tree lacks a flag, and that is no error")
	}
}
