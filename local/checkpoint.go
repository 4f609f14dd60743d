package local

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"flowd/block"
	"flowd/clock"
	"flowd/dedupe"
	"flowd/flow"
	"flowd/shard"
	"flowd/store/manifest"
	"flowd/wal"
)

// A checkpoint goes through four steps, of which only the second takes time:
//
//	plan     the committer, between two groups: what becomes of each hour, a barrier to the shards, the
//	         position of the log, a copy of the account, a snapshot of the windows
//	write    the checkpointer: a block for each hour that changed, the windows, the manifest
//	install  the committer, between two groups: blocks take effect, hours leave memory or expire
//	clean    the checkpointer: the log before the position, old blocks and windows are removed
//
// If a step fails before the manifest is written, everything is as if there had been no barrier.

// checkpointPlan is what a checkpoint has to write, as of one position of the log.
type checkpointPlan struct {
	at    int64 // Unix milliseconds of the trusted clock
	clock *clock.Acceptance
	// acceptClock says that an operator takes the wall clock to be right.
	acceptClock bool
	generation  uint64
	position    wal.Position
	account     flow.Account
	hours       map[flow.Hour]plannedHour
	frozen      *shard.Frozen
	windows     *dedupe.Snapshot
	received    uint64
	// recordsUntil is that of the manifest.
	recordsUntil int64
	expired      []manifest.HourRange // once the checkpoint has taken effect
	fillers      string               // who sent most, if hours go for their bytes
}

// plannedHour is an hour as of the plan. Its block is that of the checkpoint before.
type plannedHour struct {
	account       flow.Account
	lastWrite     clock.Stamp
	openedBy      string
	live          bool
	expiredBefore bool
	block         *blockRef
	action        shard.Action
	why           expiry // if it expires
}

// entry returns what the manifest knows of the hour, with a block.
func (h *plannedHour) entry(of manifest.Hour) manifest.Hour {
	of.Account = h.account
	of.LastWrite, of.Slack, of.Gaps = h.lastWrite.Time, h.lastWrite.Slack, h.lastWrite.Gaps
	of.OpenedBy, of.Live, of.ExpiredBefore = h.openedBy, h.live, h.expiredBefore
	return of
}

// written is what a checkpoint has written.
type written struct {
	manifest manifest.Manifest
	blocks   map[flow.Hour]manifest.Hour // new ones
	windows  string
	// inDoubt says that the manifest has taken effect although writing it failed: whether a restart
	// finds it or the one before, only the next checkpoint makes certain. Until then the files of
	// both must stay.
	inDoubt bool
}

// checkpoint makes one, and logs what came of it. AcceptClock says that an operator takes the wall
// clock to be right.
func (k *checkpointer) checkpoint(acceptClock bool) error {
	k.begun = k.o.Clock()
	began := time.Now()
	err := k.tryCheckpoint(acceptClock)
	k.took = time.Since(began)
	if err != nil {
		k.failures++
		k.stats.checkpointsFailed.Add(1)
		k.o.Logger.Error("checkpoint failed, and is tried again", "generation", k.generation, "error", err)
		return err
	}
	k.failures = 0
	k.stats.checkpoints.Add(1)
	k.stats.checkpointTime.Add(int64(k.took))
	k.last.Store(k.begun.UnixMilli())
	return nil
}

func (k *checkpointer) tryCheckpoint(acceptClock bool) error {
	k.generation++
	tuples := k.tuplesInMemory()
	c := &checkpointPlan{generation: k.generation, acceptClock: acceptClock}
	var err error
	if k.ask(func() { err = k.plan(c, tuples) }); err != nil {
		return err
	}
	// Asked for here, so that the barrier has passed when the hours are read.
	hours := c.frozen.Hours()
	m := &written{blocks: make(map[flow.Hour]manifest.Hour)}
	err = k.write(c, hours, m)
	for _, h := range hours {
		h.Close()
	}
	if err != nil {
		k.ask(func() {
			k.order.Lock()
			c.frozen.Restore()
			k.order.Unlock()
		})
		if m.inDoubt {
			k.uncertain = append(k.uncertain, m)
			return err
		}
		return errors.Join(err, k.discard(m))
	}
	var old []*blockRef
	k.ask(func() { old = k.install(c, m) })
	k.covered.Store(c.received)
	if k.o.Dir != "" {
		k.manifest, k.clockAt, k.clockMoved = &m.manifest, c.at, false
	}
	if k.replaying == nil { // the clock does not go on yet
		k.sayExpired(c)
		k.watchClock()
	}
	return k.clean(c, m, old)
}

