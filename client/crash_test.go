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

// crashRun is the life of a folder through crashes and power cuts, with a server that fails in every
// way there is.
type crashRun struct {
	rng    *rand.Rand
	fs     *crashfs.FS
	server *memoryServer
	o      Options

	added    int    // flows so far; flow n is called n
	life     int    // the first flow of this client
	promised []bool // of each flow: Save has returned without an error
	seen     map[string]int

	down bool // the server

	mu       sync.Mutex
	dice     *rand.Rand   // for what goes wrong
	failures atomic.Int64 // of the disk
}

const crashRounds = 6

func newCrashRun(seed uint64) *crashRun {
	run := &crashRun{
		rng: rand.New(rand.NewPCG(seed, 5)), dice: rand.New(rand.NewPCG(seed, 6)),
		fs: crashfs.New(), server: newMemoryServer(), seen: map[string]int{},
	}
	run.o = run.server.options()
	run.o.Dir = "spool"
	run.o.Encoding = []Encoding{Plain, Gzip, Zstandard}[run.rng.IntN(3)]
	return run
}

// live goes through some crashes, and returns what was wrong in the end.
func (run *crashRun) live(t *testing.T) error {
	for round := range crashRounds {
		if err := run.round(t); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
	}
	run.server.fails(nil)
	run.o.FS = run.fs
	c, err := New(run.o)
	if err != nil {
		return err
	}
	if err := c.Open(); err != nil {
		return err
	}
	mustClose(t, c)
	if err := run.judge(c); err != nil {
		return err
	}
	return run.compare(t)
}

// round is the life of one client, up to a crash after some number of calls of the disk.
func (run *crashRun) round(t *testing.T) error {
	var dead atomic.Bool
	run.down = run.rng.IntN(3) == 0
	run.server.fails(func(int, *http.Request) fault { return run.fault(&dead) })
	run.fs.Inject(run.faults(&dead))
	run.o.FS = run.fs
	run.o.BatchFlows, run.o.Connections = 1+run.rng.IntN(3), 1+run.rng.IntN(4)
	run.o.WhenFull, run.o.SpoolBytes = Wait, 256<<20
	c, err := New(run.o)
	if err != nil {
		return err
	}
	run.life = run.added
	opened := c.Open() == nil
	if opened {
		run.work(c, &dead)
		run.seen["opened"]++
	}
	dead.Store(true)
	var next *crashfs.FS
	if run.rng.IntN(2) == 0 {
		next = run.fs.Crash([]int{0, 50, 100}[run.rng.IntN(3)], run.rng)
		run.fs.Kill()
		run.seen["power cut"]++
	} else {
		next = run.fs.Kill()
		run.seen["kill"]++
	}
	if opened {
		abandon(t, c)
		err = run.judge(c)
	}
	run.fs = next
	return err
}

// work adds flows until the crash, or for a while.
func (run *crashRun) work(c *Client, dead *atomic.Bool) {
	for range 20 + run.rng.IntN(200) {
		if dead.Load() {
			return
		}
		f := flow.Flow{SrcApp: fmt.Sprint(run.added), DestApp: "db", VPCID: "vpc-0", BytesTx: 1, Hour: 7}
		if c.Add(&f) != nil {
			return
		}
		run.added++
		run.promised = append(run.promised, false)
		switch run.rng.IntN(12) {
		case 0:
			run.save(c)
		case 1:
			time.Sleep(time.Duration(run.rng.IntN(1000)) * time.Millisecond)
		case 2:
			synctest.Wait()
		}
	}
	if run.rng.IntN(2) == 0 {
		run.save(c)
		time.Sleep(time.Duration(run.rng.IntN(60)) * time.Second)
	}
}

// save takes Save at its word, for what this client was given.
func (run *crashRun) save(c *Client) {
	if c.Save() != nil {
		run.seen["save failed"]++
		return
	}
	run.seen["saved"]++
	for i := run.life; i < run.added; i++ {
		run.promised[i] = true
	}
}

