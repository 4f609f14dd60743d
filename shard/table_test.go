package shard

import (
	"fmt"
	"maps"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"flowd/flow"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// model is the table that nobody can get wrong.
type model map[modelKey]flow.Totals

type modelKey struct {
	hour           flow.Hour
	src, dest, vpc string
}

func (m model) add(f *flow.Flow) {
	k := modelKey{f.Hour, f.SrcApp, f.DestApp, f.VPCID}
	t := m[k]
	t.Add(flow.Totals{BytesTx: f.BytesTx, BytesRx: f.BytesRx})
	m[k] = t
}

func (m model) hour(h flow.Hour) model {
	out := model{}
	for k, t := range m {
		if k.hour == h {
			out[k] = t
		}
	}
	return out
}

// read reads all of rows in blocks of the given size. A tuple that comes twice fails the test.
func read(t failer, rows flow.Rows, block int) model {
	out := model{}
	dst := make([]flow.Row, block)
	for n := rows.Next(dst); n > 0; n = rows.Next(dst) {
		for _, r := range dst[:n] {
			src, dest, vpc := r.Key.Names()
			k := modelKey{r.Hour, string(src), string(dest), string(vpc)}
			if _, twice := out[k]; twice {
				t.Fatalf("%v came twice", k)
			}
			out[k] = r.Totals
		}
	}
	rows.Close()
	return out
}

type failer interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// start returns a running table. All bits of the tuples' hashes but those of mask are zero.
func start(t failer, o Options, mask uint64) *Table {
	t.Helper()
	h := newHasher()
	h.mask = mask
	table, err := newTable(o, h)
	if err != nil {
		t.Fatal(err)
	}
	table.Start()
	return table
}

func appendFlows(t failer, table *Table, flows ...flow.Flow) {
	t.Helper()
	b := table.Acquire(time.Minute)
	if b == nil {
		t.Fatal("no batch came free")
	}
	for i := range flows {
		b.Add(&flows[i])
	}
	table.Append(b)
}

// allBits and the hashMasks under which tuples collide: all with all, or in their places and tags.
const allBits = math.MaxUint64

var hashMasks = []uint64{allBits, 0, 0xff << 56, 0xff, 1}

// names makes collisions of every kind likely: few tuples, of lengths around the border between
// short and long keys, that differ in the first byte, the last one or the length alone.
func names() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		letter := rapid.SampledFrom([]string{"a", "b", "ü"}).Draw(t, "letter")
		n := rapid.SampledFrom([]int{1, 2, 5, 14, 15, 16, 42, 43, 120}).Draw(t, "n")
		return strings.Repeat(letter, n) + rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "end")
	})
}

func flows() *rapid.Generator[flow.Flow] {
	amount := rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64Range(0, 1000), rapid.Uint64Range(flow.MaxBytes-5, flow.MaxBytes))
	return rapid.Custom(func(t *rapid.T) flow.Flow {
		return flow.Flow{
			SrcApp: names().Draw(t, "src"), DestApp: names().Draw(t, "dest"), VPCID: names().Draw(t, "vpc"),
			BytesTx: amount.Draw(t, "tx"), BytesRx: amount.Draw(t, "rx"),
			Hour: flow.Hour(rapid.SampledFrom([]int{0, 1, 16, flow.MaxHour}).Draw(t, "hour")),
		}
	})
}

