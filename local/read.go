package local

import (
	"fmt"
	"runtime"
	"slices"

	"flowd/block"
	"flowd/flow"
	"flowd/shard"
)

// question is what is under way for a read of an hour, as of one moment.
type question[A any] struct {
	answer A
	base   *blockRef // the hour's block, if it has one; a use of it
}

// askFor asks the shards about an hour by ask, and notes what block it has at the same moment.
func askFor[A any](e *Engine, h flow.Hour, ask func() A) question[A] {
	e.flush()
	e.order.RLock()
	defer e.order.RUnlock()
	q := question[A]{answer: ask()}
	if known := e.hours[h]; known != nil {
		known.asked.Store(e.now())
		q.base = known.block.share()
	}
	return q
}

// Rows returns the rows of an hour as of now, in no particular order.
func (e *Engine) Rows(h flow.Hour) (flow.Rows, error) {
	q := askFor(e, h, func() *shard.Answer { return e.table.Ask(h) })
	memory, part := q.answer.Rows()
	if !part || q.base == nil {
		q.base.release()
		return memory, nil
	}
	return e.overlay(h, q.base, memory)
}

// overlay adds memory to base, which it takes over both.
func (e *Engine) overlay(h flow.Hour, base *blockRef, memory flow.Rows) (flow.Rows, error) {
	rows, err := base.open()
	if err != nil {
		memory.Close()
		return nil, e.unreadable(h, base, err)
	}
	return e.table.Overlay(rows, memory), nil
}

// unreadable ends a use of a block that cannot be read.
func (e *Engine) unreadable(h flow.Hour, base *blockRef, err error) error {
	base.release()
	e.stats.damaged.Add(1)
	return fmt.Errorf("local: hour %d: %w", h, err)
}

// Scan returns cursors over the parts of an hour as of now, in memory and on disk, each for a goroutine
// of its own.
func (e *Engine) Scan(h flow.Hour, o flow.ScanOptions) ([]flow.Scan, error) {
	q := askFor(e, h, func() *shard.Answer { return e.table.Ask(h) })
	if base := q.base; base != nil && q.answer.Partial() {
		return e.scanBoth(h, q.answer, base, o)
	}
	q.base.release()
	return q.answer.Columns(o.Names), nil
}

// scanBoth is Scan of an hour with a block, which it takes over. A tuple may be in the block and in
// memory: who must have it once gets rows that were added up, one by one.
func (e *Engine) scanBoth(h flow.Hour, answer *shard.Answer, base *blockRef, o flow.ScanOptions) ([]flow.Scan, error) {
	if o.Whole && !answer.Empty() {
		memory, _ := answer.Rows()
		rows, err := e.overlay(h, base, memory)
		if err != nil {
			return nil, err
		}
		return []flow.Scan{flow.ScanRows(rows)}, nil
	}
	scans := answer.Columns(o.Names)
	onDisk, err := base.openScans(o)
	if err != nil {
		for _, s := range scans {
			s.Close()
		}
		return nil, e.unreadable(h, base, err)
	}
	return append(scans, onDisk...), nil
}

// openScans opens the block for as many goroutines as there are processors. The use goes on until all
// scans are closed.
func (b *blockRef) openScans(o flow.ScanOptions) ([]flow.Scan, error) {
	scans, err := block.OpenScans(b.engine.o.FS, b.engine.o.Dir, b.entry.Block,
		block.ScanOptions{Names: o.Names, Most: runtime.GOMAXPROCS(0)})
	if err != nil {
		return nil, err
	}
	b.users.Add(int32(len(scans) - 1))
	for i, s := range scans {
		scans[i] = &blockScan{Scan: s, of: b}
	}
	return scans, nil
}

// blockScan is a scan whose end is the end of a use of its block.
type blockScan struct {
	flow.Scan
	of *blockRef
}

func (s *blockScan) Close() {
	if s.of == nil {
		return
	}
	if s.Err() != nil {
		s.of.engine.stats.damaged.Add(1)
	}
	s.Scan.Close()
	s.of.release()
	s.of = nil
}

// Find returns the rows of those of the tuples, each of which is named once, that an hour has, or
// false if a part of the hour is on disk alone, where finding takes a scan.
func (e *Engine) Find(h flow.Hour, tuples []flow.Key) ([]flow.Row, bool, error) {
	q := askFor(e, h, func() *shard.FindAnswer { return e.table.AskFor(h, tuples) })
	rows, part := q.answer.Rows()
	found := !part || q.base == nil
	q.base.release()
	return rows, found, nil
}

// Labels returns what hours there are from from up to, not including, to, in ascending order.
func (e *Engine) Labels(from, to flow.Hour) ([]flow.Hour, error) {
	e.flush()
	e.order.RLock()
	defer e.order.RUnlock()
	var labels []flow.Hour
	if to > from && int64(to)-int64(from) < int64(len(e.hours)) {
		for h := from; h < to; h++ {
			if e.hours[h] != nil {
				labels = append(labels, h)
			}
		}
		return labels, nil
	}
	for h := range e.hours {
		if h >= from && h < to {
			labels = append(labels, h)
		}
	}
	slices.Sort(labels)
	return labels, nil
}

// Version returns a number that changes whenever the rows of an hour do, and does not come again.
func (e *Engine) Version(h flow.Hour) (uint64, error) {
	e.flush()
	e.order.RLock()
	defer e.order.RUnlock()
	if known := e.hours[h]; known != nil {
		return known.version, nil
	}
	return 0, nil
}
