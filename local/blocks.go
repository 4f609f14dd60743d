package local

import (
	"cmp"
	"math"
	"slices"
	"sync/atomic"

	"flowd/block"
	"flowd/flow"
	"flowd/shard"
	"flowd/store/manifest"
)

// blockRef is an hour's block as of a checkpoint. Its file stays until no reader that found it in
// the table of hours may still want to open it.
type blockRef struct {
	engine *Engine
	entry  manifest.Hour
	users  atomic.Int32 // the table of hours is one of them
}

func (e *Engine) newBlock(entry manifest.Hour) *blockRef {
	b := &blockRef{engine: e, entry: entry}
	b.users.Store(1)
	return b
}

// share adds a user; b may be nil. The caller holds the engine's order, or is the checkpointer, which
// alone replaces blocks, so that the table of hours is still a user itself.
func (b *blockRef) share() *blockRef {
	if b != nil {
		b.users.Add(1)
	}
	return b
}

// release ends a use. The last one removes the file, which no manifest names any more.
func (b *blockRef) release() {
	if b == nil || b.users.Add(-1) > 0 {
		return
	}
	if err := block.Remove(b.engine.o.FS, b.engine.o.Dir, b.entry.Block); err != nil {
		// The next start removes what is left.
		b.engine.o.Logger.Warn("an old block was not removed", "block", b.entry.Block.Name, "error", err)
	}
}

// open opens the block; the use goes on until its rows are closed.
func (b *blockRef) open() (flow.Rows, error) {
	rows, err := block.Open(b.engine.o.FS, b.engine.o.Dir, b.entry.Block)
	if err != nil {
		return nil, err
	}
	return &blockRows{Rows: rows, of: b}, nil
}

// totals returns what the block holds, as GET /hours says it.
func (b *blockRef) totals() flow.HourTotals {
	held := b.entry.Account.Stored
	return flow.HourTotals{
		Hour: b.entry.Hour, Tuples: b.entry.Tuples, Flows: held.Flows,
		Totals: flow.Totals{BytesTx: clip(held.BytesTx), BytesRx: clip(held.BytesRx)},
	}
}

// clip returns s, or 2^64-1 if it is more, which is where totals stop.
func clip(s flow.Sum) uint64 {
	if s.Hi > 0 {
		return math.MaxUint64
	}
	return s.Lo
}

// blockRows are rows whose end is the end of a use of their block.
type blockRows struct {
	*block.Rows
	of *blockRef
}

func (r *blockRows) Close() {
	if r.of == nil {
		return
	}
	if r.Err() != nil {
		r.of.engine.stats.damaged.Add(1)
	}
	r.Rows.Close()
	r.of.release()
	r.of = nil
}

// hoursView is what is known of all hours at one moment.
type hoursView struct {
	memory *shard.HoursAnswer
	disk   map[flow.Hour]onDisk
}

// onDisk is an hour's block as GET /hours and the check see it.
type onDisk struct {
	flow.HourTotals
	saturated uint64
}

// viewHours begins a view. The caller holds order, or is the committer.
func (e *Engine) viewHours() *hoursView {
	v := &hoursView{memory: e.table.AskHours(), disk: make(map[flow.Hour]onDisk)}
	for label, h := range e.hours {
		if h.block != nil {
			v.disk[label] = onDisk{h.block.totals(), h.block.entry.Saturated}
		}
	}
	return v
}

// hours waits for the shards and returns all hours, ascending. The tuples of an hour that is
// partly on disk are those on disk: how many of the others are new is known at the next
// checkpoint.
func (v *hoursView) hours() []shard.MemoryHour {
	var all []shard.MemoryHour
	for _, h := range v.memory.Hours() {
		if at, ok := v.disk[h.Hour]; ok && h.Partial {
			h.Tuples = max(h.Tuples, at.Tuples)
			h.Flows += at.Flows
			h.Totals = addClipped(h.Totals, at.Totals)
			h.Saturated += at.saturated
		}
		delete(v.disk, h.Hour)
		all = append(all, h)
	}
	for _, at := range v.disk {
		all = append(all, shard.MemoryHour{HourTotals: at.HourTotals, Saturated: at.saturated, Partial: true})
	}
	slices.SortFunc(all, func(a, b shard.MemoryHour) int { return cmp.Compare(a.Hour, b.Hour) })
	return all
}

func (v *hoursView) totals() []flow.HourTotals {
	hours := v.hours()
	totals := make([]flow.HourTotals, len(hours))
	for i := range hours {
		totals[i] = hours[i].HourTotals
	}
	return totals
}

func addClipped(a, b flow.Totals) flow.Totals {
	tx, rx := flow.Sum{Lo: a.BytesTx}, flow.Sum{Lo: a.BytesRx}
	tx.Add(b.BytesTx)
	rx.Add(b.BytesRx)
	return flow.Totals{BytesTx: clip(tx), BytesRx: clip(rx)}
}