// TestTableIsAMap holds a table to the model, through any sequence of batches and questions, with
// answers that are read late, and however the hashes collide.
func TestTableIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := start(t, Options{Shards: rapid.SampledFrom([]int{1, 2, 8}).Draw(t, "shards")},
			rapid.SampledFrom(hashMasks).Draw(t, "mask"))
		defer table.Close()
		want, added := model{}, uint64(0)
		type answer struct {
			rows flow.Rows
			want model
		}
		var late []answer
		check := func(a answer) {
			block := rapid.SampledFrom([]int{1, 3, 256}).Draw(t, "block")
			if diff := cmp.Diff(a.want, read(t, a.rows, block), cmp.AllowUnexported(modelKey{})); diff != "" {
				t.Fatal(diff)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				batch := rapid.SliceOfN(flows(), 0, 300).Draw(t, "flows")
				appendFlows(t, table, batch...)
				for i := range batch {
					want.add(&batch[i])
				}
				added += uint64(len(batch))
			},
			"ask": func(t *rapid.T) {
				h := flows().Draw(t, "flow").Hour
				late = append(late, answer{table.Rows(h), want.hour(h)})
			},
			"read": func(t *rapid.T) {
				if len(late) > 0 {
					check(late[0])
					late = late[1:]
				}
			},
			"": func(t *rapid.T) {
				total := uint64(0)
				for _, h := range table.Hours() {
					sum := want.hour(h.Hour)
					var bytes flow.Totals
					for _, totals := range sum {
						bytes.Add(totals)
					}
					if h.Tuples != uint64(len(sum)) || h.Totals != bytes {
						t.Fatalf("hour %d: %d tuples %v, not %d tuples %v", h.Hour, h.Tuples, h.Totals, len(sum), bytes)
					}
					total += h.Flows
				}
				if total != added {
					t.Fatalf("%d flows counted, not %d", total, added)
				}
			},
		})
		for _, a := range late {
			check(a)
		}
	})
}

// TestReadAfterWrite has writers that each read what they wrote, right after the append, beside
// readers and each other.
func TestReadAfterWrite(t *testing.T) {
	for _, mask := range []uint64{allBits, 0} {
		t.Run(fmt.Sprintf("mask=%x", mask), func(t *testing.T) {
			table := start(t, Options{Shards: 4, Batches: 3}, mask)
			var writers sync.WaitGroup
			for w := range 6 {
				writers.Go(func() {
					for i := range 60 {
						var batch []flow.Flow
						for n := range 40 {
							batch = append(batch, flow.Flow{SrcApp: fmt.Sprint("w", w), DestApp: fmt.Sprint("d", n), VPCID: "v", BytesTx: 1, BytesRx: uint64(w), Hour: flow.Hour(i % 2)})
						}
						appendFlows(t, table, batch...)
						mine := 0
						for k, totals := range read(t, table.Rows(flow.Hour(i%2)), 64) {
							if k.src == fmt.Sprint("w", w) {
								mine++
								if want := (flow.Totals{BytesTx: uint64(i/2 + 1), BytesRx: uint64(w * (i/2 + 1))}); totals != want {
									t.Errorf("batch %d of writer %d: %v has %v, not %v", i, w, k, totals, want)
								}
							}
						}
						if mine != 40 {
							t.Errorf("batch %d of writer %d: %d tuples, not 40", i, w, mine)
						}
					}
				})
			}
			writers.Wait()
			table.Close()
		})
	}
}

// TestAnswerIsOfOneMoment reads an answer bit by bit while every cell of the hour changes.
func TestAnswerIsOfOneMoment(t *testing.T) {
	table := start(t, Options{Shards: 2}, allBits)
	defer table.Close()
	var all []flow.Flow
	for n := range 3000 {
		all = append(all, flow.Flow{SrcApp: fmt.Sprint(n), DestApp: "d", VPCID: "v", BytesTx: 1, Hour: 7})
	}
	appendFlows(t, table, all...)
	rows := table.Rows(7)
	dst := make([]flow.Row, 100)
	seen := 0
	for n := rows.Next(dst); n > 0; n = rows.Next(dst) {
		appendFlows(t, table, all...)
		table.Hours() // returns when the shards have applied that
		for _, r := range dst[:n] {
			if r.Totals.BytesTx != 1 {
				t.Fatalf("%q has %d bytes, not the 1 it had when asked", r.Key, r.Totals.BytesTx)
			}
		}
		seen += n
	}
	rows.Close()
	if seen != len(all) {
		t.Fatalf("%d rows, not %d", seen, len(all))
	}
	// With no reader left the chunks are written in place again.
	before := table.shards[0].hours[7].chunks[0].cells
	appendFlows(t, table, all...)
	table.Hours()
	if after := table.shards[0].hours[7].chunks[0].cells; after != before {
		t.Error("a chunk was copied though nobody reads it")
	}
}

