package local

import (
	"math"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// Memory is bounded in two steps. Above Options.MemoryBudget hours leave it, by a checkpoint, which takes
// some time; flows that come faster than that are refused before memory reaches Options.MemoryLimit, at
// which the system might end the process.
//
//	0            budget                          ceiling       reserve     limit
//	|--- hours ----|--- flows that come meanwhile ---|--- garbage, what grows ---|
//	|<--------- shards and batches on their way ---->|<- other ->|
//
// What the shards and the batches take is known at any moment, and grows by a million flows in a moment.
// All else (windows, connections, reads, buffers of a checkpoint) changes slowly, and is what the garbage
// collector found alive without them; it is looked at each second. So whether there is room for another
// batch costs a handler some atomic loads.

const (
	// ceilingShare of the limit is what may be alive; the rest is for garbage, which the collector lets
	// grow until the limit.
	ceilingShare = 0.875
	// otherShare of the limit is the least that is left to all but shards and batches: a checkpoint that
	// is not under way yet needs its buffers.
	otherShare = 0.125
	// flightFactor is how many times its bytes a batch takes that is on its way: itself, and the tuples
	// that it makes.
	flightFactor = 2
	// quietTicks is after how many ticks without a refusal it is over.
	quietTicks = 10
)

// memory is what is known of the process's memory.
type memory struct {
	ceiling atomic.Int64  // bytes that shards and batches may take; MaxInt64 without a limit
	other   atomic.Int64  // bytes that all else takes
	refused atomic.Uint64 // how often there was no room
	woken   atomic.Bool   // the checkpointer was, since the last tick

	tables atomic.Int64 // bytes of the shards when that was last

	// What follows is watchMemory's.
	seen  uint64 // refused, at the last tick
	quiet int    // ticks since it rose
	told  bool   // that batches are refused
}

// startMemory sets the ceiling before anything was measured.
func (e *Engine) startMemory() {
	e.memory.ceiling.Store(math.MaxInt64)
	if limit := float64(e.o.MemoryLimit); limit > 0 {
		e.memory.other.Store(int64(otherShare * limit))
		e.memory.ceiling.Store(int64(ceilingShare*limit) - int64(otherShare*limit))
	}
}

// rowGroup returns how many rows of a block are written at a time, and held in memory by a reader: at some 100
// bytes each they take a sixteenth of the limit, so that a checkpoint which begins when there is no room for batches any
// more does not reach the limit. 0 is the default.
func rowGroup(limit int64) int {
	const least, most, bytes = 16 << 10, 256 << 10, 100
	rows := limit / 16 / bytes
	if limit <= 0 || rows >= most {
		return 0
	}
	return int(max(rows, least))
}

// Room returns how many bytes are left for batches, decoded or not, before the memory of the process comes
// too near to its limit. At 0 and below none should be taken: then it also has hours leave memory. It costs
// some atomic loads.
func (e *Engine) Room() int64 {
	room := e.room()
	if room <= 0 {
		e.memory.refused.Add(1)
		e.memory.tables.Store(e.table.Bytes())
		if e.memory.woken.CompareAndSwap(false, true) {
			e.checkpointer.wake()
		}
	}
	return room
}

// room is Room for those that refuse nothing by it.
func (e *Engine) room() int64 {
	ceiling := e.memory.ceiling.Load()
	if ceiling == math.MaxInt64 {
		return ceiling
	}
	return ceiling - e.table.Bytes() - flightFactor*e.table.Flight()
}

// short tells whether less than a quarter of the room for shards and batches is left.
func (e *Engine) short() bool {
	ceiling := e.memory.ceiling.Load()
	return ceiling != math.MaxInt64 && e.table.Bytes() > ceiling/4*3
}

// Samples of the Go runtime that are read at each tick.
const (
	liveSample = iota
	totalSample
	objectsSample
	unusedSample
	freeSample
	releasedSample
)

var sampleNames = [...]string{
	liveSample:     "/gc/heap/live:bytes",
	totalSample:    "/memory/classes/total:bytes",
	objectsSample:  "/memory/classes/heap/objects:bytes",
	unusedSample:   "/memory/classes/heap/unused:bytes",
	freeSample:     "/memory/classes/heap/free:bytes",
	releasedSample: "/memory/classes/heap/released:bytes",
}

// watchMemory measures at each tick, also while the checkpointer is busy with a checkpoint.
func (k *checkpointer) watchMemory() {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-k.stop:
			return
		case <-tick.C:
			k.measureMemory()
			k.tellRefusals()
			k.memory.woken.Store(false)
		}
	}
}

// measureMemory finds how much of the limit is taken by what is neither in the shards nor a batch.
func (k *checkpointer) measureMemory() {
	before := k.table.Bytes()
	other := k.otherMemory(before)
	if other > k.memory.other.Load() {
		// What the last collection found may be of long ago, as batches make no garbage, and have gone
		// since. There are few pointers to follow, so another one takes milliseconds.
		runtime.GC()
		other = k.otherMemory(before)
	}
	limit := float64(k.o.MemoryLimit)
	other = max(other, int64(otherShare*limit))
	// What was there a moment ago comes again with the next checkpoint or read.
	other = max(other, k.memory.other.Load()/16*15)
	k.memory.other.Store(other)
	k.memory.ceiling.Store(max(int64(ceilingShare*limit)-other, 1))
	k.table.SetShort(k.short())
}

// otherMemory returns the bytes that are alive but for the shards, with the memory that Go takes beside the heap. Before is
// what the shards had before the collection that tells it, so that what they drop meanwhile is not taken for
// something else.
func (k *checkpointer) otherMemory(before int64) int64 {
	var samples [len(sampleNames)]metrics.Sample
	for i := range samples {
		samples[i].Name = sampleNames[i]
	}
	metrics.Read(samples[:])
	of := func(i int) int64 { return int64(samples[i].Value.Uint64()) }
	beside := of(totalSample) - of(objectsSample) - of(unusedSample) - of(freeSample) - of(releasedSample)
	return max(of(liveSample)-max(k.table.Bytes(), before), 0) + max(beside, 0)
}

// tellRefusals logs when batches begin to be refused, and when it is over.
func (k *checkpointer) tellRefusals() {
	refused := k.memory.refused.Load()
	k.memory.quiet++
	if refused != k.memory.seen {
		k.memory.quiet, k.memory.seen = 0, refused
	}
	switch {
	case k.memory.quiet == 0 && !k.memory.told:
		k.memory.told = true
		k.o.Logger.Warn("batches are refused until hours have left memory: raise the limit of memory, or send fewer new tuples",
			"limit", k.o.MemoryLimit, "budget", k.o.MemoryBudget, "tables", k.memory.tables.Load(),
			"other", k.memory.other.Load(), "ceiling", k.memory.ceiling.Load())
	case k.memory.quiet >= quietTicks && k.memory.told:
		k.memory.told = false
		k.o.Logger.Info("no batch is refused for memory any more")
	}
}
