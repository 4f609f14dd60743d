package wal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"flowd/disk"
	"flowd/disk/crashfs"
)

// sabotage breaks what the log relies on, from outside.
type sabotage struct {
	name string
	// skip tells whether a call of the disk is not done, while the log says that it is.
	skip func(run *crashRun, op errorfs.Op) bool
	// wrap puts something between the log and the disk.
	wrap func(disk.FS) disk.FS
}

// crashRun is the life of one log through crashes. What it does follows from its seed alone: the
// log is not started, so spares and syncs are made when the run says so.
type crashRun struct {
	rng      *rand.Rand
	fs       *crashfs.FS
	o        Options
	sabotage sabotage
	settling []SegmentInfo // segments that were read and are being synced

	history  map[uint64][]string // records of each group that may be read
	next     uint64              // of the next group that was not begun
	promised uint64              // groups before it come back whatever happens
	written  uint64              // groups before it come back if the machine does not crash
	due      uint64              // groups before it must come back now
	manifest Position            // what a checkpoint made durable
	seen     map[string]int      // what happened, so that the test can tell that it does happen
}

func newCrashRun(seed uint64, s sabotage) *crashRun {
	rng := rand.New(rand.NewPCG(seed, 7))
	run := &crashRun{
		rng: rng, fs: crashfs.New(), sabotage: s,
		history: map[uint64][]string{}, next: 1, promised: 1, written: 1, seen: map[string]int{},
	}
	run.o = Options{Dir: testDir, SegmentBytes: minSegmentBytes + pageBytes*int64(rng.IntN(3)), Salt: rng.Uint64}
	run.o.KeepBytes = minSegmentBytes * int64(rng.IntN(12))
	switch seed % 4 {
	case 2:
		run.o.Durability = Interval
	case 3:
		run.o.Durability = None
	}
	return run
}

// live goes through some crashes and returns what was wrong after one of them.
func (run *crashRun) live() error {
	for round := range 6 {
		if err := run.round(); err != nil {
			return fmt.Errorf("round %d, %v: %w", round, run.o.Durability, err)
		}
	}
	return nil
}

// round opens the log, checks what comes back, works, and crashes.
func (run *crashRun) round() error {
	if err := run.fs.MkdirAll(path.Dir(testDir)); err != nil {
		return err
	}
	if err := run.fs.SyncDir("."); err != nil {
		return err
	}
	run.o.FS = run.fs
	if run.sabotage.wrap != nil {
		run.o.FS = run.sabotage.wrap(run.fs)
	}
	r, groups, err := readAll(run.o.FS, run.manifest)
	if err != nil {
		return err
	}
	if err := run.check(groups, r.Position()); err != nil {
		return err
	}
	if r.Torn() > 0 {
		run.seen["torn"]++
	}
	run.fs.Inject(run.faults())
	run.settling = r.segments[:r.used+1]
	l, err := Open(run.o, r)
	run.settling = nil
	var failed error
	if err == nil {
		run.promised = run.written // it was acted upon
		failed = run.work(l)
		if run.o.Durability == Interval {
			run.promised = max(run.promised, l.durable)
		}
		if clean := run.rng.IntN(4) == 0; clean && failed == nil {
			if failed = l.Close(); failed == nil {
				run.promised = run.written
			}
		}
	}
	if failed != nil {
		run.seen["poison"]++
	}
	run.crash(failed)
	if l != nil {
		_ = l.Close() // of what was left behind
	}
	return nil
}

