package local

import (
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"flowd/flow"
)

// BenchmarkCheckpoint makes checkpoints beside a sender of single flows, and reports the longest
// that one of those took without and with a checkpoint, and the rows written per second.
func BenchmarkCheckpoint(b *testing.B) {
	for _, c := range []struct {
		name          string
		hours, tuples int
	}{
		{"hours=1/tuples=1000000", 1, 1_000_000},
		{"hours=10000/tuples=10", 10_000, 10},
	} {
		b.Run(c.name, func(b *testing.B) { benchmarkCheckpoint(b, c.hours, c.tuples) })
	}
}

func benchmarkCheckpoint(b *testing.B, hours, tuples int) {
	o := testOptions(b)
	o.Logger = slog.New(slog.DiscardHandler)
	o.Log.SegmentBytes = 64 << 20
	e := open(b, o)
	touch := func() {
		const perBatch = 10_000
		batch := e.Acquire(time.Minute)
		for h := range hours {
			for n := range tuples {
				f := tuple(n, flow.Hour(h))
				batch.Add(&f)
				if batch.Len() == perBatch {
					if _, err := e.Append(batch, flow.Origin{}); err != nil {
						b.Fatal(err)
					}
					batch = e.Acquire(time.Minute)
				}
			}
		}
		e.Release(batch)
	}
	var busy atomic.Bool
	var longest [2]time.Duration // without a checkpoint, and with one
	stop, stopped := make(chan struct{}), make(chan struct{})
	send := func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			i, began := 0, time.Now()
			if busy.Load() {
				i = 1
			}
			e.mustPost(b, flow.Origin{}, tuple(0, 0))
			longest[i] = max(longest[i], time.Since(began))
		}
	}
	touch()
	go send()
	rows := e.stats.rowsWritten.Load()
	for b.Loop() {
		b.StopTimer()
		touch()
		b.StartTimer()
		busy.Store(true)
		if err := e.Checkpoint(); err != nil {
			b.Fatal(err)
		}
		busy.Store(false)
	}
	close(stop)
	<-stopped
	b.ReportMetric(float64(e.stats.rowsWritten.Load()-rows)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(longest[0].Seconds()*1e3, "ms-longest-without")
	b.ReportMetric(longest[1].Seconds()*1e3, "ms-longest-with")
	e.mustClose(b)
}
