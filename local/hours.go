package local

import (
	"fmt"
	"math"
	"time"

	"flowd/clock"
	"flowd/flow"
	"flowd/limit"
)

// Which hours there may be
//
// Clients choose the labels of hours, and every hour takes memory, a file, and a line of the manifest, so
// their number is bounded. But no hour goes because another comes: what is one too many is refused. Live
// hours, those close to the clock, are always taken; a client that labels its flows wrongly opens
// others, and for those there is the room that live hours leave, of which one client gets a share only.

const (
	// firstLive is the least label that is taken for hours since 1970. Those below are of people who
	// number their hours as they like.
	firstLive = 100_000
	// liveSpan is how many hours from the clock, in either direction, are live.
	liveSpan = 48
	hourMs   = int64(time.Hour / time.Millisecond)
)

// opener is who opens an hour, and when.
type opener struct {
	sender flow.Sender
	now    clock.Stamp
	clock  *clock.Clock // whose wall clock is looked at too; nil in a replay
	record uint64       // number of the record that is replayed, from 1; 0 if none is
}

// live tells whether an hour is live for o.
func (o *opener) live(label flow.Hour) bool {
	return liveAt(label, o.now.Time) || o.clock != nil && liveAt(label, o.clock.Wall())
}

func liveAt(label flow.Hour, at int64) bool {
	distance := int64(label) - at/hourMs
	return label >= firstLive && distance >= -liveSpan && distance <= liveSpan
}

// otherHours counts the hours that were not live when they were opened.
type otherHours struct {
	count int
	by    map[string]int // client
}

func (o *otherHours) add(client string, n int) {
	o.count += n
	if o.by[client] += n; o.by[client] == 0 {
		delete(o.by, client)
	}
}

// otherHoursMax returns how many hours there may be that were not live when they were opened: what
// MaxHours leaves when all live hours of Retention are there, but at least half of it.
func (e *Engine) otherHoursMax() int {
	reserve := e.o.MaxHours / 2
	if kept := e.limits.Load().Retention; kept > 0 {
		reserve = min(reserve, int(kept/time.Hour)+2*liveSpan+1)
	}
	return e.o.MaxHours - reserve
}

// opening is an hour that a batch of the group opens.
type opening struct {
	client string
	live   bool
}

// admitHours refuses c if it would open more hours than its client may. It appends to e.fresh the
// labels that c opens. The committer calls it.
func (e *Engine) admitHours(c *commit, now int64) error {
	e.fresh = e.fresh[:0]
	for i := range c.tally {
		label := c.tally[i].Hour
		if e.hours[label] != nil {
			continue
		}
		if _, pending := e.group.opening[label]; !pending {
			e.fresh = append(e.fresh, label)
		}
	}
	if len(e.fresh) == 0 {
		return nil
	}
	by, client := opener{now: clock.Stamp{Time: now}, clock: e.clock}, c.origin.Sender.String()
	wanted := 0
	for _, label := range e.fresh {
		if !by.live(label) {
			wanted++
		}
	}
	count, own := e.others.count, e.others.by[client]
	for _, o := range e.group.opening {
		if !o.live {
			count++
			if o.client == client {
				own++
			}
		}
	}
	most := e.otherHoursMax()
	if more := int(limit.Share(uint64(own), uint64(max(0, most-count)))); wanted > more {
		return e.tooManyOthers(c, wanted, own, count, more)
	}
	return nil
}

// tooManyOthers says why c may not open the hours that it is of.
func (e *Engine) tooManyOthers(c *commit, wanted, own, count, more int) error {
	most := e.otherHoursMax()
	return &flow.HoursError{Bound: "max-hours", Detail: fmt.Sprintf(
		"The batch would open %d hours that are more than %d hours away from the server's clock, which is in hour %d: such as hour %d. "+
			"The server has %d of that kind and takes at most %d, for max-hours is %d and keeps room for live hours; this client opened "+
			"%d of them, and may open %d more. None of the batch counts. An hour is the whole hours since 1970, Unix time divided by 3600: "+
			"check the labels, or have max-hours raised.",
		wanted, liveSpan, e.now()/hourMs, e.firstOther(c), count, most, e.o.MaxHours, own, more)}
}

// firstOther returns the first of e.fresh that is not live.
func (e *Engine) firstOther(c *commit) flow.Hour {
	by := opener{now: e.clock.Stamp(), clock: e.clock}
	for _, label := range e.fresh {
		if !by.live(label) {
			return label
		}
	}
	return 0
}

