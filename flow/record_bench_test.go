package flow_test

import (
	"fmt"
	"testing"

	"flowd/flow"
	"flowd/flow/flowjson"
	"flowd/loadtest"
)

// loads are batches of the load generator: many, no two alike, so that neither caches nor branch
// predictors can learn them by heart.
func loads(tb testing.TB, w loadtest.Workload, count int) []flow.Batch {
	w.Skew, w.FirstHour, w.Seed = loadtest.Uniform, 480_000, 1
	g, err := loadtest.NewGenerator(w)
	if err != nil {
		tb.Fatal(err)
	}
	batches := make([]flow.Batch, count)
	var samples []loadtest.Sample
	for i := range batches {
		samples = g.Draw(samples, uint64(i))
		if err := flowjson.Decode(&batches[i], g.Encode(nil, samples, flowjson.JSON), flowjson.JSON, w.FlowsPerPost); err != nil {
			tb.Fatal(err)
		}
	}
	return batches
}

var workloads = []loadtest.Workload{
	{Tuples: 10_000, Hours: 1, FlowsPerPost: 1},
	{Tuples: 10_000, Hours: 1, FlowsPerPost: 100},
	{Tuples: 10_000, Hours: 1, FlowsPerPost: 1000},
	{Tuples: 1_000_000, Hours: 24, FlowsPerPost: 100},
	{Tuples: 1_000_000, Hours: 24, FlowsPerPost: 1000},
}

// TestRecordSize holds what the log takes of a flow to its bound.
func TestRecordSize(t *testing.T) {
	const most = 40
	for _, w := range workloads {
		if w.FlowsPerPost < 100 {
			continue // of a single flow it is the names
		}
		bytes, flows := 0, 0
		for _, b := range loads(t, w, 16) {
			bytes += len(flow.AppendRecord(nil, &flow.RecordHead{UnixMilli: 1_700_000_000_000, Origin: flow.Origin{Client: "10.20.30.40", Agent: "agent-0001", Seq: 1 << 20}, Flows: b.AppendFlows(nil)}))
			flows += b.Len()
		}
		if bytes > most*flows {
			t.Errorf("%d tuples, batches of %d: %d bytes for %d flows, more than %d each", w.Tuples, w.FlowsPerPost, bytes, flows, most)
		}
	}
}

// each runs a benchmark with each workload.
func each(b *testing.B, run func(b *testing.B, batches []flow.Batch)) {
	for _, w := range workloads {
		b.Run(fmt.Sprintf("tuples=%d/flows=%d", w.Tuples, w.FlowsPerPost), func(b *testing.B) {
			batches := loads(b, w, 64)
			b.ReportAllocs()
			b.ResetTimer()
			run(b, batches)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(w.FlowsPerPost), "ns/flow")
		})
	}
}

func BenchmarkAppendFlows(b *testing.B) {
	each(b, func(b *testing.B, batches []flow.Batch) {
		var dst []byte
		var owner flow.Batch
		bytes, flows, n := 0, 0, 0
		for b.Loop() {
			owner.Items, owner.Keys = batches[n%len(batches)].Items, batches[n%len(batches)].Keys
			dst = owner.AppendFlows(dst[:0])
			bytes += len(dst)
			flows += owner.Len()
			n++
		}
		b.ReportMetric(float64(bytes)/float64(flows), "bytes/flow")
	})
}

func BenchmarkReadFlows(b *testing.B) {
	each(b, func(b *testing.B, batches []flow.Batch) {
		written := make([][]byte, len(batches))
		for i := range batches {
			written[i] = batches[i].AppendFlows(nil)
		}
		var into flow.Batch
		n := 0
		b.ResetTimer()
		for b.Loop() {
			into.Reset()
			if err := into.ReadFlows(written[n%len(written)]); err != nil {
				b.Fatal(err)
			}
			n++
		}
	})
}

func BenchmarkTally(b *testing.B) {
	each(b, func(b *testing.B, batches []flow.Batch) {
		var dst []flow.HourTally
		var owner flow.Batch
		n := 0
		for b.Loop() {
			owner.Items, owner.Keys = batches[n%len(batches)].Items, batches[n%len(batches)].Keys
			dst = owner.Tally(dst[:0])
			n++
		}
	})
}
