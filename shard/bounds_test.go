package shard

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"flowd/flow"
	"flowd/limit"
)

// places is a bound as one would keep it without a thought of speed: who has which tuples of it.
type places struct {
	tuples map[string]bool
	held   map[string]uint64
}

func newPlaces() *places { return &places{map[string]bool{}, map[string]uint64{}} }

func (p *places) may(bound uint64, tuple, vpc string) bool {
	return bound == 0 || p.tuples[tuple] || limit.MayHold(p.held[vpc], bound-min(uint64(len(p.tuples)), bound))
}

func (p *places) have(tuple, vpc string) {
	if !p.tuples[tuple] {
		p.tuples[tuple] = true
		p.held[vpc]++
	}
}

// populace is a table with bounds, and the same without a thought.
type populace struct {
	t         *rapid.T
	table     *Table
	admission *Admission
	bounds    Bounds
	hours     map[flow.Hour]*places
	all       *places
	unsent    []*flow.Batch
}

// admit draws a batch, and has both decide.
func (p *populace) admit() {
	b := p.table.Acquire(0)
	if b == nil {
		p.send()
		b = p.table.Acquire(time.Minute)
	}
	var want []uint32
	vpcs := rapid.SampledFrom([]int{1, 2, 6, 100}).Draw(p.t, "VPCs")
	for i := range rapid.SampledFrom([]int{1, 3, 60, 300}).Draw(p.t, "flows") {
		f := flow.Flow{
			SrcApp: fmt.Sprint("app-", rapid.IntRange(0, 60).Draw(p.t, "app")), DestApp: "d",
			VPCID: fmt.Sprint("vpc-", rapid.IntRange(1, vpcs).Draw(p.t, "VPC")),
			Hour:  flow.Hour(rapid.IntRange(0, 3).Draw(p.t, "hour")), BytesTx: uint64(i % 2),
		}
		if rapid.IntRange(0, 20).Draw(p.t, "other") == 0 {
			f.SrcApp, f.DestApp = flow.Other, flow.Other
		}
		b.Add(&f)
		if f.SrcApp == flow.Other {
			continue
		}
		tuple := f.SrcApp + " " + f.VPCID
		h := p.hours[f.Hour]
		if h == nil {
			h = newPlaces()
			p.hours[f.Hour] = h
		}
		if !h.may(p.bounds.HourTuples, tuple, f.VPCID) || !h.tuples[tuple] && !p.all.may(p.bounds.Tuples, tuple, f.VPCID) {
			want = append(want, uint32(i))
			continue
		}
		h.have(tuple, f.VPCID)
		p.all.have(tuple, f.VPCID)
	}
	x := p.admission.Admit(b, b.Tally(nil))
	if !slices.Equal(x.Flows, want) {
		p.t.Fatalf("in excess of %+v are %v of %d, not %v", p.bounds, x.Flows, b.Len(), want)
	}
	if len(x.Flows) > 0 && x.First.Taken < x.First.Bound && x.OverShare == 0 {
		p.t.Fatalf("%+v: none is over its share, though the first is", x)
	}
	b.Fold(x.Flows)
	p.unsent = append(p.unsent, b)
}

func (p *populace) send() {
	for _, b := range p.unsent {
		p.table.Append(b)
	}
	p.unsent = nil
	p.admission.Sent()
}

// checkpoint spills some hours, or has that fail, with a batch in between.
func (p *populace) checkpoint() {
	p.send()
	spilled := flow.Hour(rapid.IntRange(0, 4).Draw(p.t, "spilled"))
	frozen := p.table.Freeze(func(h flow.Hour) Action {
		if h < spilled {
			return Spill
		}
		return Keep
	})
	hours := frozen.Hours()
	if rapid.Bool().Draw(p.t, "fails") {
		p.admit()
		p.send()
		frozen.Restore()
		return
	}
	for _, h := range hours { // a part leaves memory whatever its fate is
		if h.Hour < spilled || h.Partial {
			p.hours[h.Hour] = newPlaces()
		}
	}
	frozen.Install()
	p.admit()
	p.send()
}

