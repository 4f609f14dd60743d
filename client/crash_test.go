package client

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"flowd/disk/crashfs"
	"flowd/flow"
)

// crashRun takes a folder through crashes and power cuts, with a server that fails in every way.
type crashRun struct {
	rng    *rand.Rand
	fs     *crashfs.FS
	server *memoryServer
	o      Options

	added     int    // number of flows; flow n is named n
	firstFlow int    // first flow of the current client
	saved     []bool // for each flow: Save has returned without an error
	coverage  map[string]int

	down bool // the server does not answer in this round

	mu       sync.Mutex
	faultRNG *rand.Rand   // decides which calls fail
	failures atomic.Int64 // failed calls of the disk
}

const crashRounds = 6

func newCrashRun(seed uint64) *crashRun {
	run := &crashRun{
		rng: rand.New(rand.NewPCG(seed, 5)), faultRNG: rand.New(rand.NewPCG(seed, 6)),
		fs: crashfs.New(), server: newMemoryServer(), coverage: map[string]int{},
	}
	run.o = run.server.options()
	run.o.Dir = "spool"
	run.o.Encoding = []Encoding{Plain, Gzip, Zstandard}[run.rng.IntN(3)]
	return run
}

// run runs several rounds, then sends the rest and checks the outcome.
func (r *crashRun) run(t *testing.T) error {
	for round := range crashRounds {
		if err := r.round(t); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
	}
	r.server.setFault(nil)
	r.o.FS = r.fs
	c, err := New(r.o)
	if err != nil {
		return err
	}
	if err := c.Open(); err != nil {
		return err
	}
	mustClose(t, c)
	if err := r.checkStats(c); err != nil {
		return err
	}
	return r.checkServer(t)
}

// round runs one client up to a crash after a random number of disk calls.
func (r *crashRun) round(t *testing.T) error {
	var dead atomic.Bool
	r.down = r.rng.IntN(3) == 0
	r.server.setFault(func(int, *http.Request) fault { return r.serverFault(&dead) })
	r.fs.Inject(r.diskFaults(&dead))
	r.o.FS = r.fs
	r.o.BatchFlows, r.o.Connections = 1+r.rng.IntN(3), 1+r.rng.IntN(4)
	r.o.WhenFull, r.o.SpoolBytes = Wait, 256<<20
	c, err := New(r.o)
	if err != nil {
		return err
	}
	r.firstFlow = r.added
	opened := c.Open() == nil
	if opened {
		r.work(c, &dead)
		r.coverage["opened"]++
	}
	dead.Store(true)
	var next *crashfs.FS
	if r.rng.IntN(2) == 0 {
		next = r.fs.Crash([]int{0, 50, 100}[r.rng.IntN(3)], r.rng)
		r.fs.Kill()
		r.coverage["power cut"]++
	} else {
		next = r.fs.Kill()
		r.coverage["kill"]++
	}
	if opened {
		closeNow(t, c)
		err = r.checkStats(c)
	}
	r.fs = next
	return err
}

// work adds flows until the crash, or for a while.
func (r *crashRun) work(c *Client, dead *atomic.Bool) {
	for range 20 + r.rng.IntN(200) {
		if dead.Load() {
			return
		}
		f := flow.Flow{SrcApp: fmt.Sprint(r.added), DestApp: "db", VPCID: "vpc-0", BytesTx: 1, Hour: 7}
		if c.Add(&f) != nil {
			return
		}
		r.added++
		r.saved = append(r.saved, false)
		switch r.rng.IntN(12) {
		case 0:
			r.save(c)
		case 1:
			time.Sleep(time.Duration(r.rng.IntN(1000)) * time.Millisecond)
		case 2:
			synctest.Wait()
		}
	}
	if r.rng.IntN(2) == 0 {
		r.save(c)
		time.Sleep(time.Duration(r.rng.IntN(60)) * time.Second)
	}
}

// save calls Save, and records the flows that must not be lost if it succeeds.
func (r *crashRun) save(c *Client) {
	if c.Save() != nil {
		r.coverage["save failed"]++
		return
	}
	r.coverage["saved"]++
	for i := r.firstFlow; i < r.added; i++ {
		r.saved[i] = true
	}
}

// diskFaults returns a disk that fails at random, and for good after a random number of calls.
func (r *crashRun) diskFaults(dead *atomic.Bool) func(errorfs.Op) error {
	calls, last := 0, r.rng.IntN(1500)
	rate := []int{0, 0, 50, 500}[r.rng.IntN(4)]
	return func(op errorfs.Op) error {
		if calls++; calls > last || dead.Load() {
			dead.Store(true)
			return crashfs.ErrDead
		}
		if rate > 0 && calls > 20 && r.random(rate) == 0 && !strings.HasSuffix(op.Path, lockFile) {
			r.failures.Add(1)
			switch r.random(3) {
			case 0:
				return crashfs.AfterDoing(syscall.EIO)
			case 1:
				return syscall.ENOSPC
			}
			return syscall.EIO
		}
		return nil
	}
}

