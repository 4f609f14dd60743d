package flow

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestRowJSON(t *testing.T) {
	for _, tt := range []struct {
		row  Row
		want string
	}{
		{Row{AppendKey(nil, "a", "b", "c"), Totals{1, 2}, 3}, `{"src_app":"a","dest_app":"b","vpc_id":"c","bytes_tx":1,"bytes_rx":2,"hour":3}`},
		{Row{AppendKey(nil, `"\`, "b", "c"), Totals{1<<64 - 1, 0}, MaxHour}, `{"src_app":"\"\\","dest_app":"b","vpc_id":"c","bytes_tx":18446744073709551615,"bytes_rx":0,"hour":2147483647}`},
		{Row{AppendKey(nil, "<é😀>", "long enough", `to be "scanned" in words`), Totals{}, 0}, `{"src_app":"<é😀>","dest_app":"long enough","vpc_id":"to be \"scanned\" in words","bytes_tx":0,"bytes_rx":0,"hour":0}`},
	} {
		if got := string(tt.row.AppendJSON([]byte("x"))); got != "x"+tt.want {
			t.Errorf("%s, not x%s", got, tt.want)
		}
	}
}

// TestFlowsComeBack writes flows with any legal names, as arrays and lines, and reads them back,
// both with Decode and with encoding/json.
func TestFlowsComeBack(t *testing.T) {
	name := rapid.Custom(func(t *rapid.T) string {
		runes := rapid.RuneFrom([]rune(`"\/azAZ09 <>&'é€😀`), nil...)
		s := rapid.StringOfN(runes, 1, 64, MaxName).Draw(t, "name")
		return strings.Repeat(s, rapid.IntRange(1, MaxName/len(s)).Draw(t, "times"))
	})
	rapid.Check(t, func(t *rapid.T) {
		flows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Flow {
			return Flow{
				name.Draw(t, "src"), name.Draw(t, "dest"), name.Draw(t, "vpc"),
				rapid.Uint64Range(0, MaxBytes).Draw(t, "tx"), rapid.Uint64Range(0, MaxBytes).Draw(t, "rx"),
				Hour(rapid.Uint32Range(0, MaxHour).Draw(t, "hour")),
			}
		}), 1, 20).Draw(t, "flows")
		array, lines := []byte("["), []byte(nil)
		var added Batch
		for i := range flows {
			if i > 0 {
				array = append(array, ',')
			}
			array = flows[i].AppendJSON(array)
			lines = append(flows[i].AppendJSON(lines), '\n')
			added.Add(&flows[i])
		}
		array = append(array, ']')

		var b Batch
		for _, body := range []struct {
			bytes  []byte
			format Format
		}{{array, JSON}, {lines, NDJSON}} {
			if err := b.Decode(body.bytes, body.format, len(flows)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(flows, flowsOf(&b)); diff != "" {
				t.Fatal(diff)
			}
			for i := range b.Items {
				if string(b.Key(&b.Items[i])) != string(added.Key(&added.Items[i])) {
					t.Fatalf("flow %d has another key when decoded than when added", i)
				}
				checkSlot(t, &b, &b.Items[i])
				checkSlot(t, &added, &added.Items[i])
			}
		}
		var std []jsonFlow
		if err := json.Unmarshal(array, &std); err != nil {
			t.Fatal(err)
		}
		for i, f := range std {
			if got := (Flow{f.SrcApp, f.DestApp, f.VPCID, uint64(f.BytesTx), uint64(f.BytesRx), Hour(f.Hour)}); got != flows[i] {
				t.Fatalf("encoding/json reads %+v, not %+v", got, flows[i])
			}
		}
	})
}

// checkSlot makes sure that a key's slot is filled up with zeros.
func checkSlot(t *rapid.T, b *Batch, it *Item) {
	end := int(it.KeyFrom) + KeySlot
	if end > len(b.Keys) {
		t.Fatalf("the slot of a key ends at %d, after the keys, at %d", end, len(b.Keys))
	}
	for at := int(it.KeyFrom) + int(it.KeyLen); at < end; at++ {
		if b.Keys[at] != 0 {
			t.Fatalf("behind the key %q its slot has %q", b.Key(it), b.Keys[at:end])
		}
	}
}

// TestKeysDiffer has tuples whose names run into the same bytes.
func TestKeysDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, names := range [][3]string{{"a", "bc", "d"}, {"ab", "c", "d"}, {"a", "b", "cd"}, {"abc", "d", "e"}, {"a", "bcd", "e"}} {
		key := AppendKey(nil, names[0], names[1], names[2])
		if seen[string(key)] {
			t.Errorf("%q has the key of another tuple", names)
		}
		seen[string(key)] = true
		if n := KeyLen(key); n != len(key) {
			t.Errorf("KeyLen of %q is %d, not %d", names, n, len(key))
		}
	}
}

func TestAppendUint(t *testing.T) {
	check := func(v uint64) {
		dst := append(make([]byte, 0, 64), "x"...)
		if got, want := string(appendUint(dst, v)), "x"+strconv.FormatUint(v, 10); got != want {
			t.Fatalf("%s, not %s", got, want)
		}
	}
	for v := range uint64(100_000) {
		check(v)
		check(v * 1000)
		check(math.MaxUint64 - v)
	}
	for power := uint64(1); power < math.MaxUint64/10; power *= 10 {
		check(power - 1)
		check(power)
		check(10*power - 1)
	}
	rapid.Check(t, func(t *rapid.T) { check(rapid.Uint64().Draw(t, "v")) })
}
