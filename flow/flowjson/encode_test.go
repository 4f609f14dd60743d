package flowjson

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"flowd/flow"
)

func TestRowJSON(t *testing.T) {
	for _, tt := range []struct {
		row  flow.Row
		want string
	}{
		{flow.Row{Key: flow.AppendKey(nil, "a", "b", "c"), Totals: flow.Totals{BytesTx: 1, BytesRx: 2}, Hour: 3}, `{"src_app":"a","dest_app":"b","vpc_id":"c","bytes_tx":1,"bytes_rx":2,"hour":3}`},
		{flow.Row{Key: flow.AppendKey(nil, `"\`, "b", "c"), Totals: flow.Totals{BytesTx: 1<<64 - 1}, Hour: flow.MaxHour}, `{"src_app":"\"\\","dest_app":"b","vpc_id":"c","bytes_tx":18446744073709551615,"bytes_rx":0,"hour":2147483647}`},
		{flow.Row{Key: flow.AppendKey(nil, "<é😀>", "long enough", `to be "scanned" in words`), Totals: flow.Totals{}, Hour: 0}, `{"src_app":"<é😀>","dest_app":"long enough","vpc_id":"to be \"scanned\" in words","bytes_tx":0,"bytes_rx":0,"hour":0}`},
	} {
		if got := string(AppendRow([]byte("x"), &tt.row)); got != "x"+tt.want {
			t.Errorf("%s, not x%s", got, tt.want)
		}
	}
}

// TestFlowsComeBack writes flows with any legal names, as arrays and lines, and reads them back,
// both with Decode and with encoding/json.
func TestFlowsComeBack(t *testing.T) {
	name := rapid.Custom(func(t *rapid.T) string {
		runes := rapid.RuneFrom([]rune(`"\/azAZ09 <>&'é€😀`), nil...)
		s := rapid.StringOfN(runes, 1, 64, flow.MaxName).Draw(t, "name")
		return strings.Repeat(s, rapid.IntRange(1, flow.MaxName/len(s)).Draw(t, "times"))
	})
	rapid.Check(t, func(t *rapid.T) {
		flows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) flow.Flow {
			return newFlow(
				name.Draw(t, "src"), name.Draw(t, "dest"), name.Draw(t, "vpc"),
				rapid.Uint64Range(0, flow.MaxBytes).Draw(t, "tx"), rapid.Uint64Range(0, flow.MaxBytes).Draw(t, "rx"),
				flow.Hour(rapid.Uint32Range(0, flow.MaxHour).Draw(t, "hour")),
			)
		}), 1, 20).Draw(t, "flows")
		array, lines := []byte("["), []byte(nil)
		var added flow.Batch
		for i := range flows {
			if i > 0 {
				array = append(array, ',')
			}
			array = AppendFlow(array, &flows[i])
			lines = append(AppendFlow(lines, &flows[i]), '\n')
			added.Add(&flows[i])
		}
		array = append(array, ']')

		var b flow.Batch
		for _, body := range []struct {
			bytes  []byte
			format Format
		}{{array, JSON}, {lines, NDJSON}} {
			if err := Decode(&b, body.bytes, body.format, len(flows)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(flows, flowsOf(&b)); diff != "" {
				t.Fatal(diff)
			}
			// With the zeros that fill up the slots.
			if string(b.Keys) != string(added.Keys) {
				t.Fatalf("the keys are %q when decoded, and %q when added", b.Keys, added.Keys)
			}
		}
		var std []jsonFlow
		if err := json.Unmarshal(array, &std); err != nil {
			t.Fatal(err)
		}
		for i, f := range std {
			if got := (newFlow(f.SrcApp, f.DestApp, f.VPCID, uint64(f.BytesTx), uint64(f.BytesRx), flow.Hour(f.Hour))); got != flows[i] {
				t.Fatalf("encoding/json reads %+v, not %+v", got, flows[i])
			}
		}
	})
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
