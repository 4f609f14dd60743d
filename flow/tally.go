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
	first := len(dst)
	for items := b.Items; len(items) > 0; {
		hour := items[0].Hour
		n := b.findHour(hour, dst[first:])
		if first+n == len(dst) {
			dst = append(dst, HourTally{Hour: hour})
			if len(dst)-first > fewHours {
				b.working().hours.added(dst[first:])
			}
		}
		items = dst[first+n].addRun(items)
	}
	return dst
}

// fewHours are found by looking at all of them. Nearly every batch has fewer, and then its index, which
// is not in the processor's cache, is not touched.
const fewHours = 8

// findHour returns the number of an hour in all, or that of the next if it is new.
func (b *Batch) findHour(h Hour, all []HourTally) int {
	if len(all) > fewHours {
		return b.working().hours.find(h, all)
	}
	for i := range all {
		if all[i].Hour == h {
			return i
		}
	}
	return len(all)
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

// added notes the last of all, which is new, and has all of them noted if they are more than few now.
func (x *hourIndex) added(all []HourTally) {
	switch {
	case len(all) == fewHours+1:
		x.slots.clear()
	case x.slots.full(len(all)):
		x.slots.resize(2 * len(x.slots.at))
	default:
		x.slots.place(x.hash(all[len(all)-1].Hour), len(all)-1)
		return
	}
	for i := range all {
		x.slots.place(x.hash(all[i].Hour), i)
	}
}
