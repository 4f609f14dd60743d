package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// scenario is one line of the table of measurements.
type scenario struct {
	part string // of --parts
	name string
	// disk tells that its folder must be on a disk.
	disk bool
	// perRound is the number of turns in a round; 0 is one.
	perRound int
	// open prepares the sides that take turns, with its files in dir. What it starts is stopped by the runner.
	open func(ctx context.Context, b *bench, dir string) (*setup, error)
}

// scenarios are all that "make bench" measures, in the order of its table.
var scenarios = []scenario{
	{part: "ingest", name: "taking flows, 1 per POST", open: taking(sizes[0])},
	{part: "ingest", name: "taking flows, 100 per POST", open: taking(sizes[1])},
	{part: "ingest", name: "taking flows, 1000 per POST", open: taking(sizes[2])},
	{part: "latency", name: "reads under load", open: reads},
	{part: "go", name: "Go benchmarks", open: memorySuite.open},
	{part: "questions", name: "questions of a large hour", open: questions},
	{part: "access", name: "tokens and rates", open: guards},
	{part: "access", name: "a flood", open: flood},
	{part: "durability", name: "syncs", disk: true, open: syncs},
	{part: "durability", name: "one flow per POST", disk: true, open: oneFlow},
	{part: "durability", name: "replaying the log", disk: true, open: replay},
	{part: "durability", name: "blocks", disk: true, open: blockSuite.open},
	{part: "durability", name: "checkpoints", disk: true, open: checkpoints},
	{part: "durability", name: "starts", disk: true, open: starts},
	{part: "slowloris", name: "agents beside slow clients", perRound: slowTurns, open: slowloris},
}

// setup is a scenario that was prepared.
type setup struct {
	sides []side
	// check, if not nil, is called after the last turn.
	check func(ctx context.Context) error
	// rows adds the rows and notes of the figures to the table.
	rows func(found) error
}

// side is one of those that take turns. The figures of a turn are by name.
type side struct {
	name    string
	measure func(ctx context.Context) (figures, error)
}

type figures map[string]float64

// found are the figures of all turns by side and name.
type found map[string]map[string][]float64

func (f found) median(side, figure string) float64 { return median(f[side][figure]) }

// missing is a row that cannot be measured, and why.
type missing struct{ what, why string }

func (m *missing) Error() string { return m.what + ": " + m.why }

// runScenario prepares a scenario, has its sides take turns, and adds its rows.
func (b *bench) runScenario(ctx context.Context, s scenario) (err error) {
	defer func() { err = errors.Join(err, b.cleanUp()) }()
	dir := filepath.Join(b.dir, strings.ReplaceAll(s.name, " ", "-"))
	if s.disk {
		if dir, err = b.diskFolder(s.name); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	b.progress("%s", s.name)
	set, err := s.open(ctx, b, dir)
	if err == nil {
		var f found
		if f, err = b.turns(ctx, s.name, b.Rounds*max(s.perRound, 1), set.sides); err == nil && set.check != nil {
			err = set.check(ctx)
		}
		if err == nil {
			err = set.rows(f)
		}
	}
	if m := (*missing)(nil); errors.As(err, &m) {
		b.table.miss(m.what, m.why)
		return nil
	}
	return err
}

// turns measures each side once in each of so many turns, in an order that differs, so that what else the machine does
// meets all of them.
func (b *bench) turns(ctx context.Context, what string, turns int, sides []side) (found, error) {
	f := found{}
	for _, s := range sides {
		f[s.name] = map[string][]float64{}
	}
	for turn := range turns {
		for _, i := range order(len(sides), turn) {
			v, err := sides[i].measure(ctx)
			if err = errors.Join(err, ctx.Err()); err != nil {
				return nil, &sideError{i, sides[i].name, err}
			}
			for name, value := range v {
				f[sides[i].name][name] = append(f[sides[i].name][name], value)
			}
			b.progress("%s, turn %d of %d, %s:%s", what, turn+1, turns, sides[i].name, v.String())
		}
	}
	return f, nil
}

// String returns the figures for the progress.
func (f figures) String() string {
	var text strings.Builder
	for name, value := range sorted(f) {
		fmt.Fprintf(&text, " %s %s", figure(value, ""), name)
	}
	return text.String()
}

// order returns the order of a turn: each second one is the one before it turned around, so that the first is the
// last, and the others are random, but the same in every run.
func order(sides, turn int) []int {
	all := rand.New(rand.NewPCG(1, uint64(turn/2))).Perm(sides)
	if turn%2 == 1 {
		slices.Reverse(all)
	}
	return all
}

// sideError is why a side could not be measured.
type sideError struct {
	side int
	name string
	err  error
}

func (e *sideError) Error() string { return fmt.Sprintf("%s: %v", e.name, e.err) }
func (e *sideError) Unwrap() error { return e.err }

// short is one line of it: what flowd says of its settings, if that is in it.
func (e *sideError) short() string {
	first, rest, _ := strings.Cut(strings.TrimSpace(e.err.Error()), "\n")
	if at := strings.Index(rest, "\nflowd: "); at >= 0 {
		first, _, _ = strings.Cut(rest[at+1:], "\n")
	}
	return fmt.Sprintf("%s: %.100s", e.name, first) // all of it is in the progress
}

// later has f called when the scenario is over.
func (b *bench) later(f func() error) { b.cleanups = append(b.cleanups, f) }

// cleanUp undoes what a scenario did, the last first.
func (b *bench) cleanUp() (err error) {
	for _, f := range slices.Backward(b.cleanups) {
		err = errors.Join(err, f())
	}
	b.cleanups = nil
	return err
}

// diskFolder makes a folder on the disk of --dir, which is removed when the run is over: to give its space back in
// between would keep the disk busy for the next scenario.
func (b *bench) diskFolder(name string) (string, error) {
	if err := os.MkdirAll(b.Dir, 0o777); err != nil {
		return "", err
	}
	if kind, err := fileSystem(b.Dir); err != nil || kind == inMemory {
		return "", errors.Join(err, fmt.Errorf("%s is in memory, which says nothing about a disk: choose another folder by --dir", b.Dir))
	}
	if b.onDisk == "" {
		var err error
		if b.onDisk, err = os.MkdirTemp(b.Dir, "flowd-bench-"); err != nil {
			return "", err
		}
	}
	return filepath.Join(b.onDisk, strings.ReplaceAll(name, " ", "-")), nil
}
