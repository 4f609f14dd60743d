package local

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"flowd/disk/crashfs"
	"flowd/flow"
)

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// clocks is a server on a machine whose clock is set wrong and right again, while it runs and while it
// does not, and what hours it must have by the true time.
type clocks struct {
	*testing.T
	seed     uint64
	rng      *rand.Rand
	m        timed
	o        Options
	e        *Engine
	fs       *crashfs.FS
	written  map[flow.Hour]time.Duration
	settled  map[flow.Hour]bool // the clock was right for as long as it takes, when flows came last
	wrongFor time.Duration      // running
	rightFor time.Duration      // running, since the last start
	story    []string
	count    map[string]int
}

var wrongClocks = []time.Duration{time.Second, -time.Second, time.Hour, -time.Hour, day, -day, 100 * year, -100 * year}

func newClocks(t *testing.T, seed uint64) *clocks {
	rng := rand.New(rand.NewPCG(seed, 14))
	c := &clocks{T: t, seed: seed, rng: rng, fs: crashfs.New(), written: map[flow.Hour]time.Duration{}, settled: map[flow.Hour]bool{}, count: map[string]int{}}
	c.o = DefaultOptions()
	c.o.Dir, c.o.Logged, c.o.Shards, c.o.Batches = "data", true, 1, 4
	c.o.Log.SegmentBytes = 64 << 10
	c.o.Logger = slog.New(slog.DiscardHandler)
	c.o.Retention = time.Duration(1+rng.IntN(10)) * day
	c.m.true.set(time.Hour)
	c.m.set(&c.o)
	return c
}

func (c *clocks) note(format string, values ...any) {
	c.story = append(c.story, fmt.Sprintf("%v wrong %v: ", c.m.true.get(), c.m.wrong.get())+fmt.Sprintf(format, values...))
}

func (c *clocks) open() {
	c.o.FS = c.fs
	c.e = open(c, c.o)
}

func (c *clocks) checkpoint() {
	c.e.clock.Observe() // as the checkpointer does each second
	if err := c.e.Checkpoint(); err != nil {
		c.Fatal(err)
	}
}

// run lets time pass while the server runs, no clock being wrong for as long as it would be believed.
func (c *clocks) run(d time.Duration) {
	if c.m.wrong.get() != 0 && c.wrongFor+d >= c.o.ClockHold-time.Minute {
		c.setClock(0)
	}
	for ; d > 0; d -= time.Hour {
		step := min(d, time.Hour)
		c.m.pass(step)
		c.e.clock.Observe()
		if c.m.wrong.get() != 0 {
			c.wrongFor += step
		} else {
			c.rightFor += step
		}
	}
	c.note("ran")
}

// setClock makes the clock wrong, or right, and has that noticed.
func (c *clocks) setClock(wrong time.Duration) {
	c.m.wrong.set(wrong)
	c.rightFor = 0
	if wrong == 0 {
		c.wrongFor = 0
	}
	c.checkpoint()
	c.note("clock set")
}

func (c *clocks) restart(pause time.Duration) {
	if c.rng.IntN(2) == 0 {
		next := c.fs.Crash(50, c.rng)
		c.fs.Kill()
		_ = c.e.Close()
		c.fs = next
	} else {
		c.e.mustClose(c)
	}
	c.m.true.add(pause)
	c.m.uptime.set(0)
	if c.rng.IntN(3) == 0 && c.wrongFor == 0 { // a start with a wrong clock
		c.m.wrong.set(wrongClocks[c.rng.IntN(len(wrongClocks))])
	}
	c.rightFor = 0
	c.open()
	c.note("restarted after %v", pause)
}

