package local

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/go-cmp/cmp"

	"flowd/disk/crashfs"
	"flowd/flow"
	"flowd/store/manifest"
	"flowd/view"
)

// crashRun is the life of an engine through crashes: agents post batches with names, and post
// again, after the next start, what they have no answer to.
type crashRun struct {
	rng *rand.Rand
	fs  *crashfs.FS
	o   Options

	mu         sync.Mutex
	crash      func() // called with mu held
	crashAfter int    // so many batches
	crashed    bool
	counted    totals      // what was answered
	flows      uint64      // how many
	pending    []sentBatch // what has no answer
	refusal    error       // of the last of them
	seq        map[int]uint64
	seen       map[string]int // what happened, so that the test can tell that it does happen
}

// sentBatch is a batch that was sent at least once.
type sentBatch struct {
	origin flow.Origin
	flows  []flow.Flow
}

const (
	crashAgents = 3
	crashHours  = 4
	crashRounds = 4
	crashPosts  = 15
)

func newCrashRun(seed uint64) *crashRun {
	rng := rand.New(rand.NewPCG(seed, 11))
	run := &crashRun{
		rng: rng, fs: crashfs.New(), o: DefaultOptions(),
		counted: make(totals), seq: make(map[int]uint64), seen: make(map[string]int),
	}
	run.o.Dir, run.o.Logged = "data", true
	run.o.Log.SegmentBytes = 64 << 10
	run.o.Shards, run.o.Batches = 2, 8
	run.o.CheckpointEvery = time.Hour
	run.o.Logger = slog.New(slog.DiscardHandler)
	if rng.IntN(2) == 0 {
		run.o.MemoryBudget = 1 // all hours leave memory at each checkpoint
	}
	return run
}

// live goes through some crashes and returns what was wrong after one of them.
func (run *crashRun) live() error {
	for round := range crashRounds {
		if err := run.round(round == crashRounds-1); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
	}
	return nil
}

// round opens the engine, posts again what is pending, compares, works, and crashes.
func (run *crashRun) round(last bool) error {
	e, err := run.open()
	if err != nil {
		return fmt.Errorf("opening after a crash: %w", err)
	}
	pending := run.pending
	run.pending, run.crash, run.crashed = nil, nil, false
	for _, b := range pending {
		run.send(e, b)
	}
	if err := errors.Join(run.compare(e), run.account(e), run.parquet()); err != nil || last {
		return errors.Join(err, e.Close())
	}
	run.fs.Inject(run.faults())
	run.work(e)
	return nil
}

// open opens the engine; sometimes first with faults, which it may fail of but not suffer from.
func (run *crashRun) open() (*Engine, error) {
	for faulty := run.rng.IntN(4) == 0; ; faulty = false {
		run.fs.Inject(nil)
		if faulty {
			run.fs.Inject(run.faults())
		}
		run.o.FS = run.fs
		e, err := New(run.o)
		if err != nil {
			return nil, err
		}
		if err = e.Open(); err == nil && !faulty {
			return e, nil
		}
		if !faulty {
			return nil, err
		}
		next := run.fs.Crash(50, run.rng)
		run.fs.Kill()
		if err == nil {
			_ = e.Close()
		} else {
			run.seen["failed start"]++
		}
		run.fs = next
	}
}

// compare holds what the engine answers to what was answered.
func (run *crashRun) compare(e *Engine) error {
	if len(run.pending) > 0 {
		return fmt.Errorf("%d batches are refused without a fault: %w", len(run.pending), run.refusal)
	}
	got, err := e.readHours(0, 1, 2, 3)
	if err != nil {
		return err
	}
	if diff := cmp.Diff(run.counted, got); diff != "" {
		return fmt.Errorf("totals (-want +got):\n%s", diff)
	}
	return nil
}

// account holds the engine's account to its tables, and to what was answered.
func (run *crashRun) account(e *Engine) error {
	var ledger flow.Ledger
	var view *hoursView
	e.ask(func() { ledger, view = e.ledger(), e.viewHours() })
	if found := balance(&ledger, view.hours()); found != (imbalance{}) {
		return fmt.Errorf("the account and the tables differ by %+v", found)
	}
	if ledger.Stored.Flows != run.flows {
		return fmt.Errorf("the account has %d flows, and %d were answered", ledger.Stored.Flows, run.flows)
	}
	return nil
}

// parquet holds the folder that other programs read to the manifest, as the start has made it, or as a
// checkpoint that the engine makes meanwhile does shortly after.
func (run *crashRun) parquet() error {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		m, err := manifest.Read(run.fs, run.o.Dir)
		if err != nil {
			return err
		}
		found, err := view.Check(run.fs, run.o.Dir, m.Blocks(), true)
		if err != nil || len(found.Wrong) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("parquet/: %+v", found.Wrong)
		}
	}
}

