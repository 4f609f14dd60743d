package shard

import (
	"fmt"
	"testing"
	"time"

	"flowd/flow"
)

// filled returns a shard with hours that have all tuples, whose goroutine is the caller.
func filled(b *testing.B, tuples, hours int) (*shard, func(*flow.Batch)) {
	s, apply := oneShard(b)
	for hour := range flow.Hour(hours) {
		for _, batch := range everyTuple(tuples, 480_000+hour) {
			apply(batch)
		}
	}
	return s, apply
}

// watch measures a step that is done often.
type watch struct {
	sum   time.Duration
	times int
}

func (w *watch) time(step func()) {
	began := time.Now()
	step()
	w.sum += time.Since(began)
	w.times++
}

func (w *watch) report(b *testing.B, unit string) {
	b.ReportMetric(float64(w.sum.Nanoseconds())/1000/float64(w.times), unit)
}

// BenchmarkCheckpoint has hours of 1,000,000 tuples, or many with few, and reports how long each
// step stops the shard: the barrier, each further step of passing it, the first flow after it, and
// the end, be it that all is restored or that all is dropped.
func BenchmarkCheckpoint(b *testing.B) {
	for _, c := range []struct {
		tuples, hours int
		action        Action
	}{{1_000_000, 1, Keep}, {1_000_000, 1, Spill}, {1_000_000, 8, Keep}, {1_000_000, 8, Spill}, {100, 10_000, Keep}, {100, 10_000, Spill}} {
		what := map[Action]string{Keep: "keep", Spill: "spill"}[c.action]
		b.Run(fmt.Sprintf("tuples=%d/hours=%d/%s", c.tuples, c.hours, what), func(b *testing.B) {
			s, apply := filled(b, c.tuples, c.hours)
			late := everyTuple(1, 480_000)[0]
			var barrier, pass, first, restore, install watch
			var parts []frozenShare
			freeze := func(action Action) {
				barrier.time(func() { s.freeze(everyHour(action), func(p []frozenShare) { parts = p }) })
				for s.barrier != nil {
					pass.time(s.pass)
				}
			}
			for b.Loop() {
				freeze(c.action)
				first.time(func() { apply(late) })
				for i := range parts {
					parts[i].snapshot.close()
				}
				restore.time(s.restore)
			}
			freeze(Spill)
			install.time(func() { s.install(hourSet{}) })
			barrier.report(b, "barrier-µs")
			first.report(b, "first-µs")
			restore.report(b, "restore-µs")
			install.report(b, "install-µs")
			if pass.times > 0 {
				pass.report(b, "pass-µs")
			}
		})
	}
}

// BenchmarkOverlay reads a block of 1,000,000 rows with a part of more or fewer tuples over it.
func BenchmarkOverlay(b *testing.B) {
	const tuples = 1_000_000
	block := &blockRows{}
	for _, batch := range everyTuple(tuples, 480_000) {
		for i := range batch.Items {
			block.rows = append(block.rows, flow.Row{Key: batch.Key(&batch.Items[i]), Hour: 480_000})
		}
	}
	for _, part := range []int{overlayFew, tuples / 10, tuples} {
		b.Run(fmt.Sprintf("part=%d", part), func(b *testing.B) {
			table, err := New(Options{Shards: 2})
			if err != nil {
				b.Fatal(err)
			}
			table.Start()
			defer table.Close()
			for _, batch := range everyTuple(part, 480_000) {
				table.Acquire(time.Minute)
				table.Append(batch)
			}
			b.ReportAllocs()
			dst := make([]flow.Row, 1024)
			seen := 0
			for b.Loop() {
				rows := table.Overlay(&largeBlock{block.rows}, table.Rows(480_000))
				seen = 0
				for n := rows.Next(dst); n > 0; n = rows.Next(dst) {
					seen += n
				}
				rows.Close()
			}
			if seen != tuples {
				b.Fatalf("%d rows, not %d", seen, tuples)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/tuples, "ns/row")
		})
	}
}

// largeBlock gives its rows as fast as they are wanted.
type largeBlock struct{ rows []flow.Row }

func (b *largeBlock) Next(dst []flow.Row) int {
	n := copy(dst, b.rows)
	b.rows = b.rows[n:]
	return n
}

func (b *largeBlock) Err() error { return nil }
func (b *largeBlock) Close()     {}

// BenchmarkApplyDicts adds flows of two hours that share a dict, and that do not.
func BenchmarkApplyDicts(b *testing.B) {
	for _, dicts := range []int{1, 2} {
		for _, tuples := range []int{10_000, 1_000_000} {
			b.Run(fmt.Sprintf("dicts=%d/tuples=%d", dicts, tuples), func(b *testing.B) {
				s, apply := filled(b, tuples, 1)
				if dicts == 2 {
					s.dict = newDict(s.dict.hasher)
					s.dicts = append(s.dicts, s.dict)
				}
				for _, batch := range everyTuple(tuples, 480_001) {
					apply(batch)
				}
				batches := benchBatches(tuples, max(16, tuples/2000))
				for _, batch := range batches {
					for i := range batch.Items {
						batch.Items[i].Hour += flow.Hour(i % 2)
					}
				}
				n := 0
				for b.Loop() {
					apply(batches[n%len(batches)])
					n++
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/flow")
			})
		}
	}
}