// compare holds the hours that there are to those that the true time would keep.
func (c *clocks) compare() {
	c.Helper()
	c.checkpoint()
	there := map[flow.Hour]bool{}
	hours, err := c.e.Hours()
	if err != nil {
		c.Fatal(err)
	}
	for _, h := range hours {
		there[h.Hour] = true
	}
	for label, at := range c.written {
		age := c.m.true.get() - at
		switch {
		case !there[label] && age <= c.o.Retention:
			c.Fatalf("seed %d\n%s\nhour %d is gone %v after its last flow, of %v", c.seed, strings.Join(c.story, "\n"), label, age, c.o.Retention)
		case !there[label]:
			c.count["expired"]++
			delete(c.written, label)
		case c.settled[label] && c.rightFor > c.o.ClockHold && age > c.o.Retention+c.o.ClockHold+time.Minute:
			c.Fatalf("seed %d\n%s\nhour %d is there %v after its last flow, of %v and %v: %+v", c.seed, strings.Join(c.story, "\n"), label, age, c.o.Retention, c.o.ClockHold, c.e.clock.Accept(false).State)
		}
	}
}

func (c *clocks) live() {
	c.open()
	if c.rng.IntN(2) == 0 { // a clock that has proved itself
		c.run(25 * time.Hour)
		c.checkpoint()
	}
	label := flow.Hour(0)
	for range 40 {
		switch c.rng.IntN(8) {
		case 0:
			c.restart(time.Duration(c.rng.Int64N(int64(20 * time.Hour))))
		case 1:
			c.restart(time.Duration(c.rng.Int64N(int64(10 * day))))
		case 2:
			if c.wrongFor == 0 {
				c.setClock(wrongClocks[c.rng.IntN(len(wrongClocks))])
			}
		case 3:
			c.setClock(0)
		case 4, 5:
			c.run(time.Duration(c.rng.Int64N(int64(2 * day))))
		default:
			label++
			if old := flow.Hour(c.rng.IntN(int(label))); c.rng.IntN(3) == 0 && c.written[old] != 0 {
				label--
				c.post(old)
			} else {
				c.post(label)
			}
		}
		c.compare()
	}
	c.e.mustClose(c)
}

func (c *clocks) post(label flow.Hour) {
	c.e.mustPost(c, flow.Origin{}, tuple(1, label))
	c.written[label], c.settled[label] = c.m.true.get(), c.rightFor > c.o.ClockHold
	c.m.pass(time.Second)
	c.note("hour %d", label)
}

// TestClocksThroughCrashes runs such servers: no hour is lost that the true time would have kept, and none
// is kept for longer than retention and the hold of the clock, once it was right for as long.
func TestClocksThroughCrashes(t *testing.T) {
	expired := 0
	for seed := range crashfs.Seeds(t, 20) {
		c := newClocks(t, seed)
		c.live()
		expired += c.count["expired"]
	}
	if expired == 0 {
		t.Error("no hour expired: the test does not try what it should")
	}
}

// TestClockIsTold has a clock go ahead and back while a server runs.
func TestClockIsTold(t *testing.T) {
	m, log := timed{}, &lines{}
	o := testOptions(t)
	m.set(&o)
	o.Logger = slog.New(slog.NewTextHandler(log, nil))
	o.Retention = 10 * day
	e := open(t, o)
	for range 25 {
		m.pass(time.Hour)
		e.clock.Observe()
	}
	e.mustPost(t, sender("a"), labels(7, 2)...)
	m.pass(time.Second)
	tick := func() {
		e.checkpointer.wake()
		if err := e.Checkpoint(); err != nil { // the checkpointer has looked at the clocks when it is done
			t.Fatal(err)
		}
	}
	m.wrong.set(year)
	tick()
	s := e.Stats()
	if s.ClockHeld != year || s.HoursHeld != 2 || s.HoursExpired != 0 || s.Hours != 2 {
		t.Errorf("ahead: %+v", s)
	}
	for _, words := range [][]string{
		{"level=WARN", "the machine's clock was set", "by=8760h0m0s"},
		{"level=WARN", "expiry is held back", "hours_that_would_expire=2", "counted_after_running=24h0m0s", "POST /-/accept-clock"},
	} {
		if got := log.with(words...); len(got) != 1 {
			t.Errorf("%d lines of %q", len(got), words)
		}
	}
	if status := e.status.Load(); !status.Ready() || !strings.Contains(e.readyStatus().Detail, "2 hours would expire; they do once the server has run with this clock for 24h0m0s more") {
		t.Errorf("ready %v: %+v", status.Ready(), e.readyStatus())
	}
	m.wrong.set(-time.Hour)
	tick()
	if s := e.Stats(); s.ClockHeld != 0 || s.ClockBehind != time.Hour || len(log.with("is behind the trusted time")) != 1 || len(log.with("not held back any more")) != 1 {
		t.Errorf("behind: %+v", s)
	}
	before := e.now()
	m.wrong.set(year)
	tick()
	a, err := e.AcceptClock()
	if err != nil || a.Expired != 2 || a.Before != before || a.After < a.Clock || a.After > a.Clock+1 || e.now() != a.After {
		t.Errorf("accepted: %+v, %v", a, err)
	}
	if hours, _ := e.Hours(); len(hours) != 0 {
		t.Errorf("%v", hours)
	}
	e.mustClose(t)
	e = open(t, o)
	if s := e.Stats(); s.ClockHeld != 0 || e.now() < a.After {
		t.Errorf("after a restart: %+v", s)
	}
	e.mustClose(t)
}