// TestManyTuples has hours that are larger than what a chunk, a slab or a part of the dictionary
// holds at first, and answers from before and after they grew.
func TestManyTuples(t *testing.T) {
	const tuples = 3 * slabFrom * chunkSize
	table := start(t, Options{Shards: 1}, allBits)
	defer table.Close()
	want := model{}
	add := func(from, to int) {
		var flows []flow.Flow
		for n := from; n < to; n++ {
			f := flow.Flow{SrcApp: fmt.Sprint("s", n), DestApp: "d", VPCID: "v", BytesTx: uint64(n), BytesRx: 1, Hour: 7}
			flows = append(flows, f)
			want.add(&f)
		}
		appendFlows(t, table, flows...)
	}
	add(0, tuples/2)
	half, wantHalf := table.Rows(7), maps.Clone(want)
	add(tuples/3, tuples)
	if got := read(t, table.Rows(7), 256); !maps.Equal(got, want) {
		t.Errorf("%d tuples after growing, or their totals, are not the %d that were added", len(got), len(want))
	}
	if got := read(t, half, 256); !maps.Equal(got, wantHalf) {
		t.Errorf("%d tuples before growing, or their totals, are not the %d that were added", len(got), len(wantHalf))
	}
	if held, least := table.Stats()[0].Bytes, uint64(tuples*(16+recordSize)); held < least || held > 2*least {
		t.Errorf("%d bytes are said to be held, for %d tuples it is at least %d", held, tuples, least)
	}
}

func TestTotalsStopAtTheTop(t *testing.T) {
	table := start(t, Options{Shards: 1}, allBits)
	defer table.Close()
	f := flow.Flow{SrcApp: "a", DestApp: "b", VPCID: "c", BytesTx: flow.MaxBytes, BytesRx: 1, Hour: 1}
	appendFlows(t, table, f, f, f, f)
	got := read(t, table.Rows(1), 1)
	want := model{{1, "a", "b", "c"}: {BytesTx: math.MaxUint64, BytesRx: 4}}
	if !maps.Equal(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
	if s := table.Stats()[0]; s.Saturated != 2 || s.Flows != 4 {
		t.Errorf("%d saturated of %d flows, not 2 of 4", s.Saturated, s.Flows)
	}
}

func TestAcquireIsBounded(t *testing.T) {
	table := start(t, Options{Shards: 1, Batches: 2}, allBits)
	defer table.Close()
	a, b := table.Acquire(0), table.Acquire(0)
	if a == nil || b == nil {
		t.Fatal("two batches should be free")
	}
	if table.Acquire(time.Millisecond) != nil {
		t.Fatal("a third batch was lent, of two")
	}
	table.Append(a) // empty, so it comes back at once
	if a = table.Acquire(0); a == nil {
		t.Fatal("the appended batch did not come back")
	}
	got := make(chan *flow.Batch)
	go func() { got <- table.Acquire(time.Minute) }()
	table.Release(a)
	if a = <-got; a == nil || a.Len() != 0 {
		t.Fatal("who waits for a batch should get the one released, empty")
	}
	table.Release(a)
	table.Release(b)
}

func TestCloseAppliesWhatWasAppended(t *testing.T) {
	table := start(t, Options{Shards: 4, Batches: 64}, allBits)
	for n := range 50 {
		appendFlows(t, table, flow.Flow{SrcApp: fmt.Sprint(n), DestApp: "d", VPCID: "v", Hour: 1})
	}
	table.Close()
	var sum Stats
	for _, s := range table.Stats() {
		sum.Flows += s.Flows
		sum.Tuples += s.Tuples
	}
	if sum.Flows != 50 || sum.Tuples != 50 {
		t.Errorf("%d flows of %d tuples, not 50 of 50", sum.Flows, sum.Tuples)
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{{Shards: 3}, {Shards: -1}, {Shards: 2 * MaxShards}, {Batches: -1}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}
