package demo

import (
	"math"

	"flowd/flow"
)

// rhythm is when there is traffic of a kind.
type rhythm uint8

const (
	people  rhythm = iota // by day, less at weekends
	machine               // always
	nightly               // in the first hours of the day
)

// vpc is a place with its own time, and its share of the traffic.
type vpc struct {
	name string
	// east is by how many hours its clocks are ahead of UTC.
	east int
	// size is its traffic beside that of the largest.
	size float64
	// office is an app that is used in office hours alone.
	office bool
}

var vpcs = [...]vpc{
	{name: "vpc-prod-eu", east: 1, size: 1},
	{name: "vpc-prod-us", east: -5, size: 0.7},
	{name: "vpc-staging", east: 1, size: 0.03, office: true},
}

// incident returns what the incident makes of a talk in an hour, as a factor.
func (t *Traffic) incident(k *talk, h flow.Hour) float64 {
	began := h >= t.Incident()
	switch {
	case k.has(t.apps, NewApp) && !began, k.has(t.apps, SilentApp) && began:
		return 0
	case k.has(t.apps, SurgingApp) && began && h < t.Incident()+SurgeHours:
		return SurgeFactor
	}
	return 1
}

// activity returns what part of a rhythm's traffic there is in an hour, above 0 and up to 1.
func (v *vpc) activity(r rhythm, h flow.Hour) float64 {
	local := int64(h) + int64(v.east)
	hour, weekend := local%24, isWeekend(local)
	switch {
	case r == machine:
		return 1
	case r == nightly && hour >= 1 && hour < 5:
		return 1
	case r == nightly:
		return 0.02
	}
	// Least at 4 at night, most at 4 in the afternoon.
	level := 0.25 + 0.75*(0.5-0.5*math.Cos(2*math.Pi*float64(hour-4)/24))
	switch {
	case v.office && (weekend || hour < 8 || hour > 18):
		level *= 0.15
	case weekend:
		level *= 0.7
	}
	return level
}

// isWeekend tells whether an hour since the Unix epoch, which was a Thursday, is on a Saturday or a
// Sunday.
func isWeekend(hour int64) bool {
	day := (hour/24 + 4) % 7 // 0 is Sunday
	return day == 0 || day == 6
}
