package local

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"flowd/flow"
	"flowd/shard"
)

// byVPC are the totals of an hour by VPC, and what of them is under flow.Other, with how many tuples.
type byVPC struct {
	whole, other map[string]flow.Totals
	tuples       int
}

func vpcsOf(t *testing.T, e *Engine, h flow.Hour) byVPC {
	t.Helper()
	rows, err := e.Rows(h)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	found := byVPC{map[string]flow.Totals{}, map[string]flow.Totals{}, 0}
	var block [64]flow.Row
	for n := rows.Next(block[:]); n > 0; n = rows.Next(block[:]) {
		for i := range block[:n] {
			_, _, vpc := block[i].Key.Names()
			add(found.whole, string(vpc), block[i].Totals)
			if block[i].Key.IsOther() {
				add(found.other, string(vpc), block[i].Totals)
			}
			found.tuples++
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

func add(to map[string]flow.Totals, name string, t flow.Totals) {
	sum := to[name]
	sum.Add(t)
	to[name] = sum
}

// TestFold posts far more tuples than are allowed, some of them known ones, and holds that each VPC has
// every byte, that no more tuples are there than bounds, batches on their way and one per VPC allow, that
// the account says how much was folded, and that a restart and a retry change nothing.
func TestFold(t *testing.T) {
	const (
		bound  = 400
		shards = 4
		posts  = 60
		size   = 50
	)
	for name, bounds := range map[string]shard.Bounds{"by hour": {HourTuples: bound}, "in all": {Tuples: bound}} {
		t.Run(name, func(t *testing.T) {
			o := DefaultOptions()
			o.Dir, o.Logged, o.Shards, o.Bounds = t.TempDir(), true, shards, bounds
			o.Log.SegmentBytes = 1 << 20
			e := open(t, o)
			rng := rand.New(rand.NewPCG(1, 2))
			want := map[string]flow.Totals{}
			var last []flow.Flow
			post := func(flows []flow.Flow, seq uint64) flow.Receipt {
				t.Helper()
				b := e.Acquire(time.Minute)
				for i := range flows {
					b.Add(&flows[i])
				}
				receipt, err := e.Append(b, flow.Origin{Agent: "a", Seq: seq})
				if err != nil {
					t.Fatal(err)
				}
				return receipt
			}
			for k := range uint64(posts) {
				last = nil
				for i := range size {
					f := flow.Flow{
						SrcApp: fmt.Sprintf("app-%d", rng.IntN(40)), DestApp: fmt.Sprintf("app-%d", rng.IntN(40)),
						VPCID: fmt.Sprintf("vpc-%d", rng.IntN(3)), BytesTx: rng.Uint64N(9), BytesRx: rng.Uint64N(9), Hour: 5,
					}
					if i == 0 && k > posts-5 { // where others are folded; it counts as they do
						f.SrcApp, f.DestApp = flow.Other, flow.Other
					}
					last = append(last, f)
					add(want, f.VPCID, flow.Totals{BytesTx: f.BytesTx, BytesRx: f.BytesRx})
				}
				post(last, k+1)
				if k == posts/2 {
					if err := e.Checkpoint(); err != nil {
						t.Fatal(err)
					}
				}
			}
			check := func(when string) {
				t.Helper()
				got := vpcsOf(t, e, 5)
				var folded flow.Totals
				for vpc, totals := range want {
					if got.whole[vpc] != totals {
						t.Errorf("%s: %s has %v, want %v", when, vpc, got.whole[vpc], totals)
					}
					folded.Add(got.other[vpc])
				}
				// A shard may pass its part by a batch, and has rounded that up.
				if most := bound + shards*(size+1) + len(want); got.tuples > most {
					t.Errorf("%s: %d tuples, more than %d", when, got.tuples, most)
				}
				ledger, err := e.Ledger()
				if err != nil {
					t.Fatal(err)
				}
				f := ledger.Folded
				if f.Flows == 0 || f.BytesTx.Lo != folded.BytesTx || f.BytesRx.Lo != folded.BytesRx || ledger.Hours[0].Folded != f {
					t.Errorf("%s: folded are %v, the account has %+v, and of the hour %+v", when, folded, f, ledger.Hours[0].Folded)
				}
			}
			check("before a restart")
			crashed := o
			crashed.Dir = t.TempDir()
			if err := os.CopyFS(crashed.Dir, os.DirFS(o.Dir)); err != nil {
				t.Fatal(err)
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			e = open(t, crashed)
			check("after a crash")
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			e = open(t, o)
			check("after a restart")
			if !post(last, posts).Duplicate {
				t.Error("the last batch counts again, though it was folded")
			}
			check("after a retry")
			e.SetLimits(Limits{})
			fresh := flow.Flow{SrcApp: "fresh", DestApp: "fresh", VPCID: "vpc-0", BytesTx: 1, Hour: 6}
			post([]flow.Flow{fresh}, posts+1)
			if got := vpcsOf(t, e, 6); got.other["vpc-0"] != (flow.Totals{}) {
				t.Errorf("without bounds %v was folded", got.other)
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