// plan makes c. The committer runs it. Tuples are those of the hours in memory. Once the log has failed
// there is no checkpoint any more: the windows know batches of which only the log, at the next
// start, can tell whether they count.
func (e *Engine) plan(c *checkpointPlan, tuples map[flow.Hour]uint64) error {
	if e.log != nil && e.log.Err() != nil {
		return e.log.Err()
	}
	if e.replaying != nil {
		e.replaying.clock.plan(c)
	} else {
		c.clock = e.clock.Accept(c.acceptClock)
		c.at = c.clock.State.Time
	}
	c.hours = make(map[flow.Hour]plannedHour, len(e.hours))
	for label, h := range e.hours {
		c.hours[label] = plannedHour{
			account: h.account, lastWrite: c.clock.Shift(h.lastWrite), openedBy: h.openedBy, live: h.live, expiredBefore: h.expiredBefore,
			block: h.block, action: shard.Keep,
		}
	}
	if e.replaying != nil {
		e.spillAll(c, tuples)
	} else {
		e.decide(c, tuples)
	}
	c.expired = e.expired.with(c.expiring())
	c.account = e.account
	c.received = e.stats.received.Load()
	c.windows = e.windows.Snapshot()
	c.position = e.position
	if e.log != nil {
		c.position = e.log.Position()
	}
	e.order.Lock()
	c.frozen = e.table.Freeze(func(h flow.Hour) shard.Action { return c.hours[h].action })
	e.order.Unlock()
	return nil
}

