package shard

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"flowd/flow"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// look is an hour that is read by columns, and what it must say.
type look struct {
	scans []flow.Scan
	names flow.Fields
	want  model
	form  func(s *scan) string // that its scans must have, or "" if that is left open
}

// readColumns reads all of scans. A tuple that comes twice fails the test, and so does a name that is not
// that of the tuple.
func readColumns(t failer, scans []flow.Scan, h flow.Hour, names flow.Fields) model {
	t.Helper()
	out := model{}
	for _, s := range scans {
		var c flow.Chunk
		for n := 0; s.Next(&c); n++ {
			if len(c.Totals) == 0 || c.Keys != nil != s.(*scan).keys {
				t.Fatalf("chunk %d has %d rows, and keys: %v", n, len(c.Totals), c.Keys != nil)
			}
			for i, totals := range c.Totals {
				key := s.Key(i)
				src, dest, vpc := key.Names()
				k := modelKey{h, string(src), string(dest), string(vpc)}
				if _, twice := out[k]; twice {
					t.Fatalf("%v came twice", k)
				}
				out[k] = totals
				checkNames(t, &c, i, key, names)
			}
		}
		if s.Err() != nil {
			t.Fatal(s.Err())
		}
		s.Close()
		s.Close()
	}
	return out
}

// checkNames holds the names of row i to those of its key.
func checkNames(t failer, c *flow.Chunk, i int, key flow.Key, names flow.Fields) {
	t.Helper()
	if c.Keys != nil {
		if string(c.Keys[i]) != string(key) {
			t.Fatalf("row %d is %q, and its key %q", i, c.Keys[i], key)
		}
		return
	}
	for f := range flow.FieldCount {
		switch {
		case !names.Has(f):
			if c.Codes[f] != nil || c.Dicts[f] != nil {
				t.Fatalf("a chunk has %s, which nobody asked for", f)
			}
		case c.Dicts[f][c.Codes[f][i]] != string(nameOf(key, f)):
			t.Fatalf("row %d has %s %q, and its key %q", i, f, c.Dicts[f][c.Codes[f][i]], key)
		case c.Group != 1 || len(c.Codes[f]) != len(c.Totals):
			t.Fatalf("group %d, %d codes of %d rows", c.Group, len(c.Codes[f]), len(c.Totals))
		}
	}
}

func (l look) check(t failer) {
	t.Helper()
	h := flow.Hour(0)
	for k := range l.want {
		h = k.hour
	}
	for _, s := range l.scans {
		s := s.(*scan)
		if want := l.form(s); want != "" {
			s.begin()
			if form := map[bool]string{true: "keys", false: "codes"}[s.keys]; form != want {
				t.Fatalf("the form of names %03b is %s, not %s", l.names, form, want)
			}
		}
	}
	if diff := cmp.Diff(l.want, readColumns(t, l.scans, h, l.names), cmp.AllowUnexported(modelKey{})); diff != "" {
		t.Fatal(diff)
	}
}

// TestColumnsOfMemory reads hours by columns through any sequence of batches, questions and checkpoints,
// with looks that come late, dicts that are replaced often, names that are too many or not, and however
// hashes collide.
func TestColumnsOfMemory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		defer w.table.Close()
		most := rapid.SampledFrom([]int{0, 1, 5, namesMost}).Draw(t, "names")
		w.table.limits.names = most
		form := func(names flow.Fields) func(*scan) string {
			return func(s *scan) string {
				switch {
				case names == 0:
					return "codes" // of nothing
				case names == flow.AllFields || most == 0 || s.snapshot.isSparse():
					return "keys"
				case most == namesMost:
					return "codes"
				}
				return ""
			}
		}
		var late []look
		t.Repeat(map[string]func(*rapid.T){
			"append":     w.append,
			"checkpoint": w.step,
			"ask": func(t *rapid.T) {
				h, names := rapid.SampledFrom(labels).Draw(t, "hour"), flow.Fields(rapid.IntRange(0, int(flow.AllFields)).Draw(t, "names"))
				answer := w.table.Ask(h)
				want := w.memory.hour(h)
				if answer.Empty() != (len(want) == 0) {
					t.Fatalf("hour %d is empty: %v, with %d tuples", h, answer.Empty(), len(want))
				}
				late = append(late, look{answer.Columns(names), names, want, form(names)})
			},
			"read": func(t *rapid.T) {
				if len(late) > 0 {
					i := rapid.IntRange(0, len(late)-1).Draw(t, "which")
					late[i].check(t)
					late = slices.Delete(late, i, i+1)
				}
			},
			"": func(t *rapid.T) {
				if len(late) == 0 {
					w.checkDicts(t)
				}
			},
		})
		for _, l := range late {
			l.check(t)
		}
		if w.frozen != nil {
			w.restore(t)
		}
	})
}