// noteOpenings has what follows in the group know the hours that c opens.
func (e *Engine) noteOpenings(c *commit, now int64) {
	by, client := opener{now: clock.Stamp{Time: now}, clock: e.clock}, ""
	for _, label := range e.fresh {
		if client == "" {
			client = c.origin.Sender.String()
		}
		e.group.opening[label] = opening{client, by.live(label)}
	}
}

// openHour makes an hour that flows have come for.
func (e *Engine) openHour(label flow.Hour, by *opener) *hour {
	h := newHour()
	h.openedBy, h.live, h.expiredBefore = by.sender.String(), by.live(label), e.expired.has(label)
	h.opener = by.record
	e.keep(label, h)
	return h
}

// reopen puts an hour down to an earlier record than the one it is of: a replay enters them in any order.
func (e *Engine) reopen(label flow.Hour, h *hour, by *opener) {
	e.forget(label, h)
	h.openedBy, h.live, h.opener = by.sender.String(), by.live(label), by.record
	e.keep(label, h)
}

// keep adds an hour to those that there are.
func (e *Engine) keep(label flow.Hour, h *hour) {
	e.hours[label] = h
	e.stats.hours.Add(1)
	if !h.live {
		e.others.add(h.openedBy, 1)
		e.stats.otherHours.Store(int64(e.others.count))
	}
	if h.expiredBefore {
		e.stats.partialHours.Add(1)
	}
	if e.log == nil {
		e.known.Store(label, nil)
	}
}

// forget drops an hour of which nothing is left.
func (e *Engine) forget(label flow.Hour, h *hour) {
	delete(e.hours, label)
	e.stats.hours.Add(-1)
	if !h.live {
		e.others.add(h.openedBy, -1)
		e.stats.otherHours.Store(int64(e.others.count))
	}
	if h.expiredBefore {
		e.stats.partialHours.Add(-1)
	}
	e.known.Delete(label)
}

// opensHours tells whether a batch may open an hour. Without a log a caller waits for the verdict of
// the committer only then.
func (e *Engine) opensHours(tally []flow.HourTally) bool {
	for i := range tally {
		if _, known := e.known.Load(tally[i].Hour); !known {
			return true
		}
	}
	return false
}

// checkHours refuses a batch with more hours than are kept, or with one that is too far ahead of the
// clock.
func (e *Engine) checkHours(b *flow.Batch, tally []flow.HourTally) error {
	if len(tally) > e.o.MaxHours {
		return flow.ErrTooManyHours
	}
	horizon := e.horizon.Load()
	for i := range tally {
		if int64(tally[i].Hour) > horizon {
			return e.checkAhead(b)
		}
	}
	return nil
}

// setHorizon notes the largest label that is not too far ahead. It is called often enough for the
// clock not to go past it: each second.
func (e *Engine) setHorizon() int64 {
	horizon := int64(math.MaxInt64)
	if ahead := e.limits.Load().MaxAhead; ahead > 0 {
		now := max(e.now(), e.clock.Wall())
		horizon = max(firstLive-1, (now+ahead.Milliseconds())/hourMs)
	}
	e.horizon.Store(horizon)
	return horizon
}

// checkAhead names the flows of b that are too far ahead of the clock.
func (e *Engine) checkAhead(b *flow.Batch) error {
	horizon := e.setHorizon() // the clock may have gone on
	refused := &flow.HoursError{Bound: "max-ahead"}
	for i := range b.Items {
		label := b.Items[i].Hour
		switch {
		case int64(label) <= horizon:
		case len(refused.Fields) < flow.MaxFieldErrors:
			refused.Fields = append(refused.Fields, flow.FieldError{
				Pointer: fmt.Sprintf("/%d/hour", i), Detail: e.aheadDetail(label),
			})
		default:
			refused.Omitted++
		}
	}
	if len(refused.Fields) == 0 {
		return nil
	}
	refused.Detail = "The batch has hours too far ahead of the server's clock, so none of its flows counts."
	return refused
}

// aheadDetail says what is wrong with a label, and what it may have been meant to be.
func (e *Engine) aheadDetail(label flow.Hour) string {
	now := max(e.now(), e.clock.Wall())
	detail := fmt.Sprintf("hour %d is further ahead of the server's clock, which is in hour %d, than max-ahead (%v)",
		label, now/hourMs, e.limits.Load().MaxAhead)
	for _, unit := range []struct {
		name string
		in   int64 // an hour
	}{{"minutes", 60}, {"seconds", 3600}} {
		// Those of the last years, for the label of a month ago in another unit is meant so too.
		if meant := int64(label) / unit.in; meant >= firstLive && meant <= e.horizon.Load() {
			return detail + fmt.Sprintf("; it looks like %s since 1970, and would be hour %d", unit.name, meant)
		}
	}
	return detail + "; an hour is the whole hours since 1970: Unix time divided by 3600"
}
