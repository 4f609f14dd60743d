package limit

import (
	"sync"
	"time"
)

// drainSeconds is how far back Drain looks.
const drainSeconds = 10

// longest is the longest wait that anybody is told: what is measured says nothing about a time
// further off.
const longest = time.Minute

// Drain measures how fast work gets done, to tell how long a queue of it will take. The zero value
// is ready. Its methods may be called from any goroutine.
//
// It takes the busiest of the last ten seconds for what can be done in a second, as what is done
// while little is asked for says nothing about how much could be. (TCP's BBR finds the bandwidth
// of a path in the same way.)
type Drain struct {
	mu      sync.Mutex
	began   time.Time
	seconds [drainSeconds]second // second n since began is at n mod drainSeconds
	// stalled is when Wait was first called with nothing done since; zero if something was.
	stalled time.Time
}

// second is what was done in one.
type second struct {
	number int64
	done   int64
}

// number returns the number of now's second.
func (d *Drain) number(now time.Time) int64 {
	if d.began.IsZero() {
		d.began = now
	}
	return int64(max(now.Sub(d.began), 0) / time.Second)
}

// Done notes that n pieces of work are done.
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

// Wait returns how long it will take until queued pieces of work are done, from 0 for none up to a
// minute. Where nothing was done of late it is a second, and while nothing gets done it grows with
// the time that passes: what stands still for so long may well do so for as long again.
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
