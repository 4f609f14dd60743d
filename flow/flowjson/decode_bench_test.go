package flowjson

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	gojson "github.com/goccy/go-json"

	"flowd/flow"
)

// shapes are the forms in which agents send a flow; each takes the six values in order.
var shapes = []struct{ name, format string }{
	{"usual", `{"src_app":%q,"dest_app":%q,"vpc_id":%q,"bytes_tx":%d,"bytes_rx":%d,"hour":%d}`},
	{"spaces", `{"src_app": %q, "dest_app": %q, "vpc_id": %q, "bytes_tx": %d, "bytes_rx": %d, "hour": %d}`},
	{"anyorder", `{"hour":%[6]d,"bytes_rx":%[5]d,"vpc_id":%[3]q,"src_app":%[1]q,"bytes_tx":%[4]d,"dest_app":%[2]q}`},
}

// bodies returns many bodies of flows each, no two alike, so that neither caches nor branch
// predictors can learn them by heart.
func bodies(format string, count, flows int) [][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	apps := []string{"checkout", "payments", "web", "search-api", "inventory", "mail", "auth", "recommendations"}
	out := make([][]byte, count)
	for i := range out {
		var b bytes.Buffer
		for j := range flows {
			b.WriteByte(",["[min(1, max(0, 1-j))])
			fmt.Fprintf(&b, format,
				fmt.Sprintf("%s-%d", apps[rng.IntN(len(apps))], rng.IntN(40)),
				fmt.Sprintf("%s-%d", apps[rng.IntN(len(apps))], rng.IntN(40)),
				fmt.Sprintf("vpc-%d", rng.IntN(3)),
				1<<rng.IntN(30)+rng.IntN(1000), 1<<rng.IntN(30)+rng.IntN(1000), 480_000+rng.IntN(24))
		}
		b.WriteByte(']')
		out[i] = b.Bytes()
	}
	return out
}

// jsonFlow is a flow as a program without a decoder of its own would read it.
type jsonFlow struct {
	SrcApp  string `json:"src_app"`
	DestApp string `json:"dest_app"`
	VPCID   string `json:"vpc_id"`
	BytesTx int64  `json:"bytes_tx"`
	BytesRx int64  `json:"bytes_rx"`
	Hour    int32  `json:"hour"`
}

func BenchmarkDecode(b *testing.B) {
	const flows = 100
	for _, shape := range shapes {
		bodies := bodies(shape.format, 256, flows)
		perFlow := func(b *testing.B) {
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/flows, "ns/flow")
		}
		b.Run(shape.name+"/flowd", func(b *testing.B) {
			b.ReportAllocs()
			var batch flow.Batch
			n := 0
			for b.Loop() {
				if err := Decode(&batch, bodies[n%len(bodies)], JSON, flows); err != nil {
					b.Fatal(err)
				}
				n++
			}
			b.SetBytes(int64(len(bodies[0])))
			perFlow(b)
		})
		b.Run(shape.name+"/gojson", func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				var out []jsonFlow
				if err := gojson.Unmarshal(bodies[n%len(bodies)], &out); err != nil {
					b.Fatal(err)
				}
				n++
			}
			b.SetBytes(int64(len(bodies[0])))
			perFlow(b)
		})
	}
}
