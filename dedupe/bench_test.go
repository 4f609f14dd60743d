package dedupe

import (
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

// heap returns the bytes in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// names makes the names of keys or agents before they are needed.
func names(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = "0123456789abcdef-" + string(binaryName(uint64(i)))
	}
	return all
}

func fullOfKeys(b *testing.B, names []string) *Windows {
	w := New(Options{Window: time.Hour, Keys: benchKeys, Agents: benchAgents})
	for i, name := range names[:benchKeys] {
		if duplicate, err := w.Check(&flow.Origin{Client: "client", Key: name}, uint64(i), int64(i)); duplicate || err != nil {
			b.Fatal(duplicate, err)
		}
	}
	return w
}

func fullOfAgents(b *testing.B, names []string) *Windows {
	w := New(Options{Window: time.Hour, Keys: benchKeys, Agents: benchAgents})
	for round := range uint64(2) {
		for i, name := range names {
			if duplicate, err := w.Check(&flow.Origin{Client: "client", Agent: name, Seq: 1 + round}, 1, int64(i)); duplicate || err != nil {
				b.Fatal(duplicate, err)
			}
		}
	}
	return w
}

func BenchmarkKeys(b *testing.B) {
	names := names(4 * benchKeys)
	before := heap()
	w := fullOfKeys(b, names)
	each := float64(heap()-before) / benchKeys
	o := flow.Origin{Client: "client"}
	b.Run("new", func(b *testing.B) { // each makes room for itself
		n := 0
		b.ReportAllocs()
		for b.Loop() {
			o.Key = names[(benchKeys+n)%len(names)]
			_, _ = w.Check(&o, uint64(n), int64(benchKeys+n))
			n++
		}
		b.ReportMetric(each, "bytes/key")
	})
	b.Run("duplicate", func(b *testing.B) {
		w := fullOfKeys(b, names)
		b.ReportAllocs()
		for b.Loop() {
			i := rand.IntN(benchKeys)
			o.Key = names[i]
			if duplicate, _ := w.Check(&o, uint64(i), benchKeys); !duplicate {
				b.Fatal("a key was forgotten")
			}
		}
	})
	run(b, w)
}

func BenchmarkAgents(b *testing.B) {
	names := names(benchAgents)
	before := heap()
	w := fullOfAgents(b, names)
	each := float64(heap()-before) / benchAgents
	o := flow.Origin{Client: "client"}
	b.Run("new", func(b *testing.B) {
		n := 0
		b.ReportAllocs()
		for b.Loop() {
			o.Agent, o.Seq = names[n*7919%benchAgents], uint64(3+n/benchAgents)
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
