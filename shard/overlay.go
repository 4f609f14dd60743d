package shard

import (
	"sync"

	"flowd/flow"
)

const (
	// overlayRows is how many rows of a block are looked up in memory at a time: so many that asking
	// the shards costs little a row, so few that a shard takes some 100 µs for its share.
	overlayRows = 4 << 10
	// overlayLeast is how many are at first.
	overlayLeast = 256
	// overlayFew is how many tuples in memory are copied from the shards, instead of asking them for
	// each row. Late flows are mostly fewer.
	overlayFew = 4 << 10
)

// overlay reads a block and adds to each row what memory has of its tuple, then what else memory
// has. Which rows of memory are taken is known by a bit for each id. So its memory is that, and a
// chunk of rows, however large the block is.
type overlay struct {
	table  *Table
	base   flow.Rows
	mem    *rows
	owners []*snapshot // by shard: what it has of the hour, or nil
	few    *dict       // if not nil, the copy that all rows are looked up in
	ended  bool        // base has no more
	full   bool        // the last chunk was

	ready, block []flow.Row // of base, with memory added
	keys         flow.Batch // of ready
	split        Split
	ids          []uint32
}

// Overlay returns the rows of base, the block of an hour, with those of mem added, which are what
// memory has of the same hour: each tuple once, in no particular order; totals stop at 2^64-1. Mem
// is from Answer.Rows or FrozenHour.Rows of t and not read yet, else Overlay panics; base has no
// tuple twice; either may be nil. Both belong to what is returned and are closed with it. If base
// fails the rows end there, and Err returns base's error.
//
// Like a question, it asks the shards while it is read, so it must be closed before t is.
func (t *Table) Overlay(base, mem flow.Rows) flow.Rows {
	switch {
	case mem == nil:
		return base
	case base == nil:
		return mem
	}
	m, ok := mem.(*rows)
	if !ok {
		panic("shard: rows to overlay that are not a table's")
	}
	if len(m.parts) == 0 {
		return base
	}
	o := &overlay{table: t, base: base, mem: m, owners: make([]*snapshot, len(t.shards))}
	tuples := uint64(0)
	for _, s := range m.parts {
		o.owners[s.shard] = s
		tuples += s.tuples
	}
	if tuples <= t.limits.few {
		o.copyFew()
	}
	o.split = Split{table: t, ends: make([]uint32, len(o.owners))}
	o.resize(overlayLeast)
	return o
}

// resize makes room for so many rows at a time. A small block does not need much.
func (o *overlay) resize(rows int) {
	o.block, o.ids = make([]flow.Row, rows), make([]uint32, rows)
	o.keys.Items, o.keys.Keys = make([]flow.Item, 0, rows), make([]byte, 0, rows*flow.KeySlot)
}

// copyFew makes a copy of mem, in a dict of its own, and has rows looked up there.
func (o *overlay) copyFew() {
	held := uint64(0)
	o.few = newDict(o.mem.parts[0].dict.hasher)
	h := newHour(o.mem.parts[0].hour, o.few, &held)
	for _, s := range o.mem.parts {
		o.few.adopt(s, h)
	}
	o.mem.Close()
	all := h.snapshot(0)
	o.mem, o.owners = &rows{[]*snapshot{all}}, []*snapshot{all}
}

// Next implements flow.Rows.
func (o *overlay) Next(dst []flow.Row) (n int) {
	for n < len(dst) && !o.ended {
		if len(o.ready) == 0 {
			o.fill()
		}
		given := copy(dst[n:], o.ready)
		o.ready = o.ready[given:]
		n += given
	}
	if n == len(dst) || o.base.Err() != nil {
		return n
	}
	return n + o.mem.Next(dst[n:])
}

// Err implements flow.Rows.
func (o *overlay) Err() error { return o.base.Err() }

// Close implements flow.Rows.
func (o *overlay) Close() {
	o.base.Close()
	o.mem.Close()
	o.ready, o.ended = nil, true
}

// fill reads the next rows of base and adds what memory has of their tuples.
func (o *overlay) fill() {
	if o.full && len(o.block) < overlayRows {
		o.resize(min(4*len(o.block), overlayRows))
	}
	n := 0
	for n < len(o.block) {
		more := o.base.Next(o.block[n:])
		if more == 0 {
			break
		}
		n += more
	}
	o.ready, o.ended, o.full = o.block[:n], n == 0, n == len(o.block)
	o.keys.Reset()
	for i := range o.ready {
		addKey(&o.keys, o.ready[i].Key)
	}
	o.split.divide(&o.keys)
	o.lookUp()
	from := uint32(0)
	for i, to := range o.split.ends {
		if owner := o.owners[i]; owner != nil {
			for j := from; j < to; j++ {
				o.add(owner, o.ids[j], &o.ready[o.split.order[j]])
			}
		}
		from = to
	}
}

// lookUp finds the ids of the tuples of ready, in the order of split, in the dicts of their
// owners. Only a shard may read its dict, but it is all the same to it when: ids stay.
func (o *overlay) lookUp() {
	var answered sync.WaitGroup
	from := uint32(0)
	for i, to := range o.split.ends {
		owner := o.owners[i]
		if owner == nil || from == to {
			from = to
			continue
		}
		d, order, hashes, ids := owner.dict, o.split.order[from:to], o.split.hashes[from:to], o.ids[from:to]
		from = to
		if o.few != nil {
			d.lookUp(&o.keys, order, hashes, ids)
			continue
		}
		answered.Add(1)
		o.table.shards[i].in <- message{ask: func(*shard) {
			d.lookUp(&o.keys, order, hashes, ids)
			answered.Done()
		}}
	}
	answered.Wait()
}

// add adds to row what owner has of the tuple id.
func (o *overlay) add(owner *snapshot, id uint32, row *flow.Row) {
	if id == noID {
		return
	}
	if t, known := owner.take(id); known {
		row.Totals.Add(t)
	}
}

// lookUp sets ids to those of the items of b that order names, whose hashes are given, and to noID
// where it is absent. It works in passes as applyBlock does.
func (d *dict) lookUp(b *flow.Batch, order []uint32, hashes []uint64, ids []uint32) {
	for len(order) > blockSize {
		d.lookUpBlock(b, order[:blockSize], hashes[:blockSize], ids[:blockSize])
		order, hashes, ids = order[blockSize:], hashes[blockSize:], ids[blockSize:]
	}
	d.lookUpBlock(b, order, hashes, ids)
}

func (d *dict) lookUpBlock(b *flow.Batch, order []uint32, hashes []uint64, ids []uint32) {
	d.sink += d.touchBuckets(hashes)
	for i, hash := range hashes {
		ids[i] = d.bucket(hash).guess(hash)
	}
	for _, id := range ids {
		if id != noID {
			d.sink += d.peek(d.record(id))
		}
	}
	for i, id := range ids {
		if item := &b.Items[order[i]]; id == noID || !d.is(id, b, item) {
			ids[i] = d.find(b, item, hashes[i])
		}
	}
}