// write makes the new state durable. When it returns nil, a restart finds it.
func (k *checkpointer) write(c *checkpointPlan, hours []*shard.FrozenHour, m *written) error {
	if k.o.Dir == "" {
		return nil
	}
	for _, h := range hours {
		if err := k.writeHour(c, h, m); err != nil {
			return fmt.Errorf("hour %d: %w", h.Hour, err)
		}
	}
	m.manifest = manifest.Manifest{
		Generation: c.generation, Written: c.at, Clock: &c.clock.State,
		RecordsUntil: c.recordsUntil,
		Log:          encodePosition(c.position), Ledger: c.account, Expired: c.expired,
	}
	name := manifest.WindowsName(c.generation)
	part, err := block.WritePart(k.o.FS, k.o.Dir, name, func(w io.Writer) error {
		_, err := c.windows.WriteTo(w)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	m.windows, m.manifest.Windows = name, &part
	for label, h := range c.hours {
		switch entry, isNew := m.blocks[label]; {
		case h.action == shard.Expire:
			m.manifest.Ledger.Stored.Sub(h.account.Stored)
			m.manifest.Ledger.Expired.Add(h.account.Stored)
		case isNew:
			m.manifest.Hours = append(m.manifest.Hours, entry)
		case h.block != nil:
			m.manifest.Hours = append(m.manifest.Hours, h.entry(h.block.entry))
		default:
			return fmt.Errorf("hour %d: the account has %d flows, and the shards do not know it", label, h.account.Stored.Flows)
		}
	}
	slices.SortFunc(m.manifest.Hours, func(a, b manifest.Hour) int { return cmp.Compare(a.Hour, b.Hour) })
	err = manifest.Write(k.o.FS, k.o.Dir, &m.manifest)
	if err != nil {
		m.inDoubt = k.replaced(c.generation)
	}
	return err
}

// replaced tells whether the manifest is that of a generation, or cannot be read.
func (k *checkpointer) replaced(generation uint64) bool {
	found, err := manifest.Read(k.o.FS, k.o.Dir)
	return err != nil || found.Generation == generation
}

// writeHour writes the block of h, if h changed since the last one.
func (k *checkpointer) writeHour(c *checkpointPlan, h *shard.FrozenHour, m *written) error {
	of := c.hours[h.Hour]
	held := of.account.Stored
	if of.action == shard.Expire || of.block != nil && of.block.entry.Account.Stored == held {
		return nil
	}
	var base flow.Rows
	saturated := h.Saturated
	if h.Partial {
		var err error
		if base, err = of.block.share().open(); err != nil {
			of.block.release()
			return err
		}
		saturated += of.block.entry.Saturated
	}
	rows := k.table.Overlay(base, h.Rows())
	defer rows.Close()
	file, sums, err := block.Write(k.o.FS, k.o.Dir, rows, block.Options{
		Hour: h.Hour, Generation: c.generation, RowGroup: rowGroup(k.o.MemoryLimit), Pace: k.pace,
	})
	if err != nil {
		return err
	}
	m.blocks[h.Hour] = of.entry(manifest.Hour{Hour: h.Hour, Tuples: sums.Rows, Saturated: saturated, Block: file})
	k.stats.rowsWritten.Add(int64(sums.Rows))
	if saturated == 0 && (sums.BytesTx != held.BytesTx || sums.BytesRx != held.BytesRx) {
		k.stats.imbalancedBlocks.Add(1)
		k.o.Logger.Error("a block does not hold what the account says", "hour", h.Hour,
			"block_tx", sums.BytesTx.String(), "account_tx", held.BytesTx.String(),
			"block_rx", sums.BytesRx.String(), "account_rx", held.BytesRx.String())
	}
	return nil
}

// install is run by the committer. It returns the blocks that are not used any more.
func (e *Engine) install(c *checkpointPlan, m *written) (old []*blockRef) {
	e.order.Lock()
	defer e.order.Unlock()
	c.clock.Apply()
	for _, h := range e.hours {
		h.lastWrite = c.clock.Shift(h.lastWrite)
	}
	c.frozen.Install()
	for label, at := range c.hours {
		h := e.hours[label]
		entry, isNew := m.blocks[label]
		if at.action != shard.Expire && !isNew {
			continue
		}
		if h.block != nil {
			old = append(old, h.block)
			h.block = nil
		}
		if isNew {
			h.block = e.newBlock(entry)
			continue
		}
		e.expire(label, at.account)
		e.stats.hoursExpired[at.why].Add(1)
	}
	return old
}

// clean removes what the new state does not need. What it cannot remove does no harm, and
// goes with the next start.
func (k *checkpointer) clean(c *checkpointPlan, m *written, old []*blockRef) error {
	if k.replaying == nil { // the view does not go on yet
		k.view.Follow(m.manifest.Blocks()) // before blocks go that it may still be linking
	}
	for _, b := range old {
		b.release()
	}
	if k.o.Dir == "" {
		return nil
	}
	if k.windowsFile != "" {
		if err := k.o.FS.Remove(k.o.Dir + "/" + k.windowsFile); err != nil {
			k.o.Logger.Warn("old windows were not removed", "file", k.windowsFile, "error", err)
		}
	}
	k.windowsFile = m.windows
	for _, failed := range k.uncertain {
		if err := k.discard(failed); err != nil {
			k.o.Logger.Warn("files of a failed checkpoint were not removed", "generation", failed.manifest.Generation, "error", err)
		}
	}
	k.uncertain = nil
	if k.log == nil {
		return nil
	}
	return k.log.Drop(c.position)
}

// discard removes what a failed checkpoint has written, as far as the disk lets it.
func (k *checkpointer) discard(m *written) (err error) {
	for _, entry := range m.blocks {
		err = errors.Join(err, block.Remove(k.o.FS, k.o.Dir, entry.Block))
	}
	if m.windows != "" {
		err = errors.Join(err, k.o.FS.Remove(k.o.Dir+"/"+m.windows))
	}
	return err
}
