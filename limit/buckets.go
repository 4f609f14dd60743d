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

// Rates are how much each client may send.
type Rates struct {
	// Flows is how many a client may send per second in the long run; 0 and less is no bound.
	// FlowsBurst is the most that it may send at once after it was quiet, and so the most that one
	// request may have; 0 and less is what the rate gives in ten seconds.
	Flows, FlowsBurst int64
	// Bytes and BytesBurst are the same for bytes.
	Bytes, BytesBurst int64
}

// Never is the wait for what can never pass, for it is more than the burst.
const Never = time.Duration(math.MaxInt64)

// exact is the largest burst: a limiter counts in float64, which has all integers up to there.
const exact = min(1<<53, math.MaxInt)

// whole returns r with its bursts filled in, and zeros where there is no bound.
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

// kind is what a bucket counts.
type kind uint8

const (
	flows kind = iota
	bytes
	kinds
)

// pace is one of the Rates.
type pace struct{ perSecond, burst int64 }

func (r *Rates) pace(k kind) pace {
	if k == flows {
		return pace{r.Flows, r.FlowsBurst}
	}
	return pace{r.Bytes, r.BytesBurst}
}

// bucket is what a client may still take. Each limiter is nil while there is no bound.
type bucket [kinds]*rate.Limiter

// Buckets bounds the flows and bytes that each client sends, by a token bucket for either. It
// remembers a number of clients; when there are more, the one that was not seen for the longest
// time is forgotten, and begins with a full bucket if it comes again.
//
// So whoever can come under more names than are remembered gains a burst for each round through
// all of them, instead of what the rate gives in that time; and makes others be forgotten, who
// gain by it too: nobody gets less than its rate for what others do. Such a sender is not bound by
// a rate for each name anyway, for it has as many rates as names. Names that cost nothing should
// therefore not be clients of their own (an IPv6 host has 2^64 addresses: take the /64), and
// where clients are tokens, all of them should fit. Evicted tells.
//
// All methods may be called from any goroutine.
type Buckets struct {
	rates   atomic.Pointer[Rates] // of now; whole
	setting sync.Mutex            // held by SetRates
	seed    maphash.Seed          // of this process, so that nobody can choose whose stripe to fill
	stripes []stripe
}

// stripe is the buckets of some clients.
type stripe struct {
	mu      sync.Mutex
	rates   Rates
	clients *simplelru.LRU[string, *bucket]
	most    int
	// latest is the highest time that was seen. A limiter must not be given an earlier one: it
	// would go back to it, and give out the time since then again.
	latest         time.Time
	evicted, early uint64

	_ [64]byte // keeps neighbours out of the cache line that the lock is in
}

const (
	maxStripes = 64
	minStripe  = 1024 // clients; with fewer, chance would fill some stripes long before others
)

// NewBuckets returns the full buckets of up to most clients, at least 1. Where there are
// thousands they are kept in up to 64 equal parts, by a hash of the client's name, so some may be
// forgotten when most is not quite reached. A client takes about 350 bytes.
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

// forget begins without a client.
func (s *stripe) forget() {
	// It fails for a size below 1 alone. The list is kept below the size here, to see what goes.
	s.clients, _ = simplelru.NewLRU[string, *bucket](s.most, nil)
}

// Rates returns what is in force, with the bursts that were left to be filled in.
func (b *Buckets) Rates() Rates { return *b.rates.Load() }

// Unbounded tells whether no client is bounded, so that there is nothing to take.
func (b *Buckets) Unbounded() bool { return *b.rates.Load() == (Rates{}) }

// SetRates changes what each client may send. What a client has used of its burst stays used, up
// to the whole of the new burst: one that was quiet has all of the new burst, and one that had
// nothing left does not begin anew.
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

// instead returns a limiter of p of which as much is used as of old.
func (p pace) instead(old *rate.Limiter, now time.Time) *rate.Limiter {
	next := p.limiter()
	if old != nil && next != nil {
		used := old.Burst() - int(old.TokensAt(now))
		next.AllowN(now, min(max(used, 0), next.Burst()))
	}
	return next
}

// limiter returns a full limiter of p, or nil if p is no bound.
func (p pace) limiter() *rate.Limiter {
	if p.perSecond == 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(p.perSecond), int(p.burst))
}

// TakeBytes takes n bytes from the bucket of client and returns 0; or it takes nothing and returns
// how long it will be until there are n bytes if nobody takes any before, or Never if n is more
// than the burst. Now is time.Now's; one that is earlier than another before counts as that.
// The name is not kept: its memory may be used again.
func (b *Buckets) TakeBytes(client string, n int, now time.Time) (wait time.Duration) {
	return b.take(bytes, client, n, now)
}

// TakeFlows is TakeBytes for flows.
func (b *Buckets) TakeFlows(client string, n int, now time.Time) (wait time.Duration) {
	return b.take(flows, client, n, now)
}

// GiveBytes gives n bytes back that were taken for a request that was refused for another reason
// than what it held: so a client that is sent away by one limit does not also use up another.
func (b *Buckets) GiveBytes(client string, n int) { b.give(bytes, client, n) }

// GiveFlows is GiveBytes for flows.
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
	if p.perSecond == 0 { // SetRates is under way
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
	// Tokens are fractions, which are not exact.
	return time.Duration(missing).Truncate(time.Millisecond) + time.Millisecond
}

// client returns the bucket of client, a full one if it is not known.
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

// full tells whether a bucket is as one that begins.
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
		return // it was forgotten, and begins with a full one
	}
	// To take less than nothing gives, and no limiter is ever more than full. A Reservation could
	// be cancelled too, but gives nothing back once its time has come, which is at once here.
	known[k].AllowN(s.latest, -n)
}

// Len returns how many clients are remembered.
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

// Evicted returns how many clients were forgotten to make room for others, and how many of those
// too early: they had not all of their bursts again, and were forgiven what they had used.
func (b *Buckets) Evicted() (all, early uint64) {
	for i := range b.stripes {
		s := &b.stripes[i]
		s.mu.Lock()
		all, early = all+s.evicted, early+s.early
		s.mu.Unlock()
	}
	return all, early
}
