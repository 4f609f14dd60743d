package verify

import (
	"testing"

	"flowd/flow/flowjson"
	"flowd/loadtest"
)

func BenchmarkBody(b *testing.B) {
	for _, skew := range []loadtest.Skew{loadtest.Uniform, loadtest.Zipf} {
		b.Run(string(skew), func(b *testing.B) {
			w := loadtest.Workload{Tuples: 1_000_000, FirstHour: 482659, Hours: 3, Skew: skew, ZipfS: 1.1, FlowsPerPost: 100, Seed: 7}
			g, err := loadtest.NewGenerator(w)
			if err != nil {
				b.Fatal(err)
			}
			account := NewAccount(g)
			var samples []loadtest.Sample
			var body []byte
			b.ReportAllocs()
			for k := range b.N {
				samples = g.Draw(samples, uint64(k))
				body = g.Encode(body[:0], samples, flowjson.JSON)
				account.Stored(samples)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*w.FlowsPerPost), "ns/flow")
			b.ReportMetric(float64(len(body)/w.FlowsPerPost), "B/flow")
		})
	}
}
