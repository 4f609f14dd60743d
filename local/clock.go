package local

import (
	"errors"
	"fmt"
	"math"
	"time"

	"flowd/clock"
	"flowd/flow"
	"flowd/store/manifest"
)

// clockReport is how the clocks stand, and how many hours would expire if the time held were counted.
type clockReport struct {
	clock.Report
	hours int
}

// clockSaid is by how much clocks must differ for an operator to be told.
const clockSaid = time.Minute

// recorded is the clock as records have it that are replayed.
type recorded struct {
	from        clock.State // of the manifest
	least, most int64       // the times that are believed
	last        int64       // the latest that was read
	hold        time.Duration
}

// recordedFrom returns the clock of the records after m.
func (e *Engine) recordedFrom(m *manifest.Manifest) recorded {
	hold := e.clock.Hold()
	if m.Clock != nil {
		r := recorded{from: *m.Clock, least: m.Written, most: math.MaxInt64, hold: hold}
		if m.RecordsUntil > 0 {
			r.most = m.RecordsUntil
		}
		return r
	}
	// A version that knew no trusted clock wrote records by the wall clock, whatever it said.
	return recorded{from: clock.Settled(m.Written), least: m.Written, most: m.Written + hold.Milliseconds(), hold: hold}
}

// at returns the stamp of a record. One that was written while a checkpoint
// counted a gap has the time of before; in truth all records are later than the checkpoint.
func (r *recorded) at(unixMilli int64) clock.Stamp {
	at := min(max(unixMilli, r.least), r.most)
	r.last = max(r.last, at)
	return r.from.StampAt(at, r.hold)
}

// plan gives c, which is behind the last record that was read, the clock by which the rest of the log is
// replayed, by this start or another one, as if there had been no such checkpoint.
func (r *recorded) plan(c *checkpointPlan) {
	c.at, c.clock = r.last, clock.Standing(r.from, r.last, r.hold)
	if r.most < math.MaxInt64 {
		c.recordsUntil = r.most
	}
}

// watchClock looks at the clocks, and says what is new about them. The checkpointer calls it each second.
func (k *checkpointer) watchClock() {
	found := clockReport{Report: k.clock.Observe()}
	before := k.stats.clock.Load()
	if before == nil {
		before = &clockReport{}
	}
	k.setHorizon()
	k.clockMoved = k.clockMoved || found.Moved.Abs() >= clockSaid
	if found.Held > 0 {
		found.hours = k.agedBy(k.clock.Accept(true))
	}
	k.stats.clock.Store(&found)
	if found.Moved.Abs() >= clockSaid {
		k.o.Logger.Warn("the machine's clock was set", "by", found.Moved.String(), "clock", text(k.clock.Wall()), "trusted", text(k.now()))
	}
	switch said := before.Held >= clockSaid; {
	case found.Held >= clockSaid && (!said || found.Held > before.Held+clockSaid):
		k.o.Logger.Warn("expiry is held back: the clock is ahead by more than the time that is known to have passed",
			"held", found.Held.String(), "clock", text(k.clock.Wall()), "trusted", text(k.now()),
			"hours_that_would_expire", found.hours, "counted_after_running", found.Remaining.Round(time.Second).String(),
			"or", "POST /-/accept-clock at the admin listener")
	case said && found.Held < clockSaid:
		k.o.Logger.Info("expiry is not held back any more", "trusted", text(k.now()))
	}
	if found.Behind >= clockSaid && before.Behind < clockSaid {
		k.o.Logger.Warn("the machine's clock is behind the trusted time, which goes on", "by", found.Behind.String(),
			"clock", text(k.clock.Wall()), "trusted", text(k.now()))
	}
	if found.Paused >= clockSaid && before.Paused < clockSaid {
		k.o.Logger.Info("the server did not run for a while, which is not counted yet", "pause", found.Paused.Round(time.Second).String())
	}
}

func text(unixMilli int64) string { return time.UnixMilli(unixMilli).UTC().Format(time.RFC3339) }

// writeClock puts the clocks as they stand into the manifest of the last checkpoint, without making another:
// a start, or a clock that is set, must be known before what is recorded after it is replayed.
func (k *checkpointer) writeClock() error {
	m := *k.manifest
	state := k.clock.State()
	m.Clock = &state
	if err := manifest.Write(k.o.FS, k.o.Dir, &m); err != nil {
		return fmt.Errorf("the trusted time was not lastWrite: %w", err)
	}
	k.manifest, k.clockAt, k.clockMoved = &m, state.Time, false
	return nil
}

// agedBy counts the hours that would expire by an acceptance.
func (e *Engine) agedBy(a *clock.Acceptance) (n int) {
	e.order.RLock()
	defer e.order.RUnlock()
	for _, h := range e.hours {
		if e.aged(a.Shift(h.lastWrite), a.State.Time) {
			n++
		}
	}
	return n
}

// readyStatus is the status of an engine that takes batches, and the warnings for its operator.
func (e *Engine) readyStatus() *flow.Status {
	s := &flow.Status{}
	r := e.stats.clock.Load()
	switch {
	case r == nil:
	case r.Held >= clockSaid:
		s.Detail = fmt.Sprintf("Expiry is held back: the machine's clock is %v ahead of the time that is known to have passed. "+
			"%d hours would expire; they do once the server has run with this clock for %v more, or on POST /-/accept-clock.",
			r.Held, r.hours, r.Remaining.Round(time.Minute))
	case r.Behind >= clockSaid:
		s.Detail = fmt.Sprintf("The machine's clock is %v behind the trusted time, which goes on.", r.Behind)
	}
	return s
}

// tellClock has the status say how the clocks stand.
func (k *checkpointer) tellClock() {
	want, now := k.readyStatus(), k.status.Load()
	if !now.Ready() || now.Detail == want.Detail {
		return
	}
	k.ask(func() { // so that a failure which the committer has just found stays
		if k.status.Load().Ready() {
			k.setStatus(want)
		}
	})
}

// AcceptedClock is what came of Engine.AcceptClock. Times are in Unix milliseconds.
type AcceptedClock struct {
	// Before and After are the trusted time then and now, and Clock what the machine's clock says.
	Before, After, Clock int64
	// Expired is how many hours went because of it, with the checkpoint that made it durable.
	Expired int64
}

// errNotOpen is for questions that come before the start is over.
var errNotOpen = errors.New("the server is starting")

// AcceptClock has the trusted time follow the machine's clock, as an operator says that it is right, and
// makes a checkpoint of that, by which hours expire. It may be called by many at once.
func (e *Engine) AcceptClock() (AcceptedClock, error) {
	if status := e.status.Load(); !status.Ready() && !status.ReadOnly {
		return AcceptedClock{}, errNotOpen
	}
	a := AcceptedClock{Before: e.now(), Clock: e.clock.Wall()}
	expired := e.stats.hoursExpired[byAge].Load()
	if err := e.checkpointer.want(true); err != nil {
		return a, err
	}
	a.After, a.Expired = e.now(), e.stats.hoursExpired[byAge].Load()-expired
	e.o.Logger.Warn("the machine's clock was accepted", "before", text(a.Before), "after", text(a.After), "hours_expired", a.Expired)
	return a, nil
}
