package limit

import (
	"hash/maphash"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

// Rates bound the flows and bytes that each client may send.
type Rates struct {
	// Flows is the number of flows per second that a client may send in the long run; 0 or less is no bound.
	// FlowsBurst is the most flows that it may send at once after a quiet time, and so the most flows of one
	// request; 0 or less is ten seconds of the rate.
	Flows, FlowsBurst int64
	// Bytes and BytesBurst are the same for bytes.
	Bytes, BytesBurst int64
}

// Never is the wait of a request that can never pass, because it is larger than the burst.
const Never = time.Duration(math.MaxInt64)

// exact is the largest burst: a limiter counts in float64, which represents all integers up to there.
const exact = min(1<<53, math.MaxInt)

// whole returns r with default bursts filled in, and zeros where there is no bound.
func (r Rates) whole() Rates {
	r.Flows, r.FlowsBurst = wholePace(r.Flows, r.FlowsBurst)
	r.Bytes, r.BytesBurst = wholePace(r.Bytes, r.BytesBurst)
	return r
}

func wholePace(perSecond, burst int64) (int64, int64) {
	const seconds = 10
	switch {
	case perSecond <= 0:
		return 0, 0
	case burst > 0:
		return perSecond, min(burst, exact)
	}
	return perSecond, min(perSecond, exact/seconds) * seconds
}

// kind is the unit that a bucket counts.
type kind uint8

const (
	flows kind = iota
	bytes
	kinds
)

// pace is the rate and the burst of one kind.
type pace struct{ perSecond, burst int64 }

func (r *Rates) pace(k kind) pace {
	if k == flows {
		return pace{r.Flows, r.FlowsBurst}
	}
	return pace{r.Bytes, r.BytesBurst}
}

// bucket holds the limiters of a client. A limiter is nil while its kind has no bound.
type bucket [kinds]*rate.Limiter

// Buckets limits the flows and bytes that each client sends, with a token bucket for each kind. It
// remembers a bounded number of clients. Beyond that it evicts the least recently seen client, which starts
// again with a full bucket.
//
// So a client that can use more names than are remembered gains a burst for each round through all its
// names, instead of the amount that the rate gives in that time. It also evicts other clients, which gain a
// burst too: no client gets less than its rate because of others. A rate for each name does not bound such a client
// anyway, since it has as many rates as names. So names that cost nothing should not be clients of their
// own (an IPv6 host has 2^64 addresses: use the /64), and where clients are tokens, the table should have
// room for all of them. Evicted tells whether it has.
//
// All methods may be called from any goroutine.
type Buckets struct {
	rates   atomic.Pointer[Rates] // in force; whole
	setting sync.Mutex            // serialises SetRates
	seed    maphash.Seed          // random for each process, so that no client can choose a stripe to fill
	stripes []stripe
}

// stripe holds the buckets of some clients.
type stripe struct {
	mu      sync.Mutex
	rates   Rates
	clients *simplelru.LRU[string, *bucket]
	most    int
	// latest is the highest time seen. A limiter must not get an earlier time: it would move back to it, and
	// grant the time since then again.
	latest         time.Time
	evicted, early uint64

	_ [64]byte // keeps neighbours out of the cache line that the lock is in
}

const (
	maxStripes = 64
	minStripe  = 1024 // clients; with fewer, chance would fill some stripes long before others
)

// NewBuckets returns full buckets for up to most clients, at least 1. With thousands of clients there are
// up to 64 stripes of equal size, chosen by a hash of the client's name, so a client may be evicted
// slightly before the number of clients reaches most. A client takes about 350 bytes.
func NewBuckets(r Rates, most int) *Buckets {
	r, most = r.whole(), max(most, 1)
	stripes := 1
	for stripes < maxStripes && most/(2*stripes) >= minStripe {
		stripes *= 2
	}
	b := &Buckets{seed: maphash.MakeSeed(), stripes: make([]stripe, stripes)}
	b.rates.Store(&r)
	for i := range b.stripes {
		b.stripes[i].rates, b.stripes[i].most = r, most/stripes
		b.stripes[i].forget()
	}
	return b
}

// forget removes all clients.
func (s *stripe) forget() {
	// NewLRU fails only for a size below 1. client evicts before the list is full, to see which bucket goes.
	s.clients, _ = simplelru.NewLRU[string, *bucket](s.most, nil)
}

// Rates returns the rates in force, with default bursts filled in.
func (b *Buckets) Rates() Rates { return *b.rates.Load() }

// Unbounded reports whether no client has a bound, so that there is nothing to take.
func (b *Buckets) Unbounded() bool { return *b.rates.Load() == (Rates{}) }

// SetRates replaces the rates of all clients. The part of its burst that a client has used stays used, up
// to the whole new burst: a client that was quiet has the whole new burst, and one that had used up its
// burst does not start anew.
func (b *Buckets) SetRates(r Rates) {
	r = r.whole()
	b.setting.Lock()
	defer b.setting.Unlock()
	if *b.rates.Load() == r {
		return
	}
	b.rates.Store(&r)
	for i := range b.stripes {
		b.stripes[i].setRates(r)
	}
}

func (s *stripe) setRates(r Rates) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.rates
	s.rates = r
	if r == (Rates{}) {
		s.forget()
		return
	}
	for _, client := range s.clients.Values() {
		for k := range kinds {
			if p := r.pace(k); p != old.pace(k) {
				client[k] = p.instead(client[k], s.latest)
			}
		}
	}
}

