package flow

// HourTally is what a batch has of one hour.
type HourTally struct {
	Hour             Hour
	Flows            uint64
	BytesTx, BytesRx Sum
}

// Tally returns t without its hour.
func (t *HourTally) Tally() Tally { return Tally{t.Flows, t.BytesTx, t.BytesRx} }

// Tally appends to dst what b has of each hour, in the order in which the hours first appear. It
// uses memory of b, so only one that owns b may call it.
func (b *Batch) Tally(dst []HourTally) []HourTally {
	h := &b.working().hours
	h.slots.clear()
	first := len(dst)
	for items := b.Items; len(items) > 0; {
		hour := items[0].Hour
		n := h.find(hour, dst[first:])
		if first+n == len(dst) {
			dst = append(dst, HourTally{Hour: hour})
			h.added(dst[first:])
		}
		items = dst[first+n].addRun(items)
	}
	return dst
}

// addRun adds the first items, up to one of another hour than t's, and returns the others. Most
// batches are a few runs, so most additions are to registers.
func (t *HourTally) addRun(items []Item) []Item {
	n, tx, rx := 0, t.BytesTx, t.BytesRx
	for n < len(items) && items[n].Hour == t.Hour {
		tx.Add(items[n].Totals.BytesTx)
		rx.Add(items[n].Totals.BytesRx)
		n++
	}
	t.Flows += uint64(n)
	t.BytesTx, t.BytesRx = tx, rx
	return items[n:]
}

// hourIndex finds the hours of a batch again. Its hash is keyed with a secret, as that of the
// names is, and for the same reason: a batch may have as many hours as flows.
type hourIndex struct {
	slots  slots
	secret uint64 // odd
}

func (x *hourIndex) hash(h Hour) uint64 { return uint64(h) * x.secret }

// find returns the number of an hour in all, or that of the next if it is new.
func (x *hourIndex) find(h Hour, all []HourTally) int {
	s := &x.slots
	for i := x.hash(h) >> s.shift; ; i = (i + 1) & uint64(len(s.at)-1) {
		slot := s.at[i]
		if slot.epoch != s.epoch {
			return len(all)
		}
		if all[slot.entry].Hour == h {
			return int(slot.entry)
		}
	}
}

// added notes the last of all, which is new.
func (x *hourIndex) added(all []HourTally) {
	if !x.slots.full(len(all)) {
		x.slots.place(x.hash(all[len(all)-1].Hour), len(all)-1)
		return
	}
	x.slots.resize(2 * len(x.slots.at))
	for i := range all {
		x.slots.place(x.hash(all[i].Hour), i)
	}
}