// serverFault returns a random fault of the server. A dead client gets no connection.
func (r *crashRun) serverFault(dead *atomic.Bool) fault {
	if dead.Load() || r.down && r.random(200) > 0 {
		return fault{noConnection: true}
	}
	counts := r.random(2) == 0
	switch r.random(8) {
	case 0:
		return fault{hangUp: true, counts: counts}
	case 1:
		return fault{answer: problemAnswer(500, "oh"), counts: counts}
	case 2:
		return fault{answer: problemAnswer([]int{429, 503}[r.random(2)], "busy", "Retry-After", "1")}
	case 3:
		return fault{answer: textAnswer(200, `{"acc`), counts: counts}
	}
	return fault{}
}

// random returns a number in [0,n).
func (r *crashRun) random(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.faultRNG.IntN(n)
}

// checkStats checks the counters of a client at its end.
func (r *crashRun) checkStats(c *Client) error {
	s := c.Stats()
	if s.Refused.Batches+s.Dropped.Batches+s.Damaged.Batches > 0 {
		return fmt.Errorf("no batch may be refused, dropped or damaged: %+v", s)
	}
	// A file whose removal failed or was not synced may come back after the server forgot the batch.
	// checkServer holds that such a batch counts once.
	if s.InDoubt.Batches > 0 && r.failures.Load() == 0 {
		return fmt.Errorf("no batch may be in doubt: %+v", s)
	}
	for name, n := range map[string]uint64{
		"duplicates": s.Duplicate.Batches, "recovered": s.Recovered.Batches, "retries": s.Retries, "unsaved": s.Unsaved.Batches,
	} {
		r.coverage[name] += int(n)
	}
	return nil
}

// checkServer holds that every saved flow counts once, and no flow counts twice.
func (r *crashRun) checkServer(t *testing.T) error {
	counts := r.server.counted(t)
	for i, saved := range r.saved {
		n := counts[fmt.Sprint(i)]
		if n > 1 || saved && n == 0 {
			return fmt.Errorf("flow %d of %d counts %d times; saved: %t", i, r.added, n, saved)
		}
		if n == 0 {
			r.coverage["lost unsaved"]++
		}
	}
	if len(counts) > r.added {
		return fmt.Errorf("%d flows count, of %d", len(counts), r.added)
	}
	return nil
}

// TestCrashes holds that through crashes, power cuts, failing disks and failing servers every saved flow
// counts once, and no flow counts twice.
func TestCrashes(t *testing.T) {
	coverage := map[string]int{}
	for seed := range crashfs.Seeds(t, 30) {
		synctest.Test(t, func(t *testing.T) {
			run := newCrashRun(seed)
			if err := run.run(t); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
			run.coverage["disk failed"] = int(run.failures.Load())
			for what, n := range run.coverage {
				coverage[what] += n
			}
		})
		if t.Failed() {
			return
		}
	}
	for _, what := range []string{
		"opened", "power cut", "kill", "saved", "save failed", "duplicates", "recovered", "retries", "unsaved", "disk failed", "lost unsaved",
	} {
		if coverage[what] == 0 {
			t.Errorf("%q never happened: %v", what, coverage)
		}
	}
	t.Log(coverage)
}

// TestPowerCutBringsBatchesBack holds that the server still recognises all answered batches that a power
// cut brings back.
func TestPowerCutBringsBatchesBack(t *testing.T) {
	const batches = 300
	rng := rand.New(rand.NewPCG(1, 2))
	maxDuplicates := uint64(0)
	for stop := 5; stop < 3*batches; stop += 41 {
		synctest.Test(t, func(t *testing.T) {
			s := newMemoryServer()
			fs := crashfs.New()
			o := s.options()
			o.FS, o.Dir, o.BatchFlows, o.Connections = fs, "spool", 1, 1+rng.IntN(8)
			s.setFault(unreachable)
			c := open(t, o)
			add(t, c, "a", batches)
			must(t, c.Save())
			closeNow(t, c)
			var dead atomic.Bool
			s.setFault(func(int, *http.Request) fault { return fault{noConnection: dead.Load()} })
			c = open(t, o)
			calls := 0
			fs.Inject(func(errorfs.Op) error {
				if calls++; calls > stop {
					dead.Store(true)
					return crashfs.ErrDead
				}
				return nil
			})
			synctest.Wait()
			dead.Store(true)
			o.FS = fs.Crash(0, rng) // drops everything that was not synced
			fs.Kill()
			closeNow(t, c)
			s.setFault(nil)
			c = open(t, o)
			mustClose(t, c)
			stats := checkBalance(t, c)
			maxDuplicates = max(maxDuplicates, stats.Duplicate.Batches)
			if stats.InDoubt.Batches+stats.Refused.Batches > 0 {
				t.Errorf("power cut after %d calls: %+v", stop, stats)
			}
			for name, n := range s.counted(t) {
				if n != 1 {
					t.Errorf("%s counts %d times", name, n)
				}
			}
			if len(s.counted(t)) != batches {
				t.Errorf("%d flows count", len(s.counted(t)))
			}
		})
	}
	if maxDuplicates == 0 || maxDuplicates > 64 {
		t.Errorf("at most %d batches came back, want 1 to 64", maxDuplicates)
	}
}
