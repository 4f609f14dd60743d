package client

import (
	"math/rand/v2"
	"time"
)

// gate lets attempts through: all while the server takes batches; while it does not, one at a time,
// after pauses that grow. So a server that comes back after an outage is not met by all that
// waited.
type gate struct {
	failures int // rounds that failed in a row
	// round counts failures that the gate took notice of: what was sent at once fails as one.
	round   uint64
	until   time.Time // nothing is sent before
	probing bool      // the one attempt is under way
	since   time.Time
	problem string

	first, longest time.Duration // pauses that the client chooses by itself
	opened         func()        // called when until has come
	timer          *time.Timer
}

const (
	firstPause = 250 * time.Millisecond
	// maxAsked is the longest pause that a server can ask for.
	maxAsked = 10 * time.Minute
)

// isOpen reports whether an attempt may begin.
func (g *gate) isOpen(now time.Time) bool {
	return g.failures == 0 || !g.probing && !now.Before(g.until)
}

// enter begins an attempt, and returns its round.
func (g *gate) enter() uint64 {
	g.probing = g.failures > 0
	return g.round
}

// leave ends an attempt of this round that told nothing about the server.
func (g *gate) leave(round uint64) {
	if round == g.round {
		g.probing = false
	}
}

// passed ends an attempt that the server answered to the point, and returns since when the attempts
// before it had failed, zero if they had not.
func (g *gate) passed() (since time.Time) {
	since = g.since
	if g.failures > 0 {
		g.failures, g.probing = 0, false
		g.round++
	}
	g.since, g.problem = time.Time{}, ""
	return since
}

// failed ends an attempt of this round that has to be repeated, after asked if the server said so.
// It returns how long nothing is sent, and whether this is the first failure in a row.
func (g *gate) failed(round uint64, asked time.Duration, problem string) (wait time.Duration, first bool) {
	now := time.Now()
	g.problem = problem
	if round != g.round {
		// Others of the same time have failed already. Only a longer pause is news.
		if until := now.Add(asked); g.failures > 0 && until.After(g.until) {
			g.close(now, asked)
		}
		return max(g.until.Sub(now), 0), false
	}
	g.round++
	g.failures++
	g.probing = false
	if g.failures == 1 {
		g.since = now
	}
	wait = pause(g.first, g.failures, asked, g.longest)
	g.close(now, wait)
	return wait, g.failures == 1
}

// close lets nothing through for a time.
func (g *gate) close(now time.Time, wait time.Duration) {
	g.until = now.Add(wait)
	if g.timer == nil {
		g.timer = time.AfterFunc(wait, g.opened)
	} else {
		g.timer.Reset(wait)
	}
}

// stop ends the timer.
func (g *gate) stop() {
	if g.timer != nil {
		g.timer.Stop()
	}
}

// pause returns how long to wait after so many failures in a row. A server's own word is the least;
// without it the pause doubles from first to longest. Chance spreads agents, so that they do not all
// come back at once.
func pause(first time.Duration, failures int, asked, longest time.Duration) time.Duration {
	backoff := min(first<<min(failures-1, 16), longest)
	if asked > 0 {
		asked = min(asked, maxAsked)
		return asked + rand.N(min(asked/4, longest)+1)
	}
	return backoff/2 + rand.N(backoff/2)
}
