package local

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/go-cmp/cmp"

	"flowd/disk"
	"flowd/disk/crashfs"
	"flowd/flow"
	"flowd/store/manifest"
)

// spillLog fills a log that no checkpoint has shortened, and returns what a start must find. The
// engine is left as a kill leaves it where kill is not nil, and else is closed.
func spillLog(t *testing.T, o Options, kill func()) (totals, uint64) {
	t.Helper()
	e := open(t, o)
	want, flows := make(totals), uint64(0)
	for seq := range uint64(60) {
		var batch []flow.Flow
		for i := range 100 {
			batch = append(batch, tuple(int(seq)*70+i, flow.Hour(seq%4))) // some tuples come again
		}
		e.mustPost(t, flow.Origin{Agent: "a", Seq: seq + 1}, batch...)
		want.add(batch...)
		flows += uint64(len(batch))
	}
	if kill != nil {
		kill()
	}
	e.checkpointer.covered.Store(e.stats.received.Load()) // so that Close makes no checkpoint
	if err := e.Close(); err != nil && kill == nil {
		t.Fatal(err)
	}
	return want, flows
}

// holds compares an engine with what it must have, and that a batch that comes again is known.
func (e *Engine) holds(t *testing.T, want totals, flows uint64) {
	t.Helper()
	if diff := cmp.Diff(want, e.read(t, 0, 1, 2, 3)); diff != "" {
		t.Fatalf("totals (-want +got):\n%s", diff)
	}
	if ledger := e.checkBalance(t); ledger.Stored.Flows != flows {
		t.Fatalf("the account has %d flows, want %d", ledger.Stored.Flows, flows)
	}
	var again []flow.Flow
	for i := range 100 {
		again = append(again, tuple(59*70+i, 59%4))
	}
	if !e.mustPost(t, flow.Origin{Agent: "a", Seq: 60}, again...) {
		t.Fatal("a batch that comes again is counted twice")
	}
}

// TestReplaySpills replays a log that is larger than the memory budget.
func TestReplaySpills(t *testing.T) {
	t.Parallel()
	o := testOptions(t)
	want, flows := spillLog(t, o, nil)
	o.MemoryBudget = 1
	e := open(t, o)
	made := e.Stats().Checkpoints
	if made < 2 {
		t.Errorf("the replay made %d checkpoints, want some", made)
	}
	e.holds(t, want, flows)
	if err := e.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if bytes := e.Stats().LogBytes; bytes != 0 {
		t.Errorf("a checkpoint leaves %d bytes of the log", bytes)
	}
	e.holds(t, want, flows)
	e.mustClose(t)
}

// TestReplayExpiresNothing starts so late that all is to expire: not before the server runs.
func TestReplayExpiresNothing(t *testing.T) {
	t.Parallel()
	o := testOptions(t)
	spillLog(t, o, nil)
	o.MemoryBudget = 1
	o.Clock = func() time.Time { return time.Now().Add(10 * o.Retention) }
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.recover(); err != nil { // not Open, whose checkpointer lets hours expire
		t.Fatal(err)
	}
	m, err := manifest.Read(disk.OS, o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if made := e.stats.checkpoints.Load(); made < 2 || len(m.Hours) != 4 || len(e.hours) != 4 || e.account.Expired.Flows != 0 {
		t.Errorf("%d checkpoints, %d hours in the manifest and %d in the engine, %d flows expired; want 4 hours and none",
			made, len(m.Hours), len(e.hours), e.account.Expired.Flows)
	}
	e.table.Close()
	if err := e.log.Close(); err != nil {
		t.Error(err)
	}
	if err := e.folder.Close(); err != nil {
		t.Error(err)
	}
}

// TestReplayOfDamageChangesNothing has a log whose damage comes behind what is written to disk first.
func TestReplayOfDamageChangesNothing(t *testing.T) {
	t.Parallel()
	o := testOptions(t)
	spillLog(t, o, nil)
	left := filepath.Join(o.Dir, "hours/hour=1/00000001.parquet") // of a checkpoint that did not end
	if err := os.MkdirAll(filepath.Dir(left), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	// The frame in the middle of what is behind the first third.
	segment := filepath.Join(o.Dir, "wal/000000000001.wal")
	text, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	flip(int64(len(bytes.TrimRight(text, "\x00"))/4096/3*2*4096+60))(t, segment)
	before := filesIn(t, o.Dir)
	o.MemoryBudget = 1
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Open(); err == nil || !strings.Contains(err.Error(), "damage in 000000000001.wal") {
		t.Errorf("the start: %v, want damage of segment 1", err)
	}
	if diff := cmp.Diff(before, filesIn(t, o.Dir)); diff != "" {
		t.Errorf("files (-before +after):\n%s", diff)
	}
}

// filesIn returns the files below a folder with what they hold.
func filesIn(t *testing.T, folder string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(folder, func(name string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		all[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestReplayCrashes ends a replay that spills at each of its calls of the disk, by a kill or a power
// cut, and again in the replay after that.
func TestReplayCrashes(t *testing.T) {
	t.Parallel()
	checkpoints, died := 0, 0
	for seed := range crashfs.Seeds(t, 4) {
		rng := rand.New(rand.NewPCG(seed, 17))
		fs := crashfs.New()
		o := DefaultOptions()
		o.Dir, o.Logged, o.FS = "data", true, fs
		o.Log.SegmentBytes = 64 << 10
		o.Shards, o.Batches, o.CheckpointEvery = 2, 8, time.Hour
		o.Logger = slog.New(slog.DiscardHandler)
		next := fs
		want, flows := spillLog(t, o, func() { next = fs.Kill() })
		o.MemoryBudget = 1
		for life := range 4 {
			o.FS, fs = next, next
			var calls atomic.Int64
			deadline := int64(rng.IntN(400))
			if life == 3 {
				deadline = 1 << 62
			}
			fs.Inject(func(op errorfs.Op) error {
				if calls.Add(1) > deadline {
					return &os.PathError{Op: "dead", Path: op.Path, Err: syscall.EIO}
				}
				return nil
			})
			e, err := New(o)
			if err != nil {
				t.Fatal(err)
			}
			err = e.Open()
			survived := calls.Load() <= deadline
			fs.Inject(nil)
			switch {
			case err != nil && life == 3:
				t.Fatalf("seed %d: the last start: %v", seed, err)
			case err != nil:
				died++
			case survived:
				checkpoints += int(e.Stats().Checkpoints)
				e.holds(t, want, flows)
			}
			if rng.IntN(2) == 0 {
				next = fs.Crash(50, rng)
				fs.Kill()
			} else {
				next = fs.Kill()
			}
			if err == nil {
				_ = e.Close()
			}
		}
	}
	if checkpoints == 0 || died == 0 {
		t.Errorf("%d checkpoints, %d starts that ended: the test does not try what it should", checkpoints, died)
	}
}
