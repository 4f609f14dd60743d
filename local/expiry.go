package local

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"flowd/flow"
	"flowd/shard"
	"flowd/store/manifest"
)

// expiry is why an hour expires.
type expiry uint8

const (
	byAge   expiry = iota // Retention is over
	byBytes               // the blocks take more than RetentionBytes
	expiries
)

// expiring returns the hours that expire, in ascending order.
func (c *checkpointPlan) expiring() []flow.Hour {
	var labels []flow.Hour
	for label, h := range c.hours {
		if h.action == shard.Expire {
			labels = append(labels, label)
		}
	}
	slices.Sort(labels)
	return labels
}

// eachSaid is how many hours that go at once have a line each; more are summed up.
const eachSaid = 20

// sayExpired logs which hours went, and why. An hour that goes before its time is a warning.
func (k *checkpointer) sayExpired(c *checkpointPlan) {
	var aged, early []flow.Hour
	for _, label := range c.expiring() {
		if c.hours[label].why == byBytes {
			early = append(early, label)
		} else {
			aged = append(aged, label)
		}
	}
	k.say(c, aged, func(what string, of []any) {
		k.o.Logger.Info(what, append(of, "reason", "age", "retention", k.limits.Load().Retention.String())...)
	})
	k.say(c, early, func(what string, of []any) {
		k.o.Logger.Warn(what+" before its retention was over", append(of, "reason", "bytes", "bound", "retention-bytes",
			"limit", k.limits.Load().RetentionBytes, "most_flows_by", c.fillers)...)
	})
}

// say has write log hours that expired: each, or all at once where there are many.
func (k *checkpointer) say(c *checkpointPlan, labels []flow.Hour, write func(what string, of []any)) {
	if len(labels) > eachSaid {
		var flows uint64
		var bytes int64
		for _, label := range labels {
			h := c.hours[label]
			flows += h.account.Stored.Flows
			bytes += h.bytes()
		}
		write("many an hour expired", []any{
			"hours", len(labels), "first", labels[0], "last", labels[len(labels)-1], "flows", flows, "block_bytes", bytes,
		})
		return
	}
	for _, label := range labels {
		h := c.hours[label]
		write("an hour expired", []any{
			"hour", label, "last_write", text(h.lastWrite.Time), "flows", h.account.Stored.Flows, "block_bytes", h.bytes(), "opened_by", h.openedBy,
		})
	}
}

// sayBounds warns of bounds that do not fit each other.
func (e *Engine) sayBounds() {
	kept := e.limits.Load().Retention
	if wanted := int(kept/time.Hour) + 2*liveSpan + 1; kept > 0 && wanted > e.o.MaxHours {
		e.o.Logger.Warn("max-hours is below the hours of retention: live hours are taken all the same, but for others there is little room",
			"max_hours", e.o.MaxHours, "hours_of_retention", wanted, "others", e.otherHoursMax())
	}
}

// ExpiredBefore tells whether of the hours from from up to, not including, to, one had expired before
// the flows came that it has now. It takes no lock where no hour has.
func (e *Engine) ExpiredBefore(from, to flow.Hour) bool {
	if e.stats.partialHours.Load() == 0 {
		return false
	}
	e.order.RLock()
	defer e.order.RUnlock()
	for label, h := range e.hours {
		if h.expiredBefore && label >= from && label < to {
			return true
		}
	}
	return false
}

// senders counts the flows that clients sent, so that it can be said who fills the disk. Beyond
// sendersMost clients, one that is new takes the place, and the count, of the one with the least: so
// who sent more than an equal share of all is there in any case (Metwally, Agrawal and El Abbadi,
// Efficient computation of frequent and top-k elements in data streams, 2005).
type senders map[flow.Sender]uint64

const (
	sendersMost = 64
	sendersSaid = 3
)

func (s senders) add(client flow.Sender, flows uint64) {
	if n, ok := s[client]; ok || len(s) < sendersMost {
		s[client] = n + flows
		return
	}
	var least flow.Sender
	count := uint64(math.MaxUint64)
	for known, n := range s {
		if n < count {
			least, count = known, n
		}
	}
	delete(s, least)
	s[client] = count + flows
}

// String names those who sent most, and how many flows.
func (s senders) String() string {
	all := make([]flow.Sender, 0, len(s))
	for sender := range s {
		all = append(all, sender)
	}
	slices.SortFunc(all, func(a, b flow.Sender) int {
		return cmp.Or(cmp.Compare(s[b], s[a]), cmp.Compare(a.String(), b.String()))
	})
	var said []string
	for _, sender := range all[:min(len(all), sendersSaid)] {
		said = append(said, fmt.Sprintf("%q %d", sender, s[sender]))
	}
	return strings.Join(said, ", ")
}

// noteSender counts c for the one who sent it, while the disk is bounded. The committer calls it.
func (e *Engine) noteSender(c *commit) {
	if e.limits.Load().RetentionBytes == 0 {
		return
	}
	flows := uint64(0)
	for i := range c.tally {
		flows += c.tally[i].Flows
	}
	e.senders.add(c.origin.Sender, flows)
}

// expiredMost is how many hours that expired are remembered.
const expiredMost = 1 << 14

// expiredHours remembers hours that expired, so that an hour made anew by late flows can be told
// from one that is whole. Beyond expiredMost those are forgotten that expired first.
type expiredHours struct {
	set   map[flow.Hour]struct{}
	order []flow.Hour
}

func (x *expiredHours) has(label flow.Hour) bool {
	_, ok := x.set[label]
	return ok
}

func (x *expiredHours) add(label flow.Hour) {
	if x.has(label) {
		return
	}
	if len(x.order) == expiredMost {
		delete(x.set, x.order[0])
		x.order = x.order[1:]
	}
	x.set[label] = struct{}{}
	x.order = append(x.order, label)
}

// with returns the hours that are remembered once some more have expired.
func (x *expiredHours) with(more []flow.Hour) []manifest.HourRange {
	all := slices.Concat(x.order, more)
	slices.Sort(all)
	all = slices.Compact(all)
	var ranges []manifest.HourRange
	for _, label := range all {
		if n := len(ranges); n > 0 && ranges[n-1].To+1 == label {
			ranges[n-1].To = label
			continue
		}
		ranges = append(ranges, manifest.HourRange{From: label, To: label})
	}
	return ranges
}

// readRanges remembers what a manifest does.
func (x *expiredHours) readRanges(ranges []manifest.HourRange) {
	for _, r := range ranges {
		for label := r.From; ; label++ {
			x.add(label)
			if label == r.To || len(x.order) == expiredMost {
				break
			}
		}
	}
}
