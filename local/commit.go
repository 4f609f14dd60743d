package local

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"

	"flowd/clock"
	"flowd/dedupe"
	"flowd/flow"
	"flowd/shard"
	"flowd/wal"
)

// commit is a batch on its way through the committer, or a question to it.
type commit struct {
	split  *shard.Split // the batch, divided
	origin flow.Origin
	flows  []byte // the batch as the log keeps it; empty if it is not needed
	print  uint64 // of flows
	tally  []flow.HourTally
	folded []flow.HourTally // of tally, what counts under tuples of flow.Other
	waits  bool             // the caller of Append waits for done
	own    bool             // its handler runs the commit turn, and recycles it

	record    []byte
	duplicate bool
	err       error
	done      chan struct{} // holds one

	question func() // instead of a batch
}

// keepRecord is the largest memory for a record, in bytes, that is kept for the next batch.
const keepRecord = 1 << 20

// Append hands b over for good, also when it returns an error. When it returns none, all flows of
// b count, once if o names it, as durably as the log is; every Rows that starts then sees them.
// Errors are those of package flow.
func (e *Engine) Append(b *flow.Batch, o flow.Origin) (flow.Receipt, error) {
	c := e.pool.Get().(*commit)
	c.origin = o
	c.tally = b.Tally(c.tally[:0])
	c.err = e.checkHours(b, c.tally)
	kept := e.log != nil || o.Named()
	if kept {
		c.flows = b.AppendFlows(c.flows[:0])
		c.print = flow.Fingerprint(c.flows)
	}
	c.split = e.table.Divide(b)
	if (e.log == nil || e.table.Out() == 1) && e.commitTurn.TryLock() {
		c.own = true
		e.commit(c)
		e.commitTurn.Unlock()
	} else {
		c.waits = kept || c.err != nil || e.opensHours(c.tally)
		waits := c.waits
		e.commits <- c
		if !waits {
			return flow.Receipt{}, nil // the committer has c now
		}
		<-c.done
	}
	receipt, err := flow.Receipt{Duplicate: c.duplicate}, c.err
	e.recycle(c)
	return receipt, err
}

// recycle keeps c's memory for the next batch.
func (e *Engine) recycle(c *commit) {
	next := commit{flows: c.flows[:0], record: c.record[:0], tally: c.tally[:0], done: c.done}
	if cap(c.flows)+cap(c.record) > keepRecord {
		next.flows, next.record = nil, nil
	}
	*c = next
	e.pool.Put(c)
}

// group is the commits that are written and synced together.
type group struct {
	commits []*commit
	records [][]byte
	bytes   int // of flows and what comes around them, about
	opening map[flow.Hour]opening
}

// maxGroup bounds a group in bytes, but for one batch that is larger by itself: a sync of so much
// takes far longer than the disk's fixed cost, so a larger group would gain nothing. And a group
// must leave most of a segment to others.
const maxGroup = 4 << 20

func (o *Options) maxGroup() int {
	if o.Log.SegmentBytes > 0 {
		return int(min(maxGroup, o.Log.SegmentBytes/4))
	}
	return maxGroup
}

// maxYields is how often the committer lets others run while it gathers a group.
const maxYields = 8

// recordOverhead is the most that a record takes beside its flows.
const recordOverhead = wal.RecordOverhead + 96 + flow.MaxClient + flow.MaxIdempotencyKey + flow.MaxAgent

// commitLoop is the committer's own goroutine, until commits is closed. It runs a commit turn whenever
// something waits. A handler that finds the turn free runs it itself, where no sync is to be shared
// with others: with a log, that is if its batch is the only one that is out. To wake another goroutine,
// and with it an idle processor, would take a lone batch a fifth of its time.
func (e *Engine) commitLoop() {
	for c := range e.commits {
		e.commitTurn.Lock()
		e.commit(c)
		e.commitTurn.Unlock()
	}
}

// commit runs a commit turn: c, and what waits behind it. The caller holds commitTurn; all that
// is the committer's is handed over by that.
func (e *Engine) commit(c *commit) {
	defer endOfProcess()
	for next := c; next != nil; {
		next = e.gather(next)
		e.commitGroup()
		if next != nil && next.question != nil {
			next.question()
			next.done <- struct{}{}
			next = nil
		}
	}
}

// endOfProcess is deferred around a commit turn. A panic in one must not be recovered by the server of the
// request: half of the turn may be done, and the account be wrong.
func endOfProcess() {
	if cause := recover(); cause != nil {
		stack := debug.Stack()
		go func() { panic(fmt.Sprintf("%v\n\nin a turn of the committer:\n%s", cause, stack)) }()
		select {}
	}
}

// gather adds c and what is waiting behind it to the group. It returns what is not part of it any
// more: a question, or a batch that is too much for the group.
//
// When none waits but some are out, it lets the goroutines that are ready to run go first, once or
// more often: they bring more batches, which then share the sync.
func (e *Engine) gather(c *commit) *commit {
	yields := 0
	for c.question == nil && e.group.add(c, e.o.maxGroup()) {
		for {
			select {
			case next, open := <-e.commits:
				if !open {
					return nil
				}
				c = next
			default:
				if e.log == nil || yields == maxYields || e.table.Out() <= len(e.group.commits) {
					return nil
				}
				yields++
				runtime.Gosched()
				continue
			}
			break
		}
	}
	return c
}

// add adds c unless that makes the group too large. One batch is never too large.
func (g *group) add(c *commit, limit int) bool {
	size := len(c.flows) + recordOverhead
	if len(g.commits) > 0 && g.bytes+size > limit {
		return false
	}
	g.commits = append(g.commits, c)
	g.bytes += size
	return true
}

