package local

import (
	"slices"

	"flowd/flow"
	"flowd/store/manifest"
)

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
