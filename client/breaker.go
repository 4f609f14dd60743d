package client

import (
	"math/rand/v2"
	"time"
)

// breaker is a circuit breaker for attempts. While the server answers, it allows all of them. After a
// failure it allows one probe at a time, after backoffs that grow, so that a server is not flooded when
// it returns from an outage. The client's mutex guards it.
type breaker struct {
	failures int // consecutive failed generations
	// generation groups attempts: those of one generation fail as one, since they were concurrent.
	generation   uint64
	retryAt      time.Time // no attempt is allowed before
	probing      bool      // the one probe is in flight
	failingSince time.Time // zero while attempts succeed
	problem      string

	minBackoff, maxBackoff time.Duration // bounds of backoffs that the client chooses itself
	onRetry                func()        // called at retryAt
	timer                  *time.Timer
}

const (
	defaultMinBackoff = 250 * time.Millisecond
	// maxRetryAfter bounds the backoff that a server can ask for.
	maxRetryAfter = 10 * time.Minute
)

// allows reports whether an attempt may begin.
func (b *breaker) allows(now time.Time) bool {
	return b.failures == 0 || !b.probing && !now.Before(b.retryAt)
}

// begin begins an attempt that was allowed, and returns its generation.
func (b *breaker) begin() uint64 {
	b.probing = b.failures > 0
	return b.generation
}

// release ends an attempt that showed nothing about the server.
func (b *breaker) release(generation uint64) {
	if generation == b.generation {
		b.probing = false
	}
}

// recordSuccess ends an attempt with a final answer. It returns failingSince, and resets it.
func (b *breaker) recordSuccess() (failingSince time.Time) {
	failingSince = b.failingSince
	if b.failures > 0 {
		b.failures, b.probing = 0, false
		b.generation++
	}
	b.failingSince, b.problem = time.Time{}, ""
	return failingSince
}

// recordFailure ends an attempt that has to be repeated. retryAfter is the server's request, or 0. It
// returns the time until the next probe, and whether this is the first consecutive failure.
func (b *breaker) recordFailure(generation uint64, retryAfter time.Duration, problem string) (backoff time.Duration, first bool) {
	now := time.Now()
	b.problem = problem
	if generation != b.generation {
		// A concurrent attempt has already tripped the breaker. Only a longer backoff matters.
		if retryAt := now.Add(retryAfter); b.failures > 0 && retryAt.After(b.retryAt) {
			b.trip(now, retryAfter)
		}
		return max(b.retryAt.Sub(now), 0), false
	}
	b.generation++
	b.failures++
	b.probing = false
	if b.failures == 1 {
		b.failingSince = now
	}
	backoff = backoffAfter(b.minBackoff, b.failures, retryAfter, b.maxBackoff)
	b.trip(now, backoff)
	return backoff, b.failures == 1
}

// trip allows no attempt during the backoff, then calls onRetry.
func (b *breaker) trip(now time.Time, backoff time.Duration) {
	b.retryAt = now.Add(backoff)
	if b.timer == nil {
		b.timer = time.AfterFunc(backoff, b.onRetry)
	} else {
		b.timer.Reset(backoff)
	}
}

// stop stops the timer.
func (b *breaker) stop() {
	if b.timer != nil {
		b.timer.Stop()
	}
}

// backoffAfter returns the backoff after a number of consecutive failures. It is at least retryAfter, if
// the server asked for that; otherwise it doubles from minBackoff to maxBackoff. Random jitter keeps
// agents from returning all at once.
func backoffAfter(minBackoff time.Duration, failures int, retryAfter, maxBackoff time.Duration) time.Duration {
	backoff := min(minBackoff<<min(failures-1, 16), maxBackoff)
	if retryAfter > 0 {
		retryAfter = min(retryAfter, maxRetryAfter)
		return retryAfter + rand.N(min(retryAfter/4, maxBackoff)+1)
	}
	return backoff/2 + rand.N(backoff/2)
}