// TestChunkIsLentUntilTheNext changes every cell of an hour while a chunk of it is looked at, of chunks
// that are whole, that have gaps, and that are the sums of what is frozen and what came since.
func TestChunkIsLentUntilTheNext(t *testing.T) {
	for _, c := range []struct {
		name   string
		step   int
		frozen bool
	}{{"whole", 1, false}, {"gaps", 3, false}, {"continued", 1, true}, {"continued with gaps", 3, true}} {
		t.Run(c.name, func(t *testing.T) {
			const tuples = 4 * chunkSize
			table := start(t, Options{Shards: 1}, allBits)
			defer table.Close()
			appendFlows(t, table, numbered(1, 0, tuples, 1)...)
			flows := numbered(2, 0, tuples, c.step)
			appendFlows(t, table, flows...)
			want := modelOf(flows)
			if c.frozen {
				defer table.Freeze(everyHour(Spill)).Restore()
				more := numbered(2, 0, tuples, 2*c.step)
				appendFlows(t, table, more...)
				want = modelOf(flows, more)
			}
			s := table.Ask(2).Columns(flow.Fields(0).With(flow.SrcApp))[0]
			got := model{}
			var chunk flow.Chunk
			for s.Next(&chunk) {
				appendFlows(t, table, flows...)
				table.Hours() // returns when the shard has applied that
				for i, totals := range chunk.Totals {
					src, dest, vpc := s.Key(i).Names()
					got[modelKey{2, string(src), string(dest), string(vpc)}] = totals
				}
			}
			if !maps.Equal(got, want) {
				t.Errorf("%d tuples, or other totals than when the hour was asked about", len(got))
			}
			s.Close()
		})
	}
}

// TestScanThatIsReadLendsNothing writes to an hour whose scan is at its end, but not closed.
func TestScanThatIsReadLendsNothing(t *testing.T) {
	table := start(t, Options{Shards: 1}, allBits)
	defer table.Close()
	flows := numbered(1, 0, 10, 1)
	appendFlows(t, table, flows...)
	s := table.Ask(1).Columns(0)[0]
	defer s.Close()
	before := table.shards[0].hours[1].column().chunks[0].cells
	for c := (flow.Chunk{}); s.Next(&c); {
	}
	appendFlows(t, table, flows...)
	table.Hours()
	if after := table.shards[0].hours[1].column().chunks[0].cells; after != before {
		t.Error("a chunk was copied though nobody reads it")
	}
	if src, _, _ := s.Key(3).Names(); string(src) != "s3" {
		t.Errorf("row 3 of the last chunk is of %q", src)
	}
	var c flow.Chunk
	if s.Next(&c) {
		t.Error("there is a chunk behind the last one")
	}
}

// TestLargeScan has hours of many chunks of all kinds.
func TestLargeScan(t *testing.T) {
	const tuples = slabFrom * chunkSize * 5 / 4
	table := start(t, Options{Shards: 2}, allBits)
	defer table.Close()
	var flows []flow.Flow
	for n := range tuples {
		f := flow.Flow{SrcApp: fmt.Sprint("s", n%300), DestApp: fmt.Sprint("d", n), VPCID: fmt.Sprint("v", n%7), BytesTx: uint64(n), BytesRx: uint64(n % 5), Hour: 1}
		switch {
		case n%1000 < 300:
			f.BytesTx, f.BytesRx = 0, 0
		case n%1000 < 600:
			f.Hour = 2
		}
		flows = append(flows, f)
	}
	appendFlows(t, table, flows...)
	want := modelOf(flows)
	for h := range flow.Hour(3) {
		for names := range flow.AllFields + 1 {
			if got := readColumns(t, table.Ask(h).Columns(names), h, names); !maps.Equal(got, want.hour(h)) {
				t.Errorf("hour %d by names %03b: %d tuples of %d, or other totals", h, names, len(got), len(want.hour(h)))
			}
		}
	}
}
