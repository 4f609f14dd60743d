package local

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowd/clock"
	"flowd/disk"
	"flowd/flow"
	"flowd/store/manifest"
)

// replayedClock is what a start makes of the times in the log.
type replayedClock struct {
	State   clock.State
	Written map[flow.Hour]clock.Stamp
	By      map[flow.Hour]string
	Live    map[flow.Hour]bool
}

// recoveredClock starts an engine up to where its checkpointer would begin, and ends it as a kill does: no more is written.
func recoveredClock(t *testing.T, o Options) (found replayedClock, checkpoints int64) {
	t.Helper()
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.recover(); err != nil {
		t.Fatal(err)
	}
	found = replayedClock{e.clock.State(), map[flow.Hour]clock.Stamp{}, map[flow.Hour]string{}, map[flow.Hour]bool{}}
	for label, h := range e.hours {
		found.Written[label], found.By[label], found.Live[label] = h.lastWrite, h.openedBy, h.live
	}
	e.table.Close()
	if err := e.log.Close(); err != nil {
		t.Error(err)
	}
	if err := e.folder.Close(); err != nil {
		t.Error(err)
	}
	return found, e.stats.checkpoints.Load()
}

// TestReplaySpillsKeepTheClock replays a log in whose time the clock was set: with checkpoints on the way, and
// again after a kill behind them, the trusted time and the hours' are those of a replay without.
func TestReplaySpillsKeepTheClock(t *testing.T) {
	t.Parallel()
	o := testOptions(t)
	var m timed
	m.true.set(time.Hour)
	o.CheckpointEvery = year
	m.set(&o)
	e := open(t, o)
	for seq := range 60 {
		m.pass(30 * time.Minute)
		switch seq {
		case 20:
			m.wrong.set(5 * time.Hour)
		case 40:
			m.wrong.set(-2 * time.Hour)
		}
		e.clock.Observe()
		var batch []flow.Flow
		for i := range 100 {
			batch = append(batch, tuple(seq*70+i, m.label(0)))
		}
		e.mustPost(t, sender([]string{"a", "b"}[m.label(0)%2]), batch...)
	}
	e.checkpointer.covered.Store(e.stats.received.Load()) // so that Close makes no checkpoint
	e.mustClose(t)
	m.true.add(3 * time.Hour) // the pause

	whole := o
	whole.Dir = filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(whole.Dir, os.DirFS(o.Dir)); err != nil {
		t.Fatal(err)
	}
	want, none := recoveredClock(t, whole)
	o.MemoryBudget = 1
	first, made := recoveredClock(t, o)
	if made < 2 || none != 0 || len(want.Written) < 20 {
		t.Fatalf("%d and %d checkpoints, %d hours: the test does not try what it should", made, none, len(want.Written))
	}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("without checkpoints, and with (-without +with):\n%s", diff)
	}
	// Each start goes on behind the checkpoints of the one before.
	for made > 0 {
		var again replayedClock
		again, made = recoveredClock(t, o)
		if diff := cmp.Diff(want, again); diff != "" {
			t.Fatalf("without checkpoints, and after a kill behind them (-without +with):\n%s", diff)
		}
	}
}

// TestRecordsUntil has the clock of a log that a version without a trusted clock wrote, whose records are not
// believed far from its manifest: nor are those that a start finds behind a checkpoint of a replay.
func TestRecordsUntil(t *testing.T) {
	t.Parallel()
	hold := time.Hour
	r := recorded{from: clock.Settled(1000), least: 1000, most: 1000 + hold.Milliseconds(), hold: hold}
	r.at(5000)
	var c checkpointPlan
	r.plan(&c)
	if c.at != 5000 || c.recordsUntil != r.most || c.clock.State.Time != 5000 || c.clock.State.Wall != 5000 {
		t.Errorf("at %d until %d: %+v", c.at, c.recordsUntil, c.clock.State)
	}
	if at := r.at(math.MaxInt64 / 2); at.Time != r.most {
		t.Errorf("a record of %d is believed", at.Time)
	}
	c.clock.Apply() // does nothing
	o := testOptions(t)
	o.ClockHold = hold
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	m := &manifest.Manifest{Written: c.at, Log: encodePosition(c.position), Clock: &c.clock.State, RecordsUntil: c.recordsUntil}
	if err := errors.Join(os.MkdirAll(o.Dir, 0o700), manifest.Write(disk.OS, o.Dir, m)); err != nil {
		t.Fatal(err)
	}
	if m, err = manifest.Read(disk.OS, o.Dir); err != nil {
		t.Fatal(err)
	}
	later := e.recordedFrom(m)
	if at := later.at(math.MaxInt64 / 2); at.Time != r.most {
		t.Errorf("after a checkpoint a record of %d is believed, want %d at most", at.Time, r.most)
	}
}