// work appends, drops, and lets the log do what its goroutines would.
func (run *crashRun) work(l *Log) error {
	for range 2 + run.rng.IntN(40) {
		switch n := run.rng.IntN(20); {
		case n < 12:
			if err := run.append(l); err != nil {
				return err
			}
		case n < 17:
			l.prepareSpares()
		case n < 18:
			at := l.Position()
			// The checkpoint makes durable what the log need not any more.
			run.manifest, run.promised = at, max(run.promised, at.Group)
			run.written = max(run.written, at.Group)
			if err := l.Drop(at); err == nil {
				run.seen["drop"]++
			}
		default:
			if run.o.Durability == Interval {
				if err := l.syncWritten(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// append appends a group of random records, and notes what must and what may come back.
func (run *crashRun) append(l *Log) error {
	var records [][]byte
	var names []string
	for i := range 1 + run.rng.IntN(3) {
		size := run.rng.IntN(200)
		if run.rng.IntN(3) == 0 {
			size = run.rng.IntN(6000)
		}
		// Never the same bytes twice, though a cut group's number is.
		name := text(fmt.Sprintf("group %d.%d-%x", run.next, i, run.rng.Uint32()), size)
		names, records = append(names, name), append(records, []byte(name))
	}
	before := run.history[run.next]
	run.history[run.next] = names
	at, err := l.Append(records)
	switch {
	case errors.Is(err, ErrNoSegment):
		run.history[run.next] = before
		run.seen["no space"]++
		return nil
	case err != nil:
		run.next++ // it may be there
		return err
	case at.Group != run.next:
		return fmt.Errorf("group %d was appended as %d", run.next, at.Group)
	}
	run.next++
	run.written = run.next
	if run.o.Durability == Fsync {
		run.promised = run.next
	}
	return nil
}

// check compares what was read with what may and must be there.
func (run *crashRun) check(groups []group, end Position) error {
	first := max(run.manifest.Group, 1)
	for i, g := range groups {
		if want := first + uint64(i); g.Position.Group != want {
			return fmt.Errorf("group %d was read where %d should be", g.Position.Group, want)
		}
		was := run.history[g.Position.Group]
		if strings.Join(was, "|") != strings.Join(g.Records, "|") || len(was) != len(g.Records) {
			return fmt.Errorf("group %d was read as %.40q, it is %.40q", g.Position.Group, g.Records, was)
		}
	}
	got := first + uint64(len(groups))
	if end.Group != got || got > run.next {
		return fmt.Errorf("reader ends before group %d, read to %d, appended to %d", end.Group, got, run.next)
	}
	if got < run.due {
		return fmt.Errorf("only groups before %d came back, those before %d were promised", got, run.due)
	}
	for n := got; n < run.next; n++ {
		delete(run.history, n)
	}
	run.next, run.written = got, got
	return nil
}

// crash ends the process, or cuts the power: then what was only written may be lost. After a
// failure it is more likely that only the process ends.
func (run *crashRun) crash(failed error) {
	run.fs.Inject(nil)
	if n := run.rng.IntN(4); n == 0 || n < 3 && failed != nil {
		run.fs = run.fs.Kill()
		run.due = run.written
		run.seen["kill"]++
		return
	}
	old := run.fs
	run.fs = run.fs.Crash([]int{0, 20, 50, 80, 100}[run.rng.IntN(5)], run.rng)
	old.Kill()
	run.due = run.promised
	run.seen["power"]++
}

// faults returns the injector of this round: from some call on nothing works, or one call fails.
func (run *crashRun) faults() func(errorfs.Op) error {
	kind, at := run.rng.IntN(10), run.rng.IntN(120)
	if run.rng.IntN(3) == 0 {
		at /= 8 // while the log is being opened
	}
	half := run.rng.IntN(2) == 0
	return func(op errorfs.Op) error {
		if s := run.sabotage.skip; s != nil && s(run, op) {
			return crashfs.ErrSkip
		}
		if at--; at > 0 || kind > 7 || op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
			return nil
		}
		if kind < 3 { // the power fails
			if at == 0 && half {
				return crashfs.AfterDoing(crashfs.ErrDead)
			}
			return crashfs.ErrDead
		}
		if kind > 5 && op.Kind != errorfs.OpFileSyncData {
			return nil
		}
		was := kind
		kind = 10 // once
		switch {
		case op.Kind == errorfs.OpFileWriteAt && half:
			return crashfs.ErrShort
		case was == 3:
			return crashfs.AfterDoing(syscall.EIO)
		case was == 4:
			return syscall.ENOSPC
		}
		return syscall.EIO
	}
}

func TestPowerCuts(t *testing.T) {
	seen := map[string]int{}
	for seed := range crashfs.Seeds(t, 100) {
		run := newCrashRun(seed, sabotage{})
		if err := run.live(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for what, n := range run.seen {
			seen[what] += n
		}
	}
	t.Log(seen)
	for _, what := range []string{"torn", "poison", "drop", "no space", "kill", "power"} {
		if seen[what] == 0 {
			t.Errorf("none of the logs has seen: %s", what)
		}
	}
}
