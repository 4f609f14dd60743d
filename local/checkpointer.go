package local

import (
	"sync"
	"sync/atomic"
	"time"

	"flowd/store/manifest"
)

// checkpointer is the goroutine that keeps memory, log and disk within their bounds: it makes the
// checkpoints, by which hours also leave memory and expire; and it checks the account.
type checkpointer struct {
	*Engine
	goroutines sync.WaitGroup
	stop       chan struct{}
	woken      chan struct{} // holds one
	wanted     chan wanted   // checkpoints asked for

	generation  uint64 // of the last attempt
	windowsFile string // with the windows, of the last checkpoint
	uncertain   []*written
	begun       time.Time
	took        time.Duration      // the last checkpoint
	covered     atomic.Uint64      // flows received before it
	manifest    *manifest.Manifest // that is on disk; nil without a folder
	clockAt     int64              // trusted time that it has, Unix milliseconds
	clockMoved  bool               // since
	failures    int
	checked     time.Time
	last        atomic.Int64 // when the last checkpoint succeeded, Unix milliseconds
}

// wanted is a checkpoint that is asked for; acceptClock is that of checkpointer.checkpoint.
type wanted struct {
	acceptClock bool
	answer      chan error
}

const (
	tickEvery  = time.Second
	checkEvery = time.Minute
	// rest is how many times as long as a checkpoint took the checkpointer leaves before the next that
	// only the memory asks for.
	rest = 4
	// maxFailures bounds the wait after failed checkpoints to 2^maxFailures ticks.
	maxFailures = 5
)

func newCheckpointer(e *Engine) *checkpointer {
	return &checkpointer{
		Engine: e, stop: make(chan struct{}), woken: make(chan struct{}, 1), wanted: make(chan wanted),
	}
}

func (k *checkpointer) start() {
	k.begun, k.checked = k.o.Clock(), k.o.Clock()
	k.goroutines.Go(k.loop)
	if k.o.MemoryLimit > 0 {
		k.goroutines.Go(k.watchMemory)
	}
}

// end returns when no checkpoint is under way.
func (k *checkpointer) end() {
	close(k.stop)
	k.goroutines.Wait()
}

// wake lets the checkpointer look at once whether there is something to do.
func (k *checkpointer) wake() {
	select {
	case k.woken <- struct{}{}:
	default:
	}
}

func (k *checkpointer) loop() {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-k.stop:
			return
		case w := <-k.wanted:
			w.answer <- k.checkpoint(w.acceptClock)
		case <-k.woken:
			k.tick()
		case <-tick.C:
			k.tick()
		}
	}
}

// tick does what is due.
func (k *checkpointer) tick() {
	if s := k.Status(); k.log != nil && (!s.Ready() || k.log.Err() != nil) {
		k.ask(func() { _ = k.reserve(1) }) // notes it if there is room again, or a sync has failed
	}
	k.watchClock()
	k.tellClock()
	k.keepClock()
	if why := k.due(); why != "" {
		k.o.Logger.Debug("checkpoint", "why", why)
		_ = k.checkpoint(false) // which says itself what failed, and is tried again
	}
	if now := k.o.Clock(); now.Sub(k.checked) >= checkEvery {
		k.checked = now
		k.check()
	}
}

// keepClock writes the trusted time, if it was long ago or the clock was set. It is not tried while it is
// uncertain which manifest is on disk: the checkpoint that resolves that writes it, too.
func (k *checkpointer) keepClock() {
	late := k.now()-k.clockAt > max(k.o.ClockHold/4, time.Hour).Milliseconds()
	if k.manifest == nil || len(k.uncertain) > 0 || k.failures > 0 || !late && !k.clockMoved {
		return
	}
	if err := k.writeClock(); err != nil {
		k.failures++ // so that a checkpoint is next, after a while
		k.clockMoved = true
		k.o.Logger.Warn("it is tried again", "error", err)
	}
}

// due returns why a checkpoint is due, or nothing.
func (k *checkpointer) due() string {
	since := k.o.Clock().Sub(k.begun)
	if k.failures > 0 && since < tickEvery<<min(k.failures, maxFailures) {
		return ""
	}
	switch {
	case k.log != nil && k.log.Err() != nil:
		return ""
	case k.expiring():
		return "hours expire"
	case k.stats.clock.Load().Due:
		return "time that is counted now"
	case k.o.Dir == "":
		return ""
	case k.clockMoved && k.failures > 0:
		return "the clock was set"
	case k.changed() && since >= k.o.CheckpointEvery:
		return "time"
	case k.log != nil && k.log.Size() >= k.o.CheckpointLog:
		return "size of the log"
	case k.table.Bytes() > k.o.MemoryBudget && (since > rest*k.took || k.short()):
		return "memory"
	}
	return ""
}

// changed tells whether the account changed since the last checkpoint.
func (k *checkpointer) changed() bool { return k.stats.received.Load() != k.covered.Load() }

// pace sleeps so long that a checkpoint takes an eighth of a processor, unless there is need to
// hurry: it has time until the next one is due.
func (k *checkpointer) pace(busy time.Duration) {
	if k.replaying != nil || k.log != nil && k.log.Size() > 2*k.o.CheckpointLog || k.table.Bytes() > k.o.MemoryBudget*5/4 || k.short() {
		return
	}
	timer := time.NewTimer(7 * busy)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-k.stop:
	}
}

// Checkpoint writes what changed since the last one to hour blocks, and returns when that is done.
// The engine makes checkpoints by itself; this is for those that cannot wait.
func (e *Engine) Checkpoint() error {
	return e.checkpointer.want(false)
}

func (k *checkpointer) want(acceptClock bool) error {
	w := wanted{acceptClock, make(chan error)}
	k.wanted <- w
	return <-w.answer
}
