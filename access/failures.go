package access

import (
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

const (
	// failuresAtOnce is how many claims of an address may fail before it is slowed.
	failuresAtOnce = 10
	// failuresPerSecond is how many may fail after that.
	failuresPerSecond = 1
	// failingAddresses is how many addresses are remembered by default: about 2 MiB.
	failingAddresses = 10_000
)

// failures remembers whose claims failed of late, by address. Only claims that fail come here, so one lock
// is enough.
type failures struct {
	lock    sync.Mutex
	buckets *simplelru.LRU[netip.Addr, *rate.Limiter]
}

func newFailures(addresses int) *failures {
	if addresses <= 0 {
		addresses = failingAddresses
	}
	buckets, _ := simplelru.NewLRU[netip.Addr, *rate.Limiter](addresses, nil) // fails for sizes below 1
	return &failures{buckets: buckets}
}

// wait counts a failure of addr, and returns 0, or how long it is until the next one is looked at.
func (f *failures) wait(addr netip.Addr, now time.Time) time.Duration {
	addr = client(addr)
	f.lock.Lock()
	defer f.lock.Unlock()
	bucket, known := f.buckets.Get(addr)
	if !known {
		bucket = rate.NewLimiter(failuresPerSecond, failuresAtOnce)
		f.buckets.Add(addr, bucket)
	}
	if bucket.AllowN(now, 1) {
		return 0
	}
	missing := 1 - bucket.TokensAt(now)
	return max(time.Duration(missing/failuresPerSecond*float64(time.Second)), time.Nanosecond)
}

// client returns what stands for all addresses of a client: of IPv6 the first one of its /64, since whoever
// has one of them has all.
func client(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		prefix, _ := addr.Prefix(64) // fails for addresses of fewer bits
		return prefix.Addr()
	}
	return addr
}
