package shard

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"flowd/flow"
	"flowd/flow/flowjson"
)

// benchTuple makes up the tuple with a number: names of the usual lengths, all different.
func benchTuple(n int) flow.Flow {
	apps := [...]string{"checkout", "payments", "web", "search", "cart", "mail", "auth", "stock"}
	return flow.Flow{
		SrcApp:  fmt.Sprintf("%s-%d", apps[n%8], n/8%1000),
		DestApp: fmt.Sprintf("%s-%d", apps[n/8%8], n/8000),
		VPCID:   fmt.Sprintf("vpc-%08x", n%3*0x5bd1e995),
	}
}

// benchBatches returns batches of 1,000 flows of random tuples in one hour. There should be so
// many that they touch most tuples, and so few that the batches themselves stay in the cache, as
// they do between the decoder and the shard.
func benchBatches(tuples, batches int) []*flow.Batch {
	rng := rand.New(rand.NewPCG(3, 4))
	out := make([]*flow.Batch, batches)
	for i := range out {
		b := new(flow.Batch)
		for range 1000 {
			f := benchTuple(rng.IntN(tuples))
			f.BytesTx, f.BytesRx, f.Hour = rng.Uint64N(1<<30), rng.Uint64N(1<<30), 480_000
			b.Add(&f)
		}
		out[i] = b
	}
	return out
}

// everyTuple returns batches that hold each tuple once.
func everyTuple(tuples int, hour flow.Hour) []*flow.Batch {
	var out []*flow.Batch
	for n := 0; n < tuples; {
		b := new(flow.Batch)
		for range min(1000, tuples-n) {
			f := benchTuple(n)
			f.BytesTx, f.BytesRx, f.Hour = uint64(n)*7919, uint64(n)*104729, hour
			b.Add(&f)
			n++
		}
		out = append(out, b)
	}
	return out
}

// mapTable is what one would write first: a map for each hour.
type mapTable map[flow.Hour]map[string]*flow.Totals

func (m mapTable) apply(b *flow.Batch) {
	for i := range b.Items {
		it := &b.Items[i]
		h := m[it.Hour]
		if h == nil {
			h = map[string]*flow.Totals{}
			m[it.Hour] = h
		}
		t := h[string(b.Key(it))]
		if t == nil {
			t = new(flow.Totals)
			h[string(b.Key(it))] = t
		}
		t.BytesTx += it.Totals.BytesTx
		t.BytesRx += it.Totals.BytesRx
	}
}

// oneShard returns a shard whose goroutine is the caller, and what adds batches of up to 1,000 flows to it.
func oneShard(t testing.TB) (*shard, func(*flow.Batch)) {
	table, err := New(Options{Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	order := make([]uint32, 1000)
	for i := range order {
		order[i] = uint32(i)
	}
	s, hashes := table.shards[0], make([]uint64, len(order))
	return s, func(b *flow.Batch) {
		n := b.Len()
		table.hasher.batch(b, hashes[:n])
		s.apply(b, order[:n], hashes[:n])
	}
}

func BenchmarkApply(b *testing.B) {
	for _, tuples := range []int{10_000, 1_000_000} {
		batches := benchBatches(tuples, max(16, tuples/2000))
		all := everyTuple(tuples, 480_000)
		run := func(b *testing.B, apply func(*flow.Batch)) {
			for _, batch := range all {
				apply(batch)
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				apply(batches[n%len(batches)])
				n++
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/flow")
		}
		b.Run(fmt.Sprintf("tuples=%d/flowd", tuples), func(b *testing.B) {
			_, apply := oneShard(b)
			run(b, apply)
		})
		b.Run(fmt.Sprintf("tuples=%d/map", tuples), func(b *testing.B) {
			run(b, mapTable{}.apply)
		})
	}
}

// BenchmarkMemory fills 24 hours with 1,000,000 tuples each, and reports what each costs and how
// long a full garbage collection takes.
func BenchmarkMemory(b *testing.B) {
	const tuples, hours = 1_000_000, 24
	measure := func(b *testing.B, apply func(*flow.Batch), keep any) {
		for b.Loop() {
			batches := everyTuple(tuples, 0)
			before := liveHeap()
			var afterOne uint64
			for hour := range flow.Hour(hours) {
				for _, batch := range batches {
					for i := range batch.Items {
						batch.Items[i].Hour = 480_000 + hour
					}
					apply(batch)
				}
				if hour == 0 {
					afterOne = liveHeap()
				}
			}
			after := liveHeap()
			began := time.Now()
			runtime.GC()
			gc := time.Since(began)
			perHour := float64(after-afterOne) / (hours - 1) / tuples
			b.ReportMetric(perHour, "bytes/tuplehour")
			b.ReportMetric(float64(afterOne-before)/tuples-perHour, "bytes/tuple")
			b.ReportMetric(float64(gc.Microseconds())/1000, "gc-ms")
			runtime.KeepAlive(batches)
		}
		runtime.KeepAlive(keep)
	}
	b.Run("flowd", func(b *testing.B) {
		s, apply := oneShard(b)
		measure(b, apply, s)
	})
	b.Run("map", func(b *testing.B) {
		m := mapTable{}
		measure(b, m.apply, m)
	})
}

func liveHeap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkAnswer turns an hour of 1,000,000 tuples into JSON: in blocks as the server does it,
// and with encoding/json, which needs all rows at once.
func BenchmarkAnswer(b *testing.B) {
	const tuples = 1_000_000
	table, err := New(Options{Shards: 2})
	if err != nil {
		b.Fatal(err)
	}
	table.Start()
	defer table.Close()
	for _, batch := range everyTuple(tuples, 480_000) {
		table.Acquire(time.Minute)
		table.Append(batch)
	}
	b.Run("flowd", func(b *testing.B) {
		b.ReportAllocs()
		block := make([]flow.Row, 256)
		out := make([]byte, 0, 64<<10)
		for b.Loop() {
			rows, size := table.Rows(480_000), 0
			for n := rows.Next(block); n > 0; n = rows.Next(block) {
				out = out[:0]
				for i := range block[:n] {
					out = flowjson.AppendRow(out, &block[i])
					out = append(out, ',')
				}
				size += len(out)
			}
			rows.Close()
			b.SetBytes(int64(size))
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/tuples, "ns/row")
	})
	b.Run("encodingjson", func(b *testing.B) {
		type row struct {
			SrcApp  string    `json:"src_app"`
			DestApp string    `json:"dest_app"`
			VPCID   string    `json:"vpc_id"`
			BytesTx uint64    `json:"bytes_tx"`
			BytesRx uint64    `json:"bytes_rx"`
			Hour    flow.Hour `json:"hour"`
		}
		var all []row
		block := make([]flow.Row, 256)
		rows := table.Rows(480_000)
		defer rows.Close()
		for n := rows.Next(block); n > 0; n = rows.Next(block) {
			for _, r := range block[:n] {
				src, dest, vpc := r.Key.Names()
				all = append(all, row{string(src), string(dest), string(vpc), r.Totals.BytesTx, r.Totals.BytesRx, r.Hour})
			}
		}
		b.ReportAllocs()
		for b.Loop() {
			out, err := json.Marshal(all)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(out)))
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/tuples, "ns/row")
	})
}
