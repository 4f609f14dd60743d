package flowfile

import (
	"strings"
	"testing"
)

// BenchmarkScanner reads files of 20,000 flows. One op is one file.
func BenchmarkScanner(b *testing.B) {
	const flows = 20_000
	for _, bench := range []struct{ name, head, line string }{
		{"zeek", zeekHead, zeekRecord},
		{"zeek-json", "", zeekLine},
		{"vpc", "", vpcLine},
		{"ndjson", "", flowdLine},
		{"csv", "src_app,dest_app,vpc_id,bytes_tx,bytes_rx,hour\n", "a,b,v,1,2,3\n"},
	} {
		file := bench.head + strings.Repeat(bench.line, flows)
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(file)))
			for b.Loop() {
				s := New(strings.NewReader(file), Options{VPC: "v"})
				n := 0
				for s.Next() {
					n++
				}
				if n != flows || s.Err() != nil {
					b.Fatalf("%d flows, error %v", n, s.Err())
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*flows), "ns/flow")
		})
	}
}
