package view

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"flowd/block"
	"flowd/clock"
	"flowd/disk/crashfs"
	"flowd/flow"
	"flowd/store/manifest"
)

const (
	crashRounds      = 4
	crashCheckpoints = 5
	crashHours       = 4
)

// life is a data folder through power cuts. After each one every file that a reader finds must be whole,
// and one that the hour had at some checkpoint, or have no rows; and the next start makes the folder what
// the manifest says.
type life struct {
	*data
	rng    *rand.Rand
	mem    *crashfs.FS
	mode   Mode
	had    map[string]bool // what an hour had: "hour=1" and the bytes
	seen   map[string]int
	inject func(errorfs.Op) error
	// sabotage is done to each disk.
	sabotage func(errorfs.Op) error
}

func newLife(t *testing.T, seed uint64, mode Mode, seen map[string]int) *life {
	l := &life{rng: rand.New(rand.NewPCG(seed, 7)), mem: crashfs.New(), mode: mode, had: map[string]bool{}, seen: seen}
	l.data = &data{t: t, fs: l.mem, dir: "data"}
	l.must(l.mem.MkdirAll("data"))
	l.must(l.mem.SyncDir("."))
	return l
}

// live goes through some lives of a server and returns what was wrong after one.
func (l *life) live() error {
	for round := range crashRounds {
		if err := l.start(); err != nil {
			return fmt.Errorf("start %d: %w", round, err)
		}
		l.inject = l.calls()
		l.mem.Inject(l.inject)
		f := l.unrepaired(l.mode)
		f.Repair(l.m.Blocks())
		for range l.rng.IntN(crashCheckpoints) {
			if !l.work(f) {
				break
			}
		}
		l.mem.Inject(nil)
		l.cut()
		if err := l.whole(); err != nil {
			return fmt.Errorf("after cut %d: %w", round, err)
		}
	}
	return nil
}

// start reads the manifest, and repairs the folder without faults.
func (l *life) start() error {
	l.mem.Inject(l.sabotage)
	m, err := manifest.Read(l.fs, l.dir)
	if err != nil {
		m = &manifest.Manifest{Log: manifest.Position("{}"), Clock: &clock.State{}}
		if err := manifest.Write(l.fs, l.dir, m); err != nil {
			return err
		}
	}
	l.m = m
	if _, err := manifest.Sweep(l.fs, l.dir, m); err != nil {
		return err
	}
	l.folder(l.mode)
	found, err := Check(l.fs, l.dir, l.m.Blocks(), true)
	if err == nil && len(found.Wrong) > 0 {
		err = fmt.Errorf("%+v", found.Wrong)
	}
	return err
}

// calls fails calls now and then, before or after they do their work, and stops the disk at one of them:
// what comes after that is not done, as when the power is gone.
func (l *life) calls() func(errorfs.Op) error {
	rng := rand.New(rand.NewPCG(l.rng.Uint64(), 5))
	rate, left := []int{0, 0, 60, 15}[rng.IntN(4)], rng.IntN(400)
	return func(op errorfs.Op) error {
		if left--; left < 0 {
			return crashfs.ErrDead
		}
		if rate > 0 && rng.IntN(rate) == 0 {
			l.seen["fault"]++
			err := &os.PathError{Op: "fault", Path: op.Path, Err: []error{syscall.EIO, syscall.ENOSPC}[rng.IntN(2)]}
			if rng.IntN(2) == 0 {
				return crashfs.AfterDoing(err)
			}
			return err
		}
		if l.sabotage != nil {
			return l.sabotage(op)
		}
		return nil
	}
}

// work makes a checkpoint as the engine does, and returns whether the server goes on.
func (l *life) work(f *Folder) bool {
	next := &manifest.Manifest{Log: manifest.Position("{}"), Generation: l.m.Generation + 1 + uint64(l.rng.IntN(2)), Clock: &clock.State{}}
	blocks := l.m.Blocks()
	var old []block.File
	for hour := range flow.Hour(crashHours) {
		switch l.rng.IntN(4) {
		case 0:
			file, err := l.write(hour, next.Generation)
			if err != nil {
				return false
			}
			old = append(old, blocks[hour])
			blocks[hour] = file
			l.mem.Inject(nil)
			text, err := read(l.mem, l.dir+"/"+file.Name)
			l.mem.Inject(l.inject)
			l.must(err)
			l.had[hourFolder(hour)+string(text)] = true
		case 1:
			if b, ok := blocks[hour]; ok {
				old = append(old, b)
				delete(blocks, hour)
				l.seen["expired"]++
			}
		}
	}
	next.Hours = entries(blocks)
	if manifest.Write(l.fs, l.dir, next) != nil {
		return false
	}
	l.m = next
	f.Follow(next.Blocks())
	for _, b := range old {
		if b != (block.File{}) {
			_ = block.Remove(l.fs, l.dir, b) // the next start does it
		}
	}
	for range 1 + l.rng.IntN(3) {
		f.pass(l.rng.IntN(4) == 0)
	}
	if f.Behind() > 0 {
		l.seen["behind"]++
	}
	l.seen["checkpoint"]++
	return true
}

// cut cuts the power.
func (l *life) cut() {
	l.mem = l.mem.Crash([]int{0, 50, 100}[l.rng.IntN(3)], l.rng)
	l.fs = l.mem
}

// whole holds that a reader finds whole files alone.
func (l *life) whole() error {
	columns, err := block.NoRows()
	l.must(err)
	for name, text := range visible(l.t, l.fs, l.dir) {
		if string(text) != string(columns) && !l.had[name+string(text)] {
			return fmt.Errorf("%s has %d bytes that it had at no checkpoint", name, len(text))
		}
		l.seen["found"]++
	}
	return nil
}

func TestPowerCuts(t *testing.T) {
	for _, mode := range modes {
		seen := map[string]int{}
		for seed := range crashfs.Seeds(t, 20) {
			if err := newLife(t, seed, mode, seen).live(); err != nil {
				t.Fatalf("%s: seed %d: %v", mode, seed, err)
			}
		}
		for _, what := range []string{"fault", "expired", "behind", "checkpoint", "found"} {
			if seen[what] == 0 {
				t.Errorf("%s: there was no %s: the test does not try what it should", mode, what)
			}
		}
		t.Log(mode, seen)
	}
}

// TestSabotage leaves out each sync that the folder makes, and must see it.
func TestSabotage(t *testing.T) {
	for name, of := range map[string]string{"the copy of a block": newName(""), "the file without rows": newName(columnsHour)} {
		seen, found := map[string]int{}, false
		for seed := range uint64(2000) {
			l := newLife(t, seed, Copy, seen)
			l.sabotage = func(op errorfs.Op) error {
				if op.Kind == errorfs.OpFileSync && strings.Contains(op.Path, of) {
					return crashfs.ErrSkip
				}
				return nil
			}
			if err := l.live(); err != nil {
				t.Logf("%s: seed %d: %v", name, seed, err)
				found = true
				break
			}
		}
		if !found {
			t.Errorf("that %s is not synced is not seen", name)
		}
	}
}
