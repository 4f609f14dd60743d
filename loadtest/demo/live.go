package demo

import (
	"math"
	"math/rand/v2"
	"time"

	"flowd/flow"
)

// Tick is how often live traffic reports.
const Tick = 200 * time.Millisecond

// Live is traffic that comes bit by bit. It belongs to one goroutine.
type Live struct {
	traffic *Traffic
	rate    float64
	random  *rand.Rand
	ticks   uint64
	owed    float64 // part of a flow, from the ticks before

	hour  flow.Hour
	flows []flow.Flow // of the hour, in no order
	next  int
	share float64 // of a flow's bytes that come each time
}

// Live returns traffic of about rate flows per second, over 0. It comes in waves of a minute. By
// the end of an hour it adds up to about what Flows has of it, whatever the rate.
func (t *Traffic) Live(rate float64) *Live {
	return &Live{traffic: t, rate: rate, random: rand.New(rand.NewPCG(t.Seed, math.MaxUint64-1))}
}

// Next appends the flows of the next tick to dst, which is in hour h.
func (l *Live) Next(dst []flow.Flow, h flow.Hour) []flow.Flow {
	if l.flows == nil || h != l.hour {
		l.enter(h)
	}
	const wave = uint64(time.Minute / Tick)
	phase := 2 * math.Pi * float64(l.ticks%wave) / float64(wave)
	l.ticks++
	l.owed += l.rate * Tick.Seconds() * (1 + 0.3*math.Sin(phase)) * spread(l.random, 0.15)
	n := int(l.owed)
	l.owed -= float64(n)
	for range n {
		f := l.flows[l.next]
		f.BytesTx = uint64(math.Ceil(float64(f.BytesTx) * l.share))
		f.BytesRx = uint64(math.Ceil(float64(f.BytesRx) * l.share))
		dst = append(dst, f)
		l.next = (l.next + 1) % len(l.flows)
	}
	return dst
}

// enter makes the flows of an hour.
func (l *Live) enter(h flow.Hour) {
	l.hour, l.next = h, 0
	l.flows = l.traffic.Flows(l.flows[:0], h)
	random := rand.New(rand.NewPCG(l.traffic.Seed, uint64(h)))
	random.Shuffle(len(l.flows), func(i, j int) { l.flows[i], l.flows[j] = l.flows[j], l.flows[i] })
	l.share = float64(len(l.flows)) / (l.rate * time.Hour.Seconds())
}
