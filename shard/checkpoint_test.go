package shard

import (
	"maps"
	"math"
	"slices"
	"testing"

	"flowd/flow"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// world is a table, a disk of blocks, and what the two must hold.
type world struct {
	table *Table
	flow  *rapid.Generator[flow.Flow] // of few tuples, so that most come again
	disk  map[flow.Hour]model         // blocks, which are never written to

	memory model // what the table holds, and the flows of it by hour
	flows  map[flow.Hour]uint64
	late   []reading // answers that are not read yet

	frozen  *Frozen
	actions map[flow.Hour]Action
	barrier model // memory at the barrier
	arrived map[flow.Hour]uint64
	since   model // what came after it
	added   map[flow.Hour]uint64
}

// reading is an answer and what it must say.
type reading struct {
	rows flow.Rows
	want model
}

var labels = []flow.Hour{0, 1, 16, flow.MaxHour}

func fewFlows(t *rapid.T) *rapid.Generator[flow.Flow] {
	tuples := rapid.SliceOfN(flows(), 1, 20).Draw(t, "tuples")
	return rapid.Custom(func(t *rapid.T) flow.Flow {
		f, tuple := flows().Draw(t, "flow"), rapid.SampledFrom(tuples).Draw(t, "tuple")
		f.SrcApp, f.DestApp, f.VPCID = tuple.SrcApp, tuple.DestApp, tuple.VPCID
		return f
	})
}

func newWorld(t *rapid.T) *world {
	h := newHasher()
	h.mask = rapid.SampledFrom(hashMasks).Draw(t, "mask")
	table, err := newTable(Options{Shards: rapid.SampledFrom([]int{1, 2, 8}).Draw(t, "shards")}, h)
	if err != nil {
		t.Fatal(err)
	}
	table.limits = limits{
		renew: rapid.SampledFrom([]uint32{0, 5, 50, renewTuples}).Draw(t, "renew"),
		move:  rapid.SampledFrom([]uint64{0, 3, moveTuples}).Draw(t, "move"),
		few:   rapid.SampledFrom([]uint64{0, overlayFew}).Draw(t, "few"),
		step:  rapid.SampledFrom([]int{1, barrierStep}).Draw(t, "step"),
	}
	w := &world{table: table, flow: fewFlows(t), disk: map[flow.Hour]model{}, memory: model{}, flows: map[flow.Hour]uint64{}}
	for _, label := range labels {
		if rapid.Bool().Draw(t, "on disk") {
			block := model{}
			for _, f := range rapid.SliceOfN(w.flow, 1, 20).Draw(t, "block") {
				f.Hour = label
				block.add(&f)
			}
			w.disk[label] = block
		}
	}
	table.SetOnDisk(slices.Collect(maps.Keys(w.disk)))
	table.Start()
	return w
}

// plusModel returns what a and b have together.
func plusModel(a, b model) model {
	sum := model{}
	maps.Copy(sum, a)
	for k, t := range b {
		was := sum[k]
		was.Add(t)
		sum[k] = was
	}
	return sum
}

// without returns m without an hour.
func (m model) without(h flow.Hour) model {
	out := maps.Clone(m)
	maps.DeleteFunc(out, func(k modelKey, _ flow.Totals) bool { return k.hour == h })
	return out
}

// blockRows are the rows of a block. They come a few at a time.
type blockRows struct {
	rows   []flow.Row
	err    error
	closed bool
}

func newBlockRows(m model) *blockRows {
	b := &blockRows{}
	for k, t := range m {
		b.rows = append(b.rows, flow.Row{Key: flow.AppendKey(nil, k.src, k.dest, k.vpc), Totals: t, Hour: k.hour})
	}
	return b
}

func (b *blockRows) Next(dst []flow.Row) int {
	n := copy(dst[:min(len(dst), 7)], b.rows)
	b.rows = b.rows[n:]
	return n
}

func (b *blockRows) Err() error { return b.err }
func (b *blockRows) Close()     { b.closed = true }

func (w *world) append(t *rapid.T) {
	batch := slices.Repeat(rapid.SliceOfN(w.flow, 0, 20).Draw(t, "flows"), rapid.SampledFrom([]int{1, 1, 10}).Draw(t, "times"))
	b := w.table.Acquire(0)
	for i := range batch {
		b.Add(&batch[i])
	}
	split := w.table.Divide(b)
	if rapid.IntRange(0, 9).Draw(t, "discard") == 0 {
		w.table.Discard(split)
		return
	}
	w.table.Send(split)
	for i := range batch {
		f := &batch[i]
		w.memory.add(f)
		w.flows[f.Hour]++
		if w.frozen != nil {
			w.since.add(f)
			w.added[f.Hour]++
		}
	}
}

// ask asks for an hour, to be read at once or late, over its block.
func (w *world) ask(t *rapid.T) {
	h := rapid.SampledFrom(labels).Draw(t, "hour")
	block, onDisk := w.disk[h]
	want, answer := plusModel(block, w.memory.hour(h)), w.table.Ask(h)
	if rapid.Bool().Draw(t, "append before waiting") {
		w.append(t)
	}
	rows, part := answer.Rows()
	if part != onDisk {
		t.Fatalf("hour %d: part is %v, on disk is %v", h, part, onDisk)
	}
	if part {
		rows = w.table.Overlay(newBlockRows(block), rows)
	}
	w.late = append(w.late, reading{rows, want})
}

func (w *world) read(t *rapid.T) {
	if len(w.late) > 0 {
		i := rapid.IntRange(0, len(w.late)-1).Draw(t, "which")
		w.late[i].check(t)
		w.late = slices.Delete(w.late, i, i+1)
	}
}

func (r reading) check(t *rapid.T) {
	t.Helper()
	block := rapid.SampledFrom([]int{1, 3, 256}).Draw(t, "block")
	if rapid.IntRange(0, 9).Draw(t, "give up") == 0 {
		r.rows.Next(make([]flow.Row, block))
		r.rows.Close()
		return
	}
	if diff := cmp.Diff(r.want, read(t, r.rows, block), cmp.AllowUnexported(modelKey{})); diff != "" {
		t.Fatal(diff)
	}
	if err := r.rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// step begins a checkpoint or ends the one that was begun.
func (w *world) step(t *rapid.T) {
	switch {
	case w.frozen == nil:
		w.freeze(t)
	case rapid.IntRange(0, 3).Draw(t, "fails") == 0:
		w.restore(t)
	default:
		w.checkpoint(t)
	}
}

// freeze sends a barrier and does not wait for it.
func (w *world) freeze(t *rapid.T) {
	w.actions = map[flow.Hour]Action{}
	for _, h := range labels {
		w.actions[h] = rapid.SampledFrom([]Action{Keep, Spill, Expire}).Draw(t, "action")
	}
	actions := w.actions
	w.frozen = w.table.Freeze(func(h flow.Hour) Action { return actions[h] })
	w.barrier, w.arrived = maps.Clone(w.memory), maps.Clone(w.flows)
	w.since, w.added = model{}, map[flow.Hour]uint64{}
}

// checkpoint writes what was frozen to disk, and installs it.
func (w *world) checkpoint(t *rapid.T) {
	disk := maps.Clone(w.disk)
	hours := w.frozen.Hours()
	w.checkParts(t, memoryHours(hours), w.barrier, w.arrived)
	for _, h := range hours {
		label := h.Hour
		if h.Action != w.actions[label] {
			t.Fatalf("hour %d: action %d, not %d", label, h.Action, w.actions[label])
		}
		if whole := !h.Partial && h.Action == Keep; h.Action == Expire || whole && rapid.Bool().Draw(t, "not changed") {
			continue
		} else if whole {
			w.late = append(w.late, reading{h.Rows(), w.barrier.hour(label)})
			continue
		}
		block := plusModel(disk[label], w.barrier.hour(label))
		var base flow.Rows
		if h.Partial {
			base = newBlockRows(disk[label])
		}
		reading{w.table.Overlay(base, h.Rows()), block}.check(t)
		disk[label] = block
	}
	w.frozen.Install()
	w.frozen = nil
	for _, label := range labels {
		_, onDisk := disk[label]
		if action := w.actions[label]; action != Keep || onDisk {
			w.memory = plusModel(w.memory.without(label), w.since.hour(label))
			w.flows[label] = w.added[label]
			if action == Expire {
				delete(disk, label)
			}
		}
	}
	w.disk = disk
}

// restore has a checkpoint fail, after some of it was written or none.
func (w *world) restore(t *rapid.T) {
	if rapid.Bool().Draw(t, "wait") {
		for _, h := range w.frozen.Hours() {
			if rapid.Bool().Draw(t, "was read") {
				w.late = append(w.late, reading{h.Rows(), w.barrier.hour(h.Hour)})
			}
		}
	}
	w.frozen.Restore()
	w.frozen = nil
}

func memoryHours(hours []*FrozenHour) []MemoryHour {
	var parts []MemoryHour
	for _, h := range hours {
		parts = append(parts, h.MemoryHour)
	}
	return parts
}

// checkParts holds the figures of what is in memory to the model.
func (w *world) checkParts(t *rapid.T, got []MemoryHour, memory model, flows map[flow.Hour]uint64) {
	var want []MemoryHour
	for _, h := range labels {
		if flows[h] > 0 {
			_, onDisk := w.disk[h]
			p := MemoryHour{HourTotals: flow.HourTotals{Hour: h, Flows: flows[h]}, Partial: onDisk}
			for _, totals := range memory.hour(h) {
				p.Tuples++
				p.Totals.Add(totals)
			}
			want = append(want, p)
		}
	}
	for i := range got {
		// How often a total was stopped depends on when its flows were added up, but not whether.
		if stopped := got[i].Totals.BytesTx == math.MaxUint64 || got[i].Totals.BytesRx == math.MaxUint64; !stopped && got[i].Saturated > 0 {
			t.Fatalf("%+v: saturated, though its sum is not", got[i])
		}
		got[i].Saturated = 0
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

// checkDicts holds the dicts to the hours there are, when no shard has anything to do.
func (w *world) checkDicts(t *rapid.T) {
	read := len(w.late) == 0 && w.frozen == nil
	w.table.scatter(func(_ int, s *shard) {
		held, both, hours := uint64(0), 0, map[*dict]int{}
		for _, all := range []map[flow.Hour]*hour{s.hours, s.frozen} {
			for _, h := range all {
				held += h.bytes
				hours[h.dict]++
				if readers := h.readers.Load(); readers < 0 || readers > 0 && read {
					t.Errorf("hour %d has %d readers, all answers are read: %v", h.label, readers, read)
				}
			}
		}
		for label, h := range s.hours {
			base := s.frozen[label]
			if base != nil {
				both++
			}
			if h.base != base || base != nil && h.dict != base.dict {
				t.Errorf("hour %d does not continue what is frozen of it", label)
			}
		}
		if both != s.both {
			t.Errorf("%d hours are counted as continued, %d are", s.both, both)
		}
		if held != s.hourBytes {
			t.Errorf("%d bytes are counted, the hours have %d", s.hourBytes, held)
		}
		for i, d := range s.dicts {
			if d.hours != hours[d] || d.hours == 0 && d != s.dict || (d == s.dict) != (i == len(s.dicts)-1) {
				t.Errorf("dict %d of %d counts %d hours, has %d", i, len(s.dicts), d.hours, hours[d])
			}
			delete(hours, d)
		}
		if len(hours) > 0 {
			t.Errorf("%d dicts of hours are unknown to the shard", len(hours))
		}
	}).Wait()
}

// TestMemoryAndDisk holds a table, with blocks below it, to the model, through any sequence of
// batches, questions and checkpoints that are installed or fail, with answers that are read late,
// dicts that are replaced often, and however the hashes collide.
func TestMemoryAndDisk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		defer w.table.Close()
		t.Repeat(map[string]func(*rapid.T){
			"append":     w.append,
			"ask":        w.ask,
			"read":       w.read,
			"checkpoint": w.step,
			"": func(t *rapid.T) {
				w.checkParts(t, w.table.AskHours().Hours(), w.memory, w.flows)
				w.checkDicts(t)
			},
		})
		for _, r := range w.late {
			r.check(t)
		}
		if w.frozen != nil {
			w.restore(t)
		}
	})
}