func (g *group) reset() {
	clear(g.commits)
	clear(g.records)
	clear(g.opening)
	g.commits, g.records, g.bytes = g.commits[:0], g.records[:0], 0
}

// commitGroup decides what of the group counts, writes that to the log, sends it to the shards
// and answers.
func (e *Engine) commitGroup() {
	g := &e.group
	defer g.reset()
	if len(g.commits) == 0 {
		return
	}
	now := e.clock.Stamp()
	err := e.reserve(g.bytes)
	for _, c := range g.commits {
		e.receive(c, now.Time, err)
	}
	if err == nil && len(g.records) > 0 {
		if _, err := e.log.Append(g.records); err != nil {
			e.failed(err)
		}
	}
	e.order.Lock()
	for _, c := range g.commits {
		e.count(c, now)
	}
	e.order.Unlock()
	e.admission.Sent()
	for _, c := range g.commits {
		switch {
		case c.own:
		case c.waits:
			c.done <- struct{}{}
		default:
			e.recycle(c)
		}
	}
}

// receive decides whether c counts, and adds what does to the records of the group. Refused
// says that none of the group does.
func (e *Engine) receive(c *commit, now int64, refused error) {
	if c.err == nil {
		c.err = refused
	}
	if c.err == nil {
		c.duplicate, c.err = e.checkNew(c, now)
	}
	if c.err == nil && !c.duplicate {
		e.fold(c)
	}
	if c.err == nil && !c.duplicate && e.log != nil {
		c.record = flow.AppendRecord(c.record[:0], &flow.RecordHead{
			UnixMilli: now, Origin: c.origin, Folded: c.folded != nil, Print: c.print, Flows: c.flows,
		})
		e.group.records = append(e.group.records, c.record)
	}
}

// checkNew decides whether c counts already, or may not, by its hours and its name. An hour that it
// may not open refuses it before its name is noted, but not if it counts already.
func (e *Engine) checkNew(c *commit, now int64) (duplicate bool, err error) {
	if refused := e.admitHours(c, now); refused != nil {
		if duplicate, err = e.windows.Known(&c.origin, c.print, e.clock.Running()); !duplicate && err == nil {
			err = refused
		}
		return duplicate, err
	}
	if c.origin.Named() {
		duplicate, err = e.windows.Check(&c.origin, c.print, e.clock.Running())
		switch {
		case err != nil:
			return false, e.windowError(err, c.origin.Client)
		case duplicate:
			return true, nil
		}
	}
	e.noteOpenings(c, now)
	return false, nil
}

// count enters c into the account, and sends it to the shards if it counts.
func (e *Engine) count(c *commit, now clock.Stamp) {
	by := opener{sender: c.origin.Sender, now: now, clock: e.clock}
	switch {
	case c.err != nil:
		e.enter(c.tally, rejected, &by)
		e.table.Discard(c.split)
	case c.duplicate:
		e.enter(c.tally, duplicate, &by)
		e.table.Discard(c.split)
	default:
		e.enter(c.tally, stored, &by)
		e.noteSender(c)
		e.enterFolded(c.folded)
		e.table.Send(c.split)
	}
	c.split = nil
}

// reserve asks the log for room.
func (e *Engine) reserve(bytes int) error {
	if e.log == nil {
		return nil
	}
	err := e.log.Reserve(bytes)
	switch {
	case err == nil:
		e.becomeReady()
		return nil
	case errors.Is(err, wal.ErrNoSegment):
		return e.noSegment(err)
	case errors.Is(err, wal.ErrTooLarge):
		return &flow.BatchTooLargeError{Bytes: int64(bytes), Most: e.log.MaxReserve()}
	}
	return e.logFailed(err)
}

// failed gives up the group whose write failed: whether its batches count is known after the
// next start.
func (e *Engine) failed(err error) {
	_ = e.logFailed(err)
	for _, c := range e.group.commits {
		if c.err == nil {
			c.err = flow.ErrInDoubt
		}
	}
}

// unavailable says, once for each reason and cause, that no batch can be taken.
func (e *Engine) unavailable(reason, detail string, cause error) error {
	if s := e.status.Load(); s.Ready() || s.Reasons[0] != reason || s.Detail != detail {
		e.o.Logger.Error("no batch can be taken", "reason", reason, "error", cause)
		e.setStatus(&flow.Status{Reasons: []string{reason}, Detail: detail, ReadOnly: true})
	}
	return &flow.UnavailableError{Reason: reason, Detail: detail}
}

// becomeReady takes back that there is no segment, once the log can make segments again: that a small
// group would still find room says little about the next.
func (e *Engine) becomeReady() {
	if s := e.status.Load(); !s.Ready() && e.log.SpaceErr() == nil {
		e.o.Logger.Info("batches can be taken again")
		e.setStatus(e.readyStatus())
	}
}

// windowError makes an error for clients of one of the windows.
func (e *Engine) windowError(err error, client string) error {
	held, all, most := e.windows.Agents(client)
	switch {
	case errors.Is(err, dedupe.ErrTooManyAgents):
		return &flow.UnavailableError{Reason: "agents", Detail: fmt.Sprintf("%d agents were heard of within the idempotency-window, "+
			"and max-agents is %d; send without Flowd-Agent, or raise max-agents.", all, most)}
	case errors.Is(err, dedupe.ErrAgentShare):
		return &flow.UnavailableError{Reason: "agent-share", Detail: fmt.Sprintf("%d agents of this client were heard of within the "+
			"idempotency-window, which is its share of max-agents (%d) while %d are left for others; "+
			"send without Flowd-Agent, or raise max-agents.", held, most, most-all)}
	}
	return err
}