// TestAcceptanceIsDurable accepts a clock while the disk is full: nothing expires, and the time stays.
func TestAcceptanceIsDurable(t *testing.T) {
	m := timed{}
	o := testOptions(t)
	fsys := crashfs.New()
	o.Dir, o.FS = "data", fsys
	m.set(&o)
	o.Retention = 10 * day
	e := open(t, o)
	for range 25 {
		m.pass(time.Hour)
		e.clock.Observe()
	}
	e.mustPost(t, sender("a"), labels(7, 2)...)
	m.wrong.set(year)
	e.clock.Observe()
	before := e.now()
	fsys.Inject(func(op errorfs.Op) error {
		if strings.Contains(op.Path, "MANIFEST") {
			return &os.PathError{Op: "write", Path: op.Path, Err: syscall.ENOSPC}
		}
		return nil
	})
	if _, err := e.AcceptClock(); err == nil {
		t.Error("it was accepted")
	}
	fsys.Inject(nil)
	if hours, _ := e.Hours(); len(hours) != 2 || e.now() != before {
		t.Errorf("%v, %d and %d", hours, e.now(), before)
	}
	e.checkBalance(t)
	e.mustClose(t)
}

// TestNamesOutlivePauses sends a batch again after the clock jumped, and after a pause, both of which were
// accepted: its name is known, for it ages while the server runs.
func TestNamesOutlivePauses(t *testing.T) {
	m := timed{}
	o := testOptions(t)
	fsys := crashfs.New()
	o.Dir, o.FS = "data", fsys
	m.set(&o)
	o.Window = 30 * time.Hour
	e := open(t, o)
	for range 25 {
		m.pass(time.Hour)
		e.clock.Observe()
	}
	named := sender("a")
	named.Key = "k"
	e.mustPost(t, named, tuple(1, 7))
	again := func(when string, duplicate bool) {
		t.Helper()
		if e.mustPost(t, named, tuple(1, 7)) != duplicate {
			t.Errorf("%s: it is not a duplicate: %v", when, !duplicate)
		}
	}
	m.wrong.set(year)
	if _, err := e.AcceptClock(); err != nil {
		t.Fatal(err)
	}
	again("a clock that jumped", true)
	e.mustClose(t)
	m.true.add(100 * day)
	e = open(t, o)
	again("a pause", true)
	if _, err := e.AcceptClock(); err != nil {
		t.Fatal(err)
	}
	again("a pause that was accepted", true)
	e.mustPost(t, sender("a"), tuple(1, 7)) // a record at the later time, for the replay
	next := fsys.Kill()
	_ = e.Close()
	o.FS, fsys = next, next
	e = open(t, o)
	again("a kill", true)
	m.pass(31 * time.Hour)
	again("longer than the window", false)
	e.mustClose(t)
}
