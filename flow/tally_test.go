package flow

import (
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestTally holds Tally to the ledger's own adding up, flow by flow.
func TestTally(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b Batch
		hours := rapid.SampledFrom(rapid.SliceOfN(rapid.Uint32Range(0, MaxHour), 1, 300).Draw(t, "hours"))
		for range rapid.IntRange(0, 400).Draw(t, "flows") {
			b.Add(&Flow{"a", "b", "c", rapid.Uint64Range(0, MaxBytes).Draw(t, "tx"), rapid.Uint64Range(0, 5).Draw(t, "rx"), Hour(hours.Draw(t, "hour"))})
		}
		var order []Hour
		want := map[Hour]Tally{}
		for i := range b.Items {
			it := &b.Items[i]
			sum, known := want[it.Hour]
			if !known {
				order = append(order, it.Hour)
			}
			sum.AddFlow(it.Totals)
			want[it.Hour] = sum
		}
		for range 2 { // the second time with memory that was used
			before := HourTally{Hour: 7}
			got := b.Tally([]HourTally{before})
			if len(got) != 1+len(order) || got[0] != before {
				t.Fatalf("%d hours behind %+v, not %d", len(got)-1, got[0], len(order))
			}
			for i, h := range order {
				if got := got[1+i]; got.Hour != h || got.Tally() != want[h] {
					t.Fatalf("the hour at %d is %+v, not %d with %+v", i, got, h, want[h])
				}
			}
		}
	})
}

// TestTallyOfManyHours has as many hours as flows, in steps that a weak hash would send to the
// same place.
func TestTallyOfManyHours(t *testing.T) {
	for _, step := range []int{1, 1 << 10, 1 << 15} {
		var b Batch
		for i := range 50_000 {
			b.Add(&Flow{"a", "b", "c", 1, 2, Hour(i * step)})
		}
		got := b.Tally(nil)
		if len(got) != b.Len() {
			t.Fatalf("steps of %d: %d hours", step, len(got))
		}
		for i := range got {
			if want := (HourTally{Hour(i * step), 1, Sum{Lo: 1}, Sum{Lo: 2}}); got[i] != want {
				t.Fatal(cmp.Diff(want, got[i]))
			}
		}
		longest, run := 0, 0
		for _, slot := range b.scratch.hours.slots.at {
			if run++; slot.epoch != b.scratch.hours.slots.epoch {
				run = 0
			}
			longest = max(longest, run)
		}
		if longest > 1000 {
			t.Errorf("steps of %d: %d slots in a row are taken", step, longest)
		}
	}
}

// TestEpochs goes past the last epoch of a table, behind which those of old entries come again.
func TestEpochs(t *testing.T) {
	var b Batch
	for i := range 100 {
		b.Add(&Flow{"a", "b", "c", 1, 2, Hour(i)})
	}
	b.Tally(nil)
	old := b.scratch.hours.slots.epoch
	b.scratch.hours.slots.epoch = old - 2
	for range 5 {
		b.Items = b.Items[1:]
		if got := b.Tally(nil); len(got) != len(b.Items) || got[0].Hour != b.Items[0].Hour {
			t.Fatalf("%d hours, not %d", len(got), len(b.Items))
		}
	}
}

func TestRecordsMakeNoGarbage(t *testing.T) {
	var b, back Batch
	for i := range 1000 {
		b.Add(&Flow{"app-" + strconv.Itoa(i%40), "db", "vpc-1", uint64(i) << 20, uint64(i), Hour(480_000 + i%24)})
	}
	written := b.AppendFlows(nil)
	tally := b.Tally(nil)
	record := AppendRecord(nil, &RecordHead{UnixMilli: 1, Origin: Origin{Client: "c", Key: "k"}, Flows: written})
	if n := testing.AllocsPerRun(10, func() {
		written = b.AppendFlows(written[:0])
		record = AppendRecord(record[:0], &RecordHead{UnixMilli: 1, Origin: Origin{Client: "c", Key: "k"}, Flows: written})
		tally = b.Tally(tally[:0])
		back.Reset()
		if err := back.ReadFlows(written); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
