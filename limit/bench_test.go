package limit

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// on are rates that nobody reaches.
var on = Rates{Flows: 1e12, FlowsBurst: 1e13, Bytes: 1e12, BytesBurst: 1e13}

func names(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint("client-", i)
	}
	return all
}

// inParallel runs work from many goroutines, each time for another client.
func inParallel(b *testing.B, clients int, work func(client string, now time.Time)) {
	all := names(clients)
	var goroutines atomic.Uint64
	b.SetParallelism(8)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		next, now := goroutines.Add(1)*0x9E3779B97F4A7C15, time.Now()
		for pb.Next() {
			next = next*6364136223846793005 + 1442695040888963407
			work(all[next>>33%uint64(len(all))], now)
		}
	})
}

func BenchmarkTake(b *testing.B) {
	for _, clients := range []int{1, 100, 50_000} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			buckets := NewBuckets(on, 100_000)
			inParallel(b, clients, func(client string, now time.Time) { buckets.TakeFlows(client, 1, now) })
		})
	}
	b.Run("off", func(b *testing.B) {
		buckets := NewBuckets(Rates{}, 100_000)
		inParallel(b, 100, func(client string, now time.Time) { buckets.TakeFlows(client, 1, now) })
	})
	b.Run("refused", func(b *testing.B) {
		buckets := NewBuckets(Rates{Flows: 1, FlowsBurst: 1}, 100_000)
		inParallel(b, 1, func(client string, now time.Time) { buckets.TakeFlows(client, 1, now) })
	})
	b.Run("evicted", func(b *testing.B) { // each client pushes another out
		buckets := NewBuckets(on, 1000)
		inParallel(b, 50_000, func(client string, now time.Time) { buckets.TakeFlows(client, 1, now) })
	})
}

func BenchmarkShares(b *testing.B) {
	for _, clients := range []int{1, 1000, 50_000} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			shares := newNamed(64)
			inParallel(b, clients, func(client string, _ time.Time) {
				if shares.Enter(client, time.Second) == Entered {
					shares.Leave(client)
				}
			})
		})
	}
	b.Run("contended", func(b *testing.B) { // every request waits, and wakes another
		shares := newNamed(1)
		inParallel(b, 100, func(client string, _ time.Time) {
			if shares.Enter(client, time.Minute) == Entered {
				runtime.Gosched()
				shares.Leave(client)
			}
		})
	})
}

func BenchmarkDrain(b *testing.B) {
	var drain Drain
	inParallel(b, 1, func(_ string, now time.Time) { drain.Done(1, now) })
}

// BenchmarkPOST is all that the limits cost a POST that is within them.
func BenchmarkPOST(b *testing.B) {
	for _, c := range []struct {
		name    string
		rates   Rates
		clients int
	}{{"rates", on, 1000}, {"one client", on, 1}, {"no rates", Rates{}, 1000}} {
		b.Run(c.name, func(b *testing.B) {
			buckets, shares, drain := NewBuckets(c.rates, 100_000), newNamed(64), Drain{}
			inParallel(b, c.clients, func(client string, now time.Time) {
				if buckets.TakeBytes(client, 10_000, now) != 0 || shares.Enter(client, time.Second) != Entered || buckets.TakeFlows(client, 100, now) != 0 {
					b.Error("refused")
				}
				shares.Leave(client)
				drain.Done(1, now)
			})
		})
	}
}

func BenchmarkRetryAfter(b *testing.B) {
	inParallel(b, 1, func(string, time.Time) { RetryAfter(5 * time.Second) })
}

// BenchmarkBucketMemory reports what a client takes.
func BenchmarkBucketMemory(b *testing.B) {
	const clients = 100_000
	all := names(2 * clients)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for b.Loop() {
		before := heap()
		buckets := NewBuckets(on, clients)
		for _, name := range all {
			buckets.TakeFlows(name, 1, start)
		}
		b.ReportMetric(float64(heap()-before)/float64(buckets.Len()), "B/client")
		runtime.KeepAlive(buckets)
	}
}
