// Package local is the engine of one machine: it writes batches to the log before the shards
// add them up, counts each named batch once, and keeps what the shards hold as hour blocks on
// disk, so that the log stays short, memory stays bounded, and a start finds all of it again.
//
//	Append ── divide, encode ──► committer ── one group, one sync ──► wal
//	  ▲                              │
//	  └───────── receipt ────────────┤ in the order of the log
//	                                 ▼
//	Rows ── hour block, if any ──► shards ◄─ barrier ─ checkpointer ─► hour blocks, windows, manifest
//
// The committer decides what counts: it owns the windows and the account, and it alone sends to the
// shards. It is one goroutine at a time: its own, or that of a handler with the only batch there is.
// The checkpointer is the one goroutine that writes blocks.
package local

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"flowd/clock"
	"flowd/dedupe"
	"flowd/flow"
	"flowd/shard"
	"flowd/view"
	"flowd/wal"
)

// Engine keeps the totals of one machine. Its methods but Open and Close may be called from any
// goroutine, once Open has returned.
type Engine struct {
	o      Options
	limits atomic.Pointer[Limits] // as they are now, in place of those of o
	clock  *clock.Clock
	table  *shard.Table

	commits    chan *commit
	commitTurn sync.Mutex // held while the committer is at work
	pool       sync.Pool  // of *commit

	// order is held while messages go out to all shards: by the committer for the batches of a
	// group and to install a checkpoint, and shared by readers for their questions. So a read
	// sees whole batches, and an hour's block together with its totals in the shards.
	order sync.RWMutex
	// hours is written by the committer, with order held; others read it with order held.
	hours map[flow.Hour]*hour
	// known are their labels without a log, for those who may not wait for the committer.
	known sync.Map
	// horizon is the largest label that is not too far ahead of the clock.
	horizon atomic.Int64

	// What follows is the committer's own.
	account flow.Account
	windows *dedupe.Windows
	group   group
	others  otherHours
	expired expiredHours
	senders senders
	fresh   []flow.Hour // memory of admitHours
	// admission tells what is to be folded, which was said last at saidFold.
	admission *shard.Admission
	saidFold  time.Time

	log      *wal.Log     // nil without Options.Logged
	position wal.Position // behind what was replayed
	// replaying is the replay that is under way, or nil. Only Open reads and writes it, and what it calls.
	replaying    *replaying
	folder       io.Closer // the lock; nil in memory
	checkpointer *checkpointer
	memory       memory
	view         *view.Folder // nil in memory
	status       atomic.Pointer[flow.Status]
	stats        counters
	running      sync.WaitGroup
}

// New returns an engine that has read nothing yet, and says so in its status.
func New(o Options) (*Engine, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	table, err := shard.New(shard.Options{Shards: o.Shards, Batches: o.Batches})
	if err != nil {
		return nil, err
	}
	e := &Engine{
		o: o, table: table,
		clock:   clock.New(clock.Options{Wall: o.Clock, Uptime: o.Uptime, Hold: o.ClockHold}),
		hours:   make(map[flow.Hour]*hour),
		group:   group{opening: make(map[flow.Hour]opening)},
		others:  otherHours{by: make(map[string]int)},
		expired: expiredHours{set: make(map[flow.Hour]struct{})},
		senders: make(senders),
		windows: dedupe.New(o.dedupe()),
		commits: make(chan *commit, commitQueue),

		admission: shard.NewAdmission(table),
	}
	if o.Dir != "" {
		if e.view, err = view.New(view.Options{FS: o.FS, Data: o.Dir, Mode: o.Parquet, Logger: o.Logger}); err != nil {
			return nil, err
		}
	}
	e.limits.Store(&o.Limits)
	e.pool.New = func() any { return &commit{done: make(chan struct{}, 1)} }
	e.checkpointer = newCheckpointer(e)
	e.startMemory()
	e.setStatus(&flow.Status{Reasons: []string{reasonRecovering}, Detail: "The server is starting."})
	return e, nil
}

// commitQueue is how many batches and questions may wait for the committer before those who
// bring more have to wait themselves.
const commitQueue = 1024