// faults is a disk that fails now and then, and for good after so many calls.
func (run *crashRun) faults(dead *atomic.Bool) func(errorfs.Op) error {
	calls, last := 0, run.rng.IntN(1500)
	rate := []int{0, 0, 50, 500}[run.rng.IntN(4)]
	return func(op errorfs.Op) error {
		if calls++; calls > last || dead.Load() {
			dead.Store(true)
			return crashfs.ErrDead
		}
		if rate > 0 && calls > 20 && run.throw(rate) == 0 && !strings.HasSuffix(op.Path, lockFile) {
			run.failures.Add(1)
			switch run.throw(3) {
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

// fault is a server that fails now and then. A client that is dead reaches nobody.
func (run *crashRun) fault(dead *atomic.Bool) fault {
	if dead.Load() || run.down && run.throw(200) > 0 {
		return fault{unreached: true}
	}
	counts := run.throw(2) == 0
	switch run.throw(8) {
	case 0:
		return fault{hangUp: true, counts: counts}
	case 1:
		return fault{answer: problemAnswer(500, "oh"), counts: counts}
	case 2:
		return fault{answer: problemAnswer([]int{429, 503}[run.throw(2)], "busy", "Retry-After", "1")}
	case 3:
		return fault{answer: textAnswer(200, `{"acc`), counts: counts}
	}
	return fault{}
}

// throw returns a number from 0 up to, not including, n.
func (run *crashRun) throw(n int) int {
	run.mu.Lock()
	defer run.mu.Unlock()
	return run.dice.IntN(n)
}

// judge looks at the account of a client at its end.
func (run *crashRun) judge(c *Client) error {
	s := c.Stats()
	if s.Refused.Batches+s.Dropped.Batches+s.Damaged.Batches > 0 {
		return fmt.Errorf("no batch may be refused, dropped or damaged: %+v", s)
	}
	// A file that could not be removed, or whose removal was not synced, may come back too late. That
	// such a batch counts, compare sees.
	if s.InDoubt.Batches > 0 && run.failures.Load() == 0 {
		return fmt.Errorf("no batch may be in doubt: %+v", s)
	}
	for name, n := range map[string]uint64{
		"duplicates": s.Duplicate.Batches, "recovered": s.Recovered.Batches, "retries": s.Retries, "unsaved": s.Unsaved.Batches,
	} {
		run.seen[name] += int(n)
	}
	return nil
}

// compare holds the server to what was added and promised.
func (run *crashRun) compare(t *testing.T) error {
	held := run.server.held(t)
	for i, promised := range run.promised {
		n := held[fmt.Sprint(i)]
		if n > 1 || promised && n == 0 {
			return fmt.Errorf("flow %d of %d counts %d times; promised: %t", i, run.added, n, promised)
		}
		if n == 0 {
			run.seen["lost without a promise"]++
		}
	}
	if len(held) > run.added {
		return fmt.Errorf("%d flows count, of %d", len(held), run.added)
	}
	return nil
}

// Through crashes, power cuts, failing disks and failing servers every flow that was saved counts
// once, and no flow counts twice.
func TestCrashes(t *testing.T) {
	seen := map[string]int{}
	for seed := range crashfs.Seeds(t, 30) {
		synctest.Test(t, func(t *testing.T) {
			run := newCrashRun(seed)
			if err := run.live(t); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
			run.seen["disk failed"] = int(run.failures.Load())
			for what, n := range run.seen {
				seen[what] += n
			}
		})
		if t.Failed() {
			return
		}
	}
	for _, what := range []string{
		"opened", "power cut", "kill", "saved", "save failed", "duplicates", "recovered", "retries", "unsaved", "disk failed", "lost without a promise",
	} {
		if seen[what] == 0 {
			t.Errorf("%q never happened: %v", what, seen)
		}
	}
	t.Log(seen)
}

// A power cut may bring back batches that were answered for. However many there were, all of them must
// be known to the server still.
func TestPowerCutBringsBatchesBack(t *testing.T) {
	const batches = 300
	rng := rand.New(rand.NewPCG(1, 2))
	most := uint64(0)
	for stop := 5; stop < 3*batches; stop += 41 {
		synctest.Test(t, func(t *testing.T) {
			s := newMemoryServer()
			fs := crashfs.New()
			o := s.options()
			o.FS, o.Dir, o.BatchFlows, o.Connections = fs, "spool", 1, 1+rng.IntN(8)
			s.fails(unreachable)
			c := open(t, o)
			add(t, c, "a", batches)
			must(t, c.Save())
			abandon(t, c)
			var dead atomic.Bool
			s.fails(func(int, *http.Request) fault { return fault{unreached: dead.Load()} })
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
			o.FS = fs.Crash(0, rng) // nothing that was not synced
			fs.Kill()
			abandon(t, c)
			s.fails(nil)
			c = open(t, o)
			mustClose(t, c)
			stats := balanced(t, c)
			most = max(most, stats.Duplicate.Batches)
			if stats.InDoubt.Batches+stats.Refused.Batches > 0 {
				t.Errorf("power cut after %d calls: %+v", stop, stats)
			}
			for name, n := range s.held(t) {
				if n != 1 {
					t.Errorf("%s counts %d times", name, n)
				}
			}
			if len(s.held(t)) != batches {
				t.Errorf("%d flows count", len(s.held(t)))
			}
		})
	}
	if most == 0 || most > 64 {
		t.Errorf("at most %d batches came back, want some, and no more than the server knows", most)
	}
}
