package loadtest

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"flowd/flow"
	"flowd/flow/flowjson"
)

func someWorkload() Workload {
	return Workload{Tuples: 5000, FirstHour: 482659, Hours: 3, Skew: Uniform, FlowsPerPost: 200, Seed: 42}
}

func newGenerator(t testing.TB, w Workload) *Generator {
	t.Helper()
	g, err := NewGenerator(w)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestSameSeedMakesSameBatches(t *testing.T) {
	w := someWorkload()
	a, b := newGenerator(t, w), newGenerator(t, w)
	w.Seed++
	other := newGenerator(t, w)
	for _, k := range []uint64{9, 0, 1, 1 << 40} {
		batch := a.Draw(nil, k)
		if !slices.Equal(batch, b.Draw(nil, k)) {
			t.Errorf("two generators with one seed differ in batch %d", k)
		}
		if slices.Equal(batch, a.Draw(nil, k+1)) {
			t.Errorf("batches %d and %d are the same", k, k+1)
		}
		if slices.Equal(batch, other.Draw(nil, k)) {
			t.Errorf("two seeds make the same batch %d", k)
		}
	}
}

// The bodies are what another decoder reads as the flows that the account counts.
func TestBodiesHoldTheSamples(t *testing.T) {
	g := newGenerator(t, someWorkload())
	samples := g.Draw(nil, 7)
	for _, format := range []flowjson.Format{flowjson.JSON, flowjson.NDJSON} {
		body := g.Encode(nil, samples, format)
		if format == flowjson.NDJSON {
			body = bytes.ReplaceAll(bytes.TrimSuffix(body, []byte("\n")), []byte("\n"), []byte(","))
			body = slices.Concat([]byte("["), body, []byte("]"))
		}
		var rows []row
		if err := json.Unmarshal(body, &rows); err != nil {
			t.Fatal(err)
		}
		if len(rows) != len(samples) {
			t.Fatalf("%d flows in the body of %d samples", len(rows), len(samples))
		}
		for i, s := range samples {
			f := g.Flow(s)
			if want := (row{f.SrcApp, f.DestApp, f.VPCID, f.BytesTx, f.BytesRx, uint32(f.Hour)}); rows[i] != want {
				t.Errorf("flow %d is %+v in the body, want %+v", i, rows[i], want)
			}
			tuple, ok := g.names.find(f.SrcApp, f.DestApp, f.VPCID)
			if want := int(s.Cell) % g.Tuples; !ok || tuple != want {
				t.Errorf("the names of tuple %d are found as %d, %v", want, tuple, ok)
			}
		}
	}
}

func TestNamesAreOneToOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tuples := rapid.IntRange(1, MaxTuples).Draw(t, "tuples")
		names := newNameTable(tuples)
		tuple := rapid.IntRange(0, tuples-1).Draw(t, "tuple")
		src, dest, vpc := names.of(tuple)
		found, ok := names.find(names.apps[src].name, names.apps[dest].name, names.vpcs[vpc].name)
		if !ok || found != tuple {
			t.Fatalf("of %d tuples, number %d is found as %d, %v", tuples, tuple, found, ok)
		}
	})
	names := newNameTable(10)
	for _, n := range [][3]string{{"foo", "payments-1", names.vpcs[0].name}, {"payments-1", "cart-1", "vpc-0"}, {"", "", ""}} {
		if tuple, ok := names.find(n[0], n[1], n[2]); ok {
			t.Errorf("%q is found as tuple %d", n, tuple)
		}
	}
}

func TestUniformReachesEveryCell(t *testing.T) {
	w := someWorkload()
	w.Tuples, w.FlowsPerPost = 100, 30000
	g := newGenerator(t, w)
	seen := make([]int, g.Cells())
	for _, s := range g.Draw(nil, 0) {
		seen[s.Cell]++
	}
	// Each of 300 cells has 100 of the flows, give or take six standard deviations.
	for cell, n := range seen {
		if n < 40 || n > 160 {
			t.Errorf("cell %d has %d flows, want about 100", cell, n)
		}
	}
}