// Open finds what an earlier run left, and starts to take batches. An error says what is damaged
// or in the way; then nothing was changed on disk, and Close need not be called.
func (e *Engine) Open() error {
	if e.o.Dir != "" {
		if err := e.recover(); err != nil {
			return err
		}
		if err := e.checkpointer.writeClock(); err != nil {
			e.checkpointer.clockMoved = true
			e.o.Logger.Warn("it is tried again", "error", err)
		}
	} else {
		e.table.Start()
	}
	if e.log != nil {
		e.log.Start()
	}
	e.table.SetBounds(e.limits.Load().Bounds)
	e.setHorizon()
	e.checkpointer.watchClock()
	e.sayBounds()
	e.running.Go(e.commitLoop)
	e.view.Start()
	e.setStatus(e.readyStatus())
	e.checkpointer.start()
	return nil
}

// SetLimits changes the limits, between New and Close. What is too old, or too much, goes with the next
// checkpoint; tuples that are too many already stay.
func (e *Engine) SetLimits(l Limits) {
	e.limits.Store(&l)
	e.table.SetBounds(l.Bounds)
	e.setHorizon()
}

// Places returns the number of batches that callers can hold at once.
func (e *Engine) Places() int { return e.table.Places() }

// Close makes a last checkpoint, so that the next start is quick, and ends the engine. Nothing
// may be under way or be asked of it from here on. An error says what was not written; with a
// log, nothing is lost by it.
func (e *Engine) Close() error {
	e.checkpointer.end()
	var err error
	if failed := e.log != nil && e.log.Err() != nil; e.o.Dir != "" && e.checkpointer.changed() && !failed {
		err = e.checkpointer.checkpoint(false)
	}
	e.view.Close()
	close(e.commits)
	e.running.Wait()
	e.table.Close()
	if e.log != nil {
		err = errors.Join(err, e.log.Close())
	}
	if e.folder != nil {
		err = errors.Join(err, e.folder.Close())
	}
	return err
}

// Acquire returns an empty batch from the pool, and waits up to wait for one to come free; nil if none did.
func (e *Engine) Acquire(wait time.Duration) *flow.Batch { return e.table.Acquire(wait) }

// Release takes back a batch that will not be appended.
func (e *Engine) Release(b *flow.Batch) { e.table.Release(b) }

// Status says whether the engine can do its work. It costs an atomic load.
func (e *Engine) Status() flow.Status { return *e.status.Load() }

func (e *Engine) setStatus(s *flow.Status) { e.status.Store(s) }

// Reasons of a status.
const (
	reasonRecovering = "recovering"
	reasonDiskFull   = "disk-full"
	reasonOpenFiles  = "open-files"
	reasonDiskError  = "disk-error"
	reasonLogFailed  = "log-failed"
)

// ask runs f in the committer's goroutine, after all that was brought before, and returns when
// it has run. During a replay there is no committer yet, and its work is that of the one who asks.
func (e *Engine) ask(f func()) {
	if e.replaying != nil {
		f()
		return
	}
	c := e.pool.Get().(*commit)
	c.question = f
	e.commits <- c
	<-c.done
	e.recycle(c)
}

// flush returns when batches that were answered before are on their way to the shards. With a
// log they are when their answers go out; without one the answer goes out first, and the batch is
// still out.
func (e *Engine) flush() {
	if e.log == nil && e.table.Out() > 0 {
		e.ask(func() {})
	}
}

// Hours returns what hours there are, in ascending order.
func (e *Engine) Hours() ([]flow.HourTotals, error) {
	e.flush()
	e.order.RLock()
	view := e.viewHours()
	e.order.RUnlock()
	hours := view.totals()
	for i := range hours {
		hours[i].ExpiredBefore = e.ExpiredBefore(hours[i].Hour, hours[i].Hour+1)
	}
	return hours, nil
}

// Ledger returns the account as of now.
func (e *Engine) Ledger() (ledger flow.Ledger, err error) {
	e.ask(func() { ledger = e.ledger() })
	return ledger, nil
}

// now returns the trusted time, in milliseconds since the Unix epoch.
func (e *Engine) now() int64 { return e.clock.Now() }
