package local

import (
	"fmt"
	"runtime"
	"sync"
	"time"

	"flowd/flow"
	"flowd/wal"
)

// replay counts what the log has. Records are read, verified and looked up in the windows in
// their order by one goroutine; they are decoded and added up by others, in any order, since
// totals add.
//
// Swept says that it made checkpoints, or tried to, and removed before what an earlier one had left that the
// manifest of the start does not know.
func (e *Engine) replay(reader *wal.Reader, clock *recorded) (swept bool, err error) {
	r := &replaying{engine: e, reader: reader, clock: clock, jobs: make(chan *replayed, 2*runtime.GOMAXPROCS(0))}
	e.replaying = r
	defer func() { e.replaying = nil }()
	r.pool.New = func() any { return new(replayed) }
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(r.work)
	}
	began := time.Now()
	err = r.read()
	close(r.jobs)
	workers.Wait()
	if err == nil {
		err = r.failed
	}
	if err == nil && r.records > 0 {
		e.o.Logger.Info("replayed the log", "records", r.records, "flows", r.flows,
			"took", time.Since(began).Round(time.Millisecond).String(), "checkpoints", r.spills.made)
	}
	return r.spills.swept, err
}

type replaying struct {
	engine  *Engine
	reader  *wal.Reader
	jobs    chan *replayed
	pool    sync.Pool      // of *replayed
	pending sync.WaitGroup // records that workers have and that are not in the shards' queues
	records int
	clock   *recorded
	said    time.Time
	spills  spills

	mu     sync.Mutex // guards what the workers share, and the engine's account
	flows  uint64
	failed error
}

// replayed is a record on its way to a worker.
type replayed struct {
	at    wal.Position
	from  opener
	flows []byte
	tally []flow.HourTally
	// folded says that flows of Other were folded, before they were written.
	folded bool
}

// sayEvery is how often the progress is told.
const sayEvery = 100 * time.Millisecond

func (r *replaying) read() error {
	e := r.engine
	for r.reader.Next() {
		head, err := flow.ReadRecord(r.reader.Record())
		if err != nil {
			return damagedRecord(r.reader.Position(), err)
		}
		at := r.clock.at(head.UnixMilli)
		if head.Origin.Named() {
			// It was let in when it was written, so it counts, whatever the windows say today, whose
			// settings may have changed since.
			_, _ = e.windows.Check(&head.Origin, head.Fingerprint(), at.Time-r.clock.from.Counted)
		}
		job := r.pool.Get().(*replayed)
		job.at, job.folded = r.reader.Position(), head.Folded
		job.from = opener{sender: flow.Sender{Name: head.Origin.Client}, now: at, record: uint64(r.records) + 1}
		job.flows = append(job.flows[:0], head.Flows...)
		r.pending.Add(1)
		r.jobs <- job
		r.records++
		if err := r.spillIfDue(); err != nil {
			return err
		}
		if r.records%64 == 0 {
			r.say()
		}
	}
	return r.reader.Err()
}

// say tells the progress in the status.
func (r *replaying) say() {
	if time.Since(r.said) < sayEvery {
		return
	}
	r.said = time.Now()
	done, total := r.reader.Progress()
	r.engine.setStatus(&flow.Status{Reasons: []string{reasonRecovering},
		Detail: fmt.Sprintf("The log is being replayed: %d of %d MiB.", done>>20, total>>20)})
}

func (r *replaying) work() {
	for job := range r.jobs {
		if err := r.apply(job); err != nil {
			r.mu.Lock()
			if r.failed == nil {
				r.failed = damagedRecord(job.at, err)
			}
			r.mu.Unlock()
		}
		r.pool.Put(job)
		r.pending.Done()
	}
}

// apply adds a record up, as its commit did.
func (r *replaying) apply(job *replayed) error {
	e := r.engine
	b := e.table.Acquire(time.Hour)
	for b == nil {
		b = e.table.Acquire(time.Hour)
	}
	if err := b.ReadFlows(job.flows); err != nil {
		e.table.Release(b)
		return err
	}
	job.tally = b.Tally(job.tally[:0])
	n := uint64(b.Len())
	var folded []flow.HourTally
	if job.folded {
		folded = b.TallyOther()
	}
	e.table.Append(b)
	r.mu.Lock()
	r.flows += n
	e.enter(job.tally, stored, &job.from)
	e.enterFolded(folded)
	r.mu.Unlock()
	return nil
}

// damagedRecord is a record that the checksum says was written so: by another version.
func damagedRecord(at wal.Position, err error) error {
	return fmt.Errorf("log: segment %d, group %d: a record cannot be read: %w", at.Segment, at.Group, err)
}
