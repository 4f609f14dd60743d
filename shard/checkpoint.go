package shard

import (
	"slices"
	"sync"

	"flowd/flow"
)

// Action is what a checkpoint does with an hour.
type Action uint8

// The actions. A partial hour, one with a block on disk that is not in memory, is added to its block under
// every action but Expire.
const (
	// Keep leaves a whole hour in memory.
	Keep Action = iota
	// Spill takes an hour out of memory: from Install on it is on disk.
	Spill
	// Expire forgets an hour, in memory and on disk.
	Expire
)

// hourSet is a set of hours. Shards share one, so it is never changed once they have it.
type hourSet map[flow.Hour]struct{}

// SetOnDisk names the hours that exist only on disk: what comes for them makes a partial hour. Callers must
// not call it after Start; Install changes the set later.
func (t *Table) SetOnDisk(hours []flow.Hour) {
	t.onDisk = make(hourSet, len(hours))
	for _, h := range hours {
		t.onDisk[h] = struct{}{}
	}
	for _, s := range t.shards {
		s.onDisk = t.onDisk
	}
}

// Frozen is the table at a barrier: what was sent before it, and nothing that is sent after. It
// ends with Install or Restore. Its methods are for one goroutine at a time.
//
// A whole hour that is kept goes on as it is. Every other hour in memory leaves it: flows that come
// for it after the barrier are gathered apart, so that Install need only drop what was there at
// the barrier. Until then questions see both together.
type Frozen struct {
	table  *Table
	action func(flow.Hour) Action
	passed sync.WaitGroup  // by each shard
	parts  [][]frozenShare // of each shard

	resolved bool
	hours    []*FrozenHour
	onDisk   hourSet // as it is after Install
}

// FrozenHour is an hour as it was at the barrier, over all shards.
type FrozenHour struct {
	MemoryHour
	// Action is what the checkpoint does with the hour.
	Action Action

	rows *rows
}

// frozenShare is what one shard holds of a FrozenHour.
type frozenShare struct {
	MemoryHour
	action   Action
	snapshot *snapshot
}

// Freeze sends a barrier to all shards, and waits at most until it is in their queues. Each hour
// in memory, and each hour on disk, gets the action that action returns for it. The function must be fast, and
// return the same for the same hour until Hours has returned; all shards call it concurrently.
//
// It panics if an earlier Frozen has not ended: there is one at a time.
func (t *Table) Freeze(action func(flow.Hour) Action) *Frozen {
	if !t.freezing.CompareAndSwap(false, true) {
		panic("shard: Freeze before the Install or Restore of the last one")
	}
	f := &Frozen{table: t, action: action, parts: make([][]frozenShare, len(t.shards))}
	f.passed.Add(len(t.shards))
	t.scatter(func(i int, s *shard) {
		s.freeze(action, func(parts []frozenShare) {
			f.parts[i] = parts
			f.passed.Done()
		})
	})
	return f
}

// Hours waits until all shards have passed the barrier, and returns the hours that were in memory
// there, in ascending order. An hour that is on disk only is not among them, though it may expire.
func (f *Frozen) Hours() []*FrozenHour {
	if f.resolved {
		return f.hours
	}
	f.passed.Wait()
	f.resolved = true
	f.gather()
	f.resolveOnDisk()
	return f.hours
}

// gather merges what the shards hold of each hour.
func (f *Frozen) gather() {
	byLabel := make(map[flow.Hour]*FrozenHour)
	for _, parts := range f.parts {
		for i := range parts {
			p := &parts[i]
			h := byLabel[p.Hour]
			if h == nil {
				h = &FrozenHour{MemoryHour: p.MemoryHour, Action: p.action, rows: new(rows)}
				byLabel[p.Hour] = h
				f.hours = append(f.hours, h)
			} else {
				h.add(&p.MemoryHour)
			}
			h.rows.parts = append(h.rows.parts, p.snapshot)
		}
	}
	f.parts = nil
	slices.SortFunc(f.hours, func(a, b *FrozenHour) int { return compareHours(&a.MemoryHour, &b.MemoryHour) })
}