// The table is exact, so what it draws need not be counted: the chances are read from it.
func TestZipfShares(t *testing.T) {
	for _, c := range []struct {
		n int
		s float64
	}{{1, 1}, {2, 1}, {10, 0.5}, {1000, 0.99}, {1000, 1}, {5000, 1.2}, {5000, 8}} {
		table := newAliasTable(c.n, c.s)
		share := make([]float64, c.n)
		for i, slot := range table.slots {
			keep := float64(slot.keep) / math.MaxUint32
			share[i] += keep / float64(c.n)
			share[slot.other] += (1 - keep) / float64(c.n)
		}
		sum := 0.0
		for r := range c.n {
			sum += math.Pow(float64(r+1), -c.s)
		}
		for r := range c.n {
			if want := math.Pow(float64(r+1), -c.s) / sum; math.Abs(share[r]-want) > 1e-6 {
				t.Fatalf("%d numbers with s=%v: number %d has a share of %v, want %v", c.n, c.s, r, share[r], want)
			}
		}
	}
}

func TestZipfPicksByShare(t *testing.T) {
	w := someWorkload()
	w.Skew, w.ZipfS, w.Tuples, w.Hours, w.FlowsPerPost = Zipf, 1, 100, 1, 50000
	counts := make([]int, 100)
	for _, s := range newGenerator(t, w).Draw(nil, 0) {
		counts[s.Cell]++
	}
	// The hundredth harmonic number is 5.187.
	for _, rank := range []int{1, 2, 10, 100} {
		want := 50000 / 5.187 / float64(rank)
		if got := float64(counts[rank-1]); math.Abs(got-want) > 6*math.Sqrt(want) {
			t.Errorf("rank %d has %v of 50000 flows, want about %.0f", rank, got, want)
		}
	}
}

func TestByteCounts(t *testing.T) {
	r := newRandom(1, 1)
	const n = 20000
	middle := 0
	for range n {
		count := byteCount(r.next())
		if count < 16 || count >= 1<<29 {
			t.Fatalf("a byte count of %d", count)
		}
		if count >= 4<<10 && count < 2<<20 {
			middle++
		}
	}
	if share := float64(middle) / n; share < 0.9 || share > 0.97 {
		t.Errorf("%v of the byte counts are between 4 kB and 2 MB", share)
	}
}

func TestWorkloadLimits(t *testing.T) {
	for _, c := range []struct {
		option string
		change func(*Workload)
	}{
		{"tuples", func(w *Workload) { w.Tuples = 0 }},
		{"tuples", func(w *Workload) { w.Tuples = MaxTuples + 1 }},
		{"tuples", func(w *Workload) { w.Tuples, w.Hours = MaxTuples, MaxHours }},
		{"hours", func(w *Workload) { w.Hours = 0 }},
		{"hours", func(w *Workload) { w.Hours = MaxHours + 1 }},
		{"first-hour", func(w *Workload) { w.FirstHour = flow.MaxHour }},
		{"flows", func(w *Workload) { w.FlowsPerPost = 0 }},
		{"flows", func(w *Workload) { w.FlowsPerPost = MaxFlowsPerPost + 1 }},
		{"skew", func(w *Workload) { w.Skew = "normal" }},
		{"zipf-s", func(w *Workload) { w.Skew = Zipf }},
		{"zipf-s", func(w *Workload) { w.Skew, w.ZipfS = Zipf, math.NaN() }},
	} {
		w := someWorkload()
		c.change(&w)
		_, err := NewGenerator(w)
		if err == nil || !strings.HasPrefix(err.Error(), "--"+c.option+" ") {
			t.Errorf("%+v: error %v, want one of --%s", w, err, c.option)
		}
	}
}

func TestMakingABodyAllocatesNothing(t *testing.T) {
	g := newGenerator(t, someWorkload())
	samples := g.Draw(nil, 0)
	body := g.Encode(nil, samples, flowjson.JSON)
	body = slices.Grow(body, len(body))
	k := uint64(0)
	allocs := testing.AllocsPerRun(100, func() {
		k++
		samples = g.Draw(samples, k)
		body = g.Encode(body[:0], samples, flowjson.JSON)
	})
	if allocs != 0 {
		t.Errorf("%v allocations for a body", allocs)
	}
}

// row is a flow of a body.
type row struct {
	SrcApp  string `json:"src_app"`
	DestApp string `json:"dest_app"`
	VPCID   string `json:"vpc_id"`
	BytesTx uint64 `json:"bytes_tx"`
	BytesRx uint64 `json:"bytes_rx"`
	Hour    uint32 `json:"hour"`
}