// instead returns a limiter of p with the same number of tokens used as in old.
func (p pace) instead(old *rate.Limiter, now time.Time) *rate.Limiter {
	next := p.limiter()
	if old != nil && next != nil {
		used := old.Burst() - int(old.TokensAt(now))
		next.AllowN(now, min(max(used, 0), next.Burst()))
	}
	return next
}

// limiter returns a full limiter of p, or nil if p has no bound.
func (p pace) limiter() *rate.Limiter {
	if p.perSecond == 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(p.perSecond), int(p.burst))
}

// TakeBytes takes n bytes from the bucket of client and returns 0. If there are fewer than n, it takes
// nothing and returns the time until there are n if no other call takes any before, or Never if n is more
// than the burst. now is the result of time.Now; an earlier time than in a previous call counts as that
// one. TakeBytes does not retain client, so its memory may be reused.
func (b *Buckets) TakeBytes(client string, n int, now time.Time) (wait time.Duration) {
	return b.take(bytes, client, n, now)
}

// TakeFlows does the same for flows.
func (b *Buckets) TakeFlows(client string, n int, now time.Time) (wait time.Duration) {
	return b.take(flows, client, n, now)
}

// GiveBytes refunds n bytes of a request that was refused for a reason other than its size, so that a
// client refused by one limit does not use up another one.
func (b *Buckets) GiveBytes(client string, n int) { b.give(bytes, client, n) }

// GiveFlows does the same for flows.
func (b *Buckets) GiveFlows(client string, n int) { b.give(flows, client, n) }

func (b *Buckets) stripe(client string) *stripe {
	return &b.stripes[maphash.String(b.seed, client)&uint64(len(b.stripes)-1)]
}

func (b *Buckets) take(k kind, client string, n int, now time.Time) time.Duration {
	if n <= 0 || b.rates.Load().pace(k).perSecond == 0 {
		return 0
	}
	s := b.stripe(client)
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.latest) {
		now = s.latest
	}
	s.latest = now
	p := s.rates.pace(k)
	if p.perSecond == 0 { // SetRates has reached this stripe, but not all of them
		return 0
	}
	limiter := s.client(client)[k]
	switch {
	case limiter.AllowN(now, n):
		return 0
	case int64(n) > p.burst:
		return Never
	}
	missing := (float64(n) - limiter.TokensAt(now)) / float64(p.perSecond) * float64(time.Second)
	if missing >= float64(Never-time.Millisecond) {
		return Never - 1
	}
	// The number of tokens is a fraction, which is not exact.
	return time.Duration(missing).Truncate(time.Millisecond) + time.Millisecond
}

// client returns the bucket of client. A client that is not known gets a full one.
func (s *stripe) client(client string) *bucket {
	if known, ok := s.clients.Get(client); ok {
		return known
	}
	if s.clients.Len() >= s.most {
		_, oldest, _ := s.clients.RemoveOldest()
		s.evicted++
		if !oldest.full(s.latest) {
			s.early++
		}
	}
	fresh := new(bucket)
	for k := range kinds {
		fresh[k] = s.rates.pace(k).limiter()
	}
	s.clients.Add(strings.Clone(client), fresh)
	return fresh
}

// full reports whether all limiters are full, as in a new bucket.
func (c *bucket) full(now time.Time) bool {
	for _, limiter := range c {
		if limiter != nil && limiter.TokensAt(now) < float64(limiter.Burst()) {
			return false
		}
	}
	return true
}

func (b *Buckets) give(k kind, client string, n int) {
	if n <= 0 || b.rates.Load().pace(k).perSecond == 0 {
		return
	}
	s := b.stripe(client)
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.clients.Peek(client)
	if !ok || known[k] == nil {
		return // the client was evicted, and starts with a full bucket
	}
	// Taking a negative number refunds tokens, and no limiter ever exceeds its burst. Cancelling a
	// Reservation refunds nothing once its time has come, which is at once here.
	known[k].AllowN(s.latest, -n)
}

// Len returns the number of clients that are remembered.
func (b *Buckets) Len() int {
	total := 0
	for i := range b.stripes {
		s := &b.stripes[i]
		s.mu.Lock()
		total += s.clients.Len()
		s.mu.Unlock()
	}
	return total
}

// Evicted returns the number of clients that were evicted to make room for others. early is the number of
// those evicted before their bursts were full again, which were forgiven what they had used.
func (b *Buckets) Evicted() (all, early uint64) {
	for i := range b.stripes {
		s := &b.stripes[i]
		s.mu.Lock()
		all, early = all+s.evicted, early+s.early
		s.mu.Unlock()
	}
	return all, early
}
