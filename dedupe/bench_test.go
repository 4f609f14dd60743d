package dedupe

import (
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"flowd/flow"
)

const (
	benchKeys   = 1_000_000
	benchAgents = 100_000
)

// heapInUse returns the bytes in use.
func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// names are the names of keys or agents, in one string, so that the garbage collector does not
// have them to walk.
type names string

const nameSize = 12

func newNames(n int) names {
	all := make([]byte, 0, n*nameSize)
	for i := range n {
		all = fmt.Appendf(all, "name%08d", i)
	}
	return names(all)
}

func (n names) at(i int) string { return string(n[i*nameSize : (i+1)*nameSize]) }

func fullOfKeys(b *testing.B, names names) *Windows {
	w := New(Options{Window: time.Hour, Keys: benchKeys, Agents: 2 * benchAgents})
	for i := range benchKeys {
		if duplicate, err := w.Check(&flow.Origin{Client: "client", Key: names.at(i)}, uint64(i), int64(i)); duplicate || err != nil {
			b.Fatal(duplicate, err)
		}
	}
	return w
}

func fullOfAgents(b *testing.B, names names) *Windows {
	w := New(Options{Window: time.Hour, Keys: benchKeys, Agents: 2 * benchAgents})
	for round := range uint64(2) {
		for i := range benchAgents {
			if duplicate, err := w.Check(&flow.Origin{Client: "client", Agent: names.at(i), Seq: 1 + round}, 1, int64(i)); duplicate || err != nil {
				b.Fatal(duplicate, err)
			}
		}
	}
	return w
}

func BenchmarkKeys(b *testing.B) {
	names := newNames(4 * benchKeys)
	before := heapInUse()
	w := fullOfKeys(b, names)
	each := float64(heapInUse()-before) / benchKeys
	o := flow.Origin{Client: "client"}
	b.Run("duplicate", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			i := rand.IntN(benchKeys)
			o.Key = names.at(i)
			if duplicate, _ := w.Check(&o, uint64(i), benchKeys); !duplicate {
				b.Fatal("a key was forgotten")
			}
		}
	})
	b.Run("new", func(b *testing.B) { // each makes room for itself
		n := 0
		b.ReportAllocs()
		for b.Loop() {
			o.Key = names.at((benchKeys + n) % (4 * benchKeys))
			_, _ = w.Check(&o, uint64(n), int64(benchKeys+n))
			n++
		}
		b.ReportMetric(each, "bytes/key")
	})
	run(b, w)
}

func BenchmarkAgents(b *testing.B) {
	names := newNames(benchAgents)
	before := heapInUse()
	w := fullOfAgents(b, names)
	each := float64(heapInUse()-before) / benchAgents
	o := flow.Origin{Client: "client"}
	b.Run("new", func(b *testing.B) {
		n := 0
		b.ReportAllocs()
		for b.Loop() {
			o.Agent, o.Seq = names.at(n*7919%benchAgents), uint64(3+n/benchAgents)
			if duplicate, err := w.Check(&o, 1, int64(n)); duplicate || err != nil {
				b.Fatal(duplicate, err)
			}
			n++
		}
		b.ReportMetric(each, "bytes/agent")
	})
	run(b, w)
}

// run measures what is done with full windows at each checkpoint, and by the garbage collector.
func run(b *testing.B, w *Windows) {
	b.Run("snapshot", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w.Snapshot()
		}
	})
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			n, err := w.Snapshot().WriteTo(io.Discard)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(n)
		}
	})
	b.Run("gc", func(b *testing.B) {
		for b.Loop() {
			runtime.GC()
		}
	})
	runtime.KeepAlive(w)
}