// work posts from several agents, with checkpoints beside them, until the crash.
func (run *crashRun) work(e *Engine) {
	rng := rand.New(rand.NewPCG(run.rng.Uint64(), 13)) // of the crash, which comes beside the rest
	run.crashAfter = run.rng.IntN(2 * crashAgents * crashPosts)
	crash := [...]func() *crashfs.FS{
		run.fs.Kill,
		func() *crashfs.FS { return run.fs.Crash(0, rng) },
		func() *crashfs.FS { return run.fs.Crash(50, rng) },
		func() *crashfs.FS { return run.fs.Crash(100, rng) },
	}[run.rng.IntN(4)]
	var next *crashfs.FS
	run.crash = func() {
		run.crashed = true
		next = crash()
	}
	checkpoints := run.rng.IntN(3)
	var working sync.WaitGroup
	for agent := range crashAgents {
		rng := rand.New(rand.NewPCG(run.rng.Uint64(), 3))
		working.Go(func() { run.agent(e, agent, rng) })
	}
	working.Go(func() {
		for range checkpoints {
			err := e.Checkpoint()
			run.mu.Lock()
			if run.seen["checkpoint"]++; err != nil {
				run.seen["failed checkpoint"]++
			}
			run.mu.Unlock()
		}
	})
	working.Wait()
	if !run.crashed {
		run.crash()
	}
	run.fs.Kill()
	_ = e.Close() // of what was left behind
	run.fs = next
}

// agent posts batches of its own, and now and then one twice.
func (run *crashRun) agent(e *Engine, agent int, rng *rand.Rand) {
	for range crashPosts {
		run.mu.Lock()
		run.seq[agent]++
		seq := run.seq[agent]
		run.mu.Unlock()
		b := sentBatch{origin: flow.Origin{Agent: fmt.Sprint("agent-", agent), Seq: seq}}
		if agent == 0 {
			b.origin = flow.Origin{Client: "c", Key: fmt.Sprint("key-", seq)}
		}
		for range 1 + rng.IntN(20) {
			b.flows = append(b.flows, tuple(rng.IntN(50), flow.Hour(rng.IntN(crashHours))))
		}
		if counted := run.send(e, b); counted && rng.IntN(4) == 0 {
			receipt, err := e.post(b.origin, b.flows...)
			run.mu.Lock()
			if err == nil && !receipt.Duplicate {
				run.seen["counted twice"]++
			}
			run.mu.Unlock()
		}
	}
}

// send posts b and enters what came of it.
func (run *crashRun) send(e *Engine, b sentBatch) (counted bool) {
	_, err := e.post(b.origin, b.flows...)
	run.mu.Lock()
	defer run.mu.Unlock()
	if run.crash != nil && !run.crashed {
		if run.crashAfter--; run.crashAfter == 0 {
			defer run.crash()
		}
	}
	if err != nil || run.crashed {
		run.refusal = err
		run.pending = append(run.pending, b)
		return false
	}
	run.counted.add(b.flows...)
	run.flows += uint64(len(b.flows))
	return true
}

// faults returns an injector that fails a call now and then, as a disk does: some before they do
// anything, some after.
func (run *crashRun) faults() func(errorfs.Op) error {
	rng := rand.New(rand.NewPCG(run.rng.Uint64(), 5))
	rate := []int{0, 0, 300, 60}[rng.IntN(4)]
	return func(op errorfs.Op) error {
		if rate == 0 || rng.IntN(rate) > 0 {
			return nil
		}
		err := &os.PathError{Op: "fault", Path: op.Path, Err: []error{syscall.EIO, syscall.ENOSPC}[rng.IntN(2)]}
		if rng.IntN(3) == 0 {
			return crashfs.AfterDoing(err)
		}
		return err
	}
}

func TestCrashes(t *testing.T) {
	seen := make(map[string]int)
	for seed := range crashfs.Seeds(t, 25) {
		run := newCrashRun(seed)
		if err := run.live(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for what, n := range run.seen {
			seen[what] += n
		}
	}
	if seen["counted twice"] > 0 {
		t.Errorf("batches that were sent twice were counted twice: %d", seen["counted twice"])
	}
	for _, what := range []string{"checkpoint", "failed checkpoint", "failed start"} {
		if seen[what] == 0 {
			t.Errorf("there was no %s: the test does not try what it should", what)
		}
	}
}