// resolveOnDisk makes the set of the hours that are only on disk after Install. It is made here, not by
// the shards, since a shard does not know of hours that only others have in memory.
func (f *Frozen) resolveOnDisk() {
	f.onDisk = make(hourSet, len(f.table.onDisk)+len(f.hours))
	for label := range f.table.onDisk {
		if f.action(label) != Expire {
			f.onDisk[label] = struct{}{}
		}
	}
	for _, h := range f.hours {
		if h.Action == Spill {
			f.onDisk[h.Hour] = struct{}{}
		}
	}
}

// Install ends f, of which all that leaves memory is on disk now: it is dropped. It waits at most
// until that is in the shards' queues, if Hours has returned before. Rows of f that were not asked
// for are gone; those that are being read stay as they are.
func (f *Frozen) Install() {
	t := f.end()
	onDisk := f.onDisk
	t.onDisk = onDisk
	t.scatter(func(_ int, s *shard) { s.install(onDisk) })
	t.freezing.Store(false)
}

// Restore ends f as if it had never been begun, for a checkpoint that failed: what was frozen and
// what came since are added up. It waits as Install does, and as there rows that were not asked
// for are gone.
func (f *Frozen) Restore() {
	t := f.end()
	t.scatter(func(_ int, s *shard) { s.restore() })
	t.freezing.Store(false)
}

// end returns the table of f, once.
func (f *Frozen) end() *Table {
	t := f.table
	if t == nil {
		panic("shard: Install or Restore of a Frozen that has ended")
	}
	for _, h := range f.Hours() {
		h.Close()
	}
	f.table, f.hours = nil, nil
	return t
}

// Rows returns a cursor over the hour, or what memory has of it if it is a part, as it was at the
// barrier. It panics the second time, and after Close, Install or Restore.
func (h *FrozenHour) Rows() flow.Rows {
	if h.rows == nil {
		panic("shard: rows of a frozen hour that were taken or given up before")
	}
	r := h.rows
	h.rows = nil
	return r
}

// Close gives the rows up if they were not asked for, so that the shards need not keep them. It
// may be called more than once; Install and Restore do it for all hours.
func (h *FrozenHour) Close() {
	if h.rows != nil {
		h.rows.Close()
		h.rows = nil
	}
}

// install drops what is frozen. However much that is, it only is unlinked.
func (s *shard) install(onDisk hourSet) {
	dropped := s.frozen
	s.tallying = nil // some may be dropped; who asks for the others counts the rest of them
	s.frozen, s.both, s.onDisk = nil, 0, onDisk
	for label, h := range dropped {
		s.drop(h)
		if since := s.hours[label]; since != nil {
			since.base, since.overlap = nil, 0
			since.forgetVPCs()
		}
	}
	if len(dropped) > 0 {
		s.renew(dropped)
	}
	s.publish()
}

// restore makes frozen hours what they were, and adds to them what came since.
func (s *shard) restore() {
	s.tallying = nil // as for install
	for label, h := range s.frozen {
		if since := s.hours[label]; since != nil {
			s.saturated += h.absorb(since)
			s.drop(since)
		}
		s.hours[label] = h
	}
	s.frozen, s.both = nil, 0
	s.forgetRecent()
	s.publish()
}

// absorb adds what is in since, which continues h, to h. It returns how many additions were
// stopped at 2^64-1.
func (h *hour) absorb(since *hour) (saturated uint64) {
	from := since.column()
	for c := range from.chunks {
		cells := from.chunks[c].cells
		if cells == nil {
			continue
		}
		h.copyOnWrite(uint32(c))
		for i := range cells {
			saturated += h.chunks[c].cells[i].Add(cells[i])
		}
	}
	if need := len(from.zeros) - len(h.zeros); need > 0 {
		h.take(8 * need)
		h.zeros = append(h.zeros, make([]uint64, need)...)
	}
	for i, word := range from.zeros {
		h.zeros[i] |= word
	}
	h.forgetVPCs()
	h.tuples += since.tuples - since.overlap
	h.flows += since.flows
	h.saturated += since.saturated + saturated
	h.totals.Add(since.totals)
	return saturated
}