// TestAdmission holds the decisions to a plain model, whatever is spilled or comes back in between, and
// however many batches are decided before they are sent.
func TestAdmission(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := start(t, Options{Shards: rapid.SampledFrom([]int{1, 4}).Draw(t, "shards"), Batches: 8}, allBits)
		defer table.Close()
		table.limits.tally = rapid.SampledFrom([]int{1, tallyStep}).Draw(t, "counted at once")
		p := &populace{t: t, table: table, admission: NewAdmission(table), hours: map[flow.Hour]*places{}, all: newPlaces()}
		change := func() {
			p.send()
			p.bounds = Bounds{
				HourTuples: rapid.SampledFrom([]uint64{0, 1, 5, 10, 100, 300, 2000}).Draw(t, "an hour's"),
				Tuples:     rapid.SampledFrom([]uint64{0, 0, 40, 150, 1000}).Draw(t, "all"),
			}
			table.SetBounds(p.bounds)
		}
		change()
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			switch rapid.IntRange(0, 12).Draw(t, "step") {
			case 0:
				change()
			case 1, 2:
				p.checkpoint()
			case 3, 4, 5:
				p.send()
			default:
				p.admit()
			}
		}
		p.send()
	})
}

// One VPC that sends what it can leaves a fifth of the bound, however it sends it; so the next has names.
func TestFloodLeavesRoom(t *testing.T) {
	for _, shards := range []int{1, 4, 16} {
		for _, size := range []int{1, 60} {
			t.Run(fmt.Sprintf("%d shards, %d at once", shards, size), func(t *testing.T) {
				table := start(t, Options{Shards: shards}, allBits)
				defer table.Close()
				table.SetBounds(Bounds{HourTuples: 10})
				a := NewAdmission(table)
				post := func(vpc string, from, to int) (excess int) {
					b := table.Acquire(time.Minute)
					for i := from; i < to; i++ {
						b.Add(&flow.Flow{SrcApp: fmt.Sprint("app-", i), DestApp: "d", VPCID: vpc, BytesTx: 1, Hour: 7})
					}
					x := a.Admit(b, b.Tally(nil))
					b.Fold(x.Flows)
					table.Append(b)
					a.Sent()
					return len(x.Flows)
				}
				folded := 0
				for from := 0; from < 60; from += size {
					folded += post("vpc-evil", from, from+size)
				}
				if folded != 52 {
					t.Errorf("%d of 60 flows of vpc-evil are folded, not all but 8", folded)
				}
				for i := range 8 {
					if post("vpc-evil", i, i+1) != 0 {
						t.Errorf("tuple %d of vpc-evil is known, and was folded", i)
					}
				}
				if post("vpc-good", 0, 1) != 0 || post("vpc-third", 0, 1) != 0 {
					t.Error("the first flow of a VPC was folded beside a flood of another")
				}
			})
		}
	}
}

// Far from its bounds a table is not asked for each batch, and nothing is allocated.
func TestAdmissionFarFromBounds(t *testing.T) {
	table := start(t, Options{Shards: 2}, allBits)
	defer table.Close()
	table.SetBounds(Bounds{HourTuples: 5_000_000, Tuples: 20_000_000})
	a := NewAdmission(table)
	b := everyTuple(100, 1)[0]
	tally := b.Tally(nil)
	a.Admit(b, tally)
	a.Sent()
	if n := testing.AllocsPerRun(1000, func() {
		a.Admit(b, tally)
		a.Sent()
	}); n != 0 {
		t.Errorf("%v allocations for a batch", n)
	}
}

func BenchmarkAdmit(b *testing.B) {
	table := start(b, Options{Shards: 2}, allBits)
	defer table.Close()
	table.SetBounds(Bounds{HourTuples: 5_000_000, Tuples: 20_000_000})
	a := NewAdmission(table)
	batch := everyTuple(100, 1)[0]
	tally := batch.Tally(nil)
	for b.Loop() {
		a.Admit(batch, tally)
		a.Sent()
	}
}

// BenchmarkTallyVPCs is how long a shard counts a million tuples, once, when they come near the bound.
func BenchmarkTallyVPCs(b *testing.B) {
	table := start(b, Options{Shards: 1}, allBits)
	defer table.Close()
	batch := table.Acquire(time.Minute)
	for i := range 1_000_000 {
		batch.Add(&flow.Flow{SrcApp: fmt.Sprint("app-", i), DestApp: "dest-app", VPCID: fmt.Sprint("vpc-", i%50), BytesTx: 1, Hour: 7})
	}
	table.Append(batch)
	b.Run("of an hour", func(b *testing.B) {
		for b.Loop() {
			table.scatter(func(_ int, s *shard) {
				s.hours[7].forgetVPCs()
				s.hours[7].vpcTally()
			}).Wait()
		}
	})
	b.Run("of all", func(b *testing.B) {
		for b.Loop() {
			table.scatter(func(_ int, s *shard) {
				s.dict.vpcs, s.dict.tallied = nil, 0
				s.dict.vpcTally()
			}).Wait()
		}
	})
}
