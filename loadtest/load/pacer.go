package load

import (
	"math"
	"time"
)

// Pacer says when requests are due: evenly, Rate of them a second, the first at once. It is a
// pure function of its rate, so no delay of one request moves another.
type Pacer struct {
	// Rate is in requests per second. At 0 nothing is ever due: a sender sends as soon
	// as the last answer came (a closed loop).
	Rate float64
}

// Due returns how long after the start request k is due, counting from 0. It is computed from
// k and not by adding up, so it does not drift.
func (p Pacer) Due(k uint64) time.Duration {
	ns := float64(k) / p.Rate * float64(time.Second)
	if !(ns < math.MaxInt64) {
		return math.MaxInt64
	}
	return time.Duration(ns)
}

// DueBefore returns how many requests are due before elapsed has passed since the start.
func (p Pacer) DueBefore(elapsed time.Duration) uint64 {
	if p.Rate == 0 || elapsed <= 0 {
		return 0
	}
	// The estimate may be off by one for the rounding of Due, which has the last word.
	k := uint64(elapsed.Seconds() * p.Rate)
	for k > 0 && p.Due(k-1) >= elapsed {
		k--
	}
	for p.Due(k) < elapsed {
		k++
	}
	return k
}

// Mix tells reads from writes among the requests of a run: Reads of all, spread evenly.
type Mix struct {
	// Reads is the share of the requests that are reads, from 0 up to, not including, 1.
	Reads float64
}

// IsRead tells whether request k is a read.
func (m Mix) IsRead(k uint64) bool {
	return math.Floor(float64(k+1)*m.Reads) > math.Floor(float64(k)*m.Reads)
}

// Requests returns the rate of all requests at which posts of them are writes.
func (m Mix) Requests(posts float64) float64 { return posts / (1 - m.Reads) }
