package local

import (
	"math"
	"testing"
	"time"

	"flowd/flow"
)

// TestRoom takes flows until there is no room, and finds that hours leave memory for it at once.
func TestRoom(t *testing.T) {
	t.Parallel()
	o := testOptions(t)
	o.MemoryBudget = 1
	e := open(t, o)
	if room := e.Room(); room != math.MaxInt64 {
		t.Errorf("without a limit there is room for %d bytes", room)
	}
	e.memory.ceiling.Store(e.table.Bytes() + 256<<10) // nobody measures without a limit
	n := 0
	for ; e.Room() > 0; n += 1000 {
		var flows []flow.Flow
		for i := range 1000 {
			flows = append(flows, tuple(n+i, flow.Hour(n/1000)))
		}
		e.mustPost(t, flow.Origin{}, flows...)
		e.tuplesInMemory() // is answered once they are added up, so that only what hours take counts
	}
	if e.memory.refused.Load() == 0 {
		t.Error("no refusal is counted")
	}
	for deadline := time.Now().Add(time.Minute); e.Room() <= 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no room after a minute: %d bytes in the shards, %d on their way", e.table.Bytes(), e.table.Flight())
		}
	}
	if s := e.Stats(); s.HoursSpilled == 0 {
		t.Error("no hour has left memory")
	}
	if ledger := e.checkBalance(t); ledger.Stored.Flows != uint64(n) {
		t.Errorf("%d flows are stored, want %d", ledger.Stored.Flows, n)
	}
	e.mustClose(t)
	if out := e.table.Flight(); out != 0 {
		t.Errorf("%d bytes are on their way after the end", out)
	}
}

// TestMeasureMemory measures this process, in a limit that it is far from, and in one that is too small for it.
func TestMeasureMemory(t *testing.T) {
	t.Parallel()
	for _, limit := range []int64{1 << 40, 1 << 20} {
		o := testOptions(t)
		o.MemoryLimit = limit
		e, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		if room := e.Room(); room <= 0 || room > limit/4*3 {
			t.Errorf("limit %d: room for %d before anything is measured", limit, room)
		}
		e.checkpointer.measureMemory()
		other, room := e.memory.other.Load(), e.Room()
		switch {
		case limit == 1<<40 && (other != limit/8 || room != limit/4*3-e.table.Bytes()):
			t.Errorf("limit %d: %d for all else, room for %d", limit, other, room)
		case limit == 1<<20 && (other <= 1<<20 || room > 1):
			t.Errorf("limit %d: %d for all else, room for %d", limit, other, room)
		}
	}
}
