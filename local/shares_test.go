package local

import (
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"sync"
	"testing"
	"time"

	"flowd/flow"
	"flowd/shard"
)

// postTuples posts a batch of tuples of a VPC, numbered from from up to to.
func postTuples(t *testing.T, e *Engine, vpc string, h flow.Hour, from, to int) {
	t.Helper()
	b := e.Acquire(time.Minute)
	for i := from; i < to; i++ {
		b.Add(&flow.Flow{SrcApp: fmt.Sprint("app-", i), DestApp: "d", VPCID: vpc, BytesTx: 1, Hour: h})
	}
	if _, err := e.Append(b, flow.Origin{}); err != nil {
		t.Error(err)
	}
}

// What VPCs have of a bound after a crash is what they had before: both decide alike from there on.
func TestSharesAreReplayed(t *testing.T) {
	o := DefaultOptions()
	o.Dir, o.Logged, o.Shards = t.TempDir(), true, 2
	o.Log.SegmentBytes = 1 << 20
	o.Bounds = shard.Bounds{HourTuples: 100, Tuples: 250}
	e := open(t, o)
	rng := rand.New(rand.NewPCG(7, 1))
	post := func(e *Engine, rng *rand.Rand) {
		h, vpc, from := flow.Hour(rng.IntN(4)), fmt.Sprint("vpc-", rng.IntN(4)), rng.IntN(200)
		postTuples(t, e, vpc, h, from, from+rng.IntN(9))
	}
	for n := range 200 {
		post(e, rng)
		if n%40 != 39 {
			continue
		}
		crashed := o
		crashed.Dir = t.TempDir()
		if err := os.CopyFS(crashed.Dir, os.DirFS(o.Dir)); err != nil {
			t.Fatal(err)
		}
		again := open(t, crashed)
		seed := rng.Uint64()
		here, there := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 1))
		for range 30 {
			post(e, here)
			post(again, there)
		}
		for h := range flow.Hour(4) {
			if before, after := vpcsOf(t, e, h), vpcsOf(t, again, h); !reflect.DeepEqual(before, after) {
				t.Errorf("after %d batches, hour %d: %+v, and after a crash %+v", n+1, h, before, after)
			}
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if e.Stats().FoldedOverShare == 0 {
		t.Error("no VPC ever came to its share")
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// However many requests at once one VPC floods an hour with, the first flows of others have their names.
func TestFloodOfRequestsLeavesRoom(t *testing.T) {
	for name, logged := range map[string]bool{"with a log": true, "in memory": false} {
		t.Run(name, func(t *testing.T) {
			o := DefaultOptions()
			if logged {
				o.Dir, o.Logged = t.TempDir(), true
				o.Log.SegmentBytes = 1 << 20
			}
			o.Shards, o.Bounds = 4, shard.Bounds{HourTuples: 50}
			e := open(t, o)
			var flood sync.WaitGroup
			for n := range 8 {
				flood.Go(func() {
					for k := range 20 {
						postTuples(t, e, "vpc-evil", 5, 1000*n+30*k, 1000*n+30*k+30)
					}
				})
			}
			flood.Wait()
			postTuples(t, e, "vpc-good", 5, 0, 8)
			got := vpcsOf(t, e, 5)
			if got.other["vpc-good"] != (flow.Totals{}) || got.other["vpc-evil"].BytesTx != 8*20*30-40 {
				t.Errorf("under ~other are %v", got.other)
			}
			if got.tuples != 40+1+8 {
				t.Errorf("%d tuples, not four fifths of 50 for the flood, ~other, and those of vpc-good", got.tuples)
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
