package access

import (
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

const (
	// failuresAtOnce is the number of checks of an address that may fail before it is slowed.
	failuresAtOnce = 10
	// failuresPerSecond is the number that may fail per second after that.
	failuresPerSecond = 1
	// failingAddresses is the default number of addresses that are remembered: about 2 MiB.
	failingAddresses = 10_000
)

// failures rate-limits failed checks by address. Only checks that fail reach it, so one lock is enough.
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

// wait counts a failure of addr. It returns 0, or the time until the next failure of addr is answered with
// its own reason.
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

// client returns the address that stands for all addresses of a client. For IPv6 it is the first address of
// the /64, since a host that has one address of a /64 can use all of them.
func client(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		prefix, _ := addr.Prefix(64) // fails for addresses of fewer bits
		return prefix.Addr()
	}
	return addr
}
