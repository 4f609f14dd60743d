package limit

import (
	"sync"
	"time"
)

// drainSeconds is the number of past seconds that Drain considers.
const drainSeconds = 10

// longest is the longest wait that Wait returns, since measurements predict nothing beyond it.
const longest = time.Minute

// Drain measures the throughput of work, to predict how long a queue takes. The zero value is ready. Its
// methods may be called from any goroutine.
//
// It estimates the capacity by the busiest of the last ten seconds, since the throughput at low load says
// nothing about the capacity. (TCP's BBR estimates the bandwidth of a path in the same way.)
type Drain struct {
	mu      sync.Mutex
	began   time.Time
	seconds [drainSeconds]second // second n since began is at n mod drainSeconds
	// stalled is the time of the first Wait since the last call of Done; zero if there was none.
	stalled time.Time
}

// second counts the work of one second.
type second struct {
	number int64
	done   int64
}

// number returns the number of the second of now.
func (d *Drain) number(now time.Time) int64 {
	if d.began.IsZero() {
		d.began = now
	}
	return int64(max(now.Sub(d.began), 0) / time.Second)
}

// Done records that n pieces of work are done.
func (d *Drain) Done(n int, now time.Time) {
	if n <= 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stalled = time.Time{}
	number := d.number(now)
	s := &d.seconds[number%drainSeconds]
	switch {
	case s.number < number:
		*s = second{number, int64(n)}
	case s.number == number:
		s.done += int64(n)
	}
}

// Wait returns the estimated time until queued pieces of work are done, from 0 for no pieces up to a
// minute. Without recent work it is a second. While no work gets done it grows with the time that passes: a
// queue that has stood still for some time is likely to stand still for as long again.
func (d *Drain) Wait(queued int, now time.Time) time.Duration {
	if queued <= 0 {
		return 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	number, most := d.number(now), int64(0)
	for _, s := range d.seconds {
		if number-s.number < drainSeconds {
			most = max(most, s.done)
		}
	}
	wait := time.Second
	if most > 0 {
		wait = longest
		if whole := int64(queued) / most; whole < int64(longest/time.Second) {
			rest := float64(int64(queued)%most) / float64(most)
			wait = time.Duration(whole)*time.Second + time.Duration(rest*float64(time.Second))
		}
	}
	if d.stalled.IsZero() {
		d.stalled = now
	}
	return min(max(wait, now.Sub(d.stalled)), longest)
}
