package flow

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// recorded are flows with names of any legal kind, many of them more than once, and any numbers.
func recorded(t *rapid.T) []Flow {
	one := rapid.Custom(func(t *rapid.T) string {
		s := rapid.StringOfN(rapid.RuneFrom([]rune(`"\/azAZ09 <>é€😀`)), 1, 64, MaxName).Draw(t, "text")
		return strings.Repeat(s, rapid.IntRange(1, min(MaxName/len(s), rapid.SampledFrom([]int{1, 1, 1, 1000}).Draw(t, "most"))).Draw(t, "times"))
	})
	names := rapid.SampledFrom(rapid.SliceOfN(one, 1, 12).Draw(t, "names"))
	number := rapid.OneOf(rapid.Uint64Range(0, MaxBytes), rapid.Uint64Range(0, 70_000), rapid.SampledFrom([]uint64{0, 255, 256, 1<<56 - 1, 1 << 56, MaxBytes}))
	hour := rapid.OneOf(rapid.Uint32Range(0, MaxHour), rapid.Uint32Range(480_000, 480_300), rapid.SampledFrom([]uint32{0, 1, MaxHour}))
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Flow {
		return Flow{
			names.Draw(t, "src"), names.Draw(t, "dest"), names.Draw(t, "vpc"),
			number.Draw(t, "tx"), number.Draw(t, "rx"), Hour(hour.Draw(t, "hour")),
		}
	}), 0, 50).Draw(t, "flows")
}

// okFlow is a flow as agents send it.
var okFlow = Flow{"foo", "bar", "vpc-0", 100, 300, 1}

// flowsOf turns a batch back into flows.
func flowsOf(b *Batch) (flows []Flow) {
	for i := range b.Items {
		it := &b.Items[i]
		src, dest, vpc := b.Key(it).Names()
		flows = append(flows, Flow{string(src), string(dest), string(vpc), it.Totals.BytesTx, it.Totals.BytesRx, it.Hour})
	}
	return flows
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

// batchOf is a batch with flows.
func batchOf(flows []Flow) *Batch {
	var b Batch
	for i := range flows {
		b.Add(&flows[i])
	}
	return &b
}

// TestFlowsInARecord writes flows and reads them back behind others that were there: their keys
// are those that AppendKey makes, in slots as those of Decode, and the bytes are always the same.
func TestFlowsInARecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first, second := recorded(t), recorded(t)
		prefix := []byte("before")
		written := batchOf(second).AppendFlows(prefix)
		if string(written[:len(prefix)]) != string(prefix) {
			t.Fatal("what was there before was overwritten")
		}
		written = written[len(prefix):len(written):len(written)]
		b := batchOf(first)
		if err := b.ReadFlows(written); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(append(first, second...), flowsOf(b), cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
		for i := range b.Items {
			checkSlot(t, b, &b.Items[i])
			if f := flowsOf(b)[i]; string(f.Key()) != string(b.Key(&b.Items[i])) {
				t.Fatalf("flow %d has the key %q, not %q", i, b.Key(&b.Items[i]), f.Key())
			}
		}
		var again Batch
		if err := again.ReadFlows(written); err != nil {
			t.Fatal(err)
		}
		if got := again.AppendFlows(nil); string(got) != string(written) || Fingerprint(got) != Fingerprint(written) {
			t.Fatalf("%x was read, and is written as %x", written, got)
		}
	})
}

// TestNoNameIsWrittenTwice has many flows of few names, of all lengths.
func TestNoNameIsWrittenTwice(t *testing.T) {
	var b Batch
	var names []string
	for n := 1; n <= MaxName; n++ {
		names = append(names, strings.Repeat("n", n), strings.Repeat("m", n-1)+"n")
	}
	for i := range 5000 {
		b.Add(&Flow{names[i%len(names)], names[i*7%len(names)], names[i*31%len(names)], uint64(i), 0, Hour(i % 3)})
	}
	written := b.AppendFlows(nil)
	// A name of one byte is in both halves of the list.
	_, size := binary.Uvarint(written)
	if got, _ := binary.Uvarint(written[size:]); int(got) != len(names)-1 {
		t.Errorf("%d names are written, of %d", got, len(names)-1)
	}
	var back Batch
	if err := back.ReadFlows(written); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(flowsOf(&b), flowsOf(&back)); diff != "" {
		t.Error(diff)
	}
}

// TestManyNames needs each width of the numbers of names, and tables that grow.
func TestManyNames(t *testing.T) {
	for _, names := range []int{3, 255, 256, 257, 65_535, 65_536, 65_537} {
		var b, back Batch
		name := func(i int) string {
			i = min(i, names-1)
			return strings.Repeat("in a network with a number ", i%7/6) + strconv.Itoa(i)
		}
		for i := 0; i < names; i += 3 {
			b.Add(&Flow{name(i), name(i + 1), name(i + 2), 1, 2, 3})
		}
		written := b.AppendFlows(nil)
		if n := len(b.scratch.names.names); n != names {
			t.Fatalf("%d names are written, not %d", n, names)
		}
		if err := back.ReadFlows(written); err != nil {
			t.Fatalf("%d names: %v", names, err)
		}
		for i := range b.Items {
			if string(b.Key(&b.Items[i])) != string(back.Key(&back.Items[i])) {
				t.Fatalf("%d names: flow %d has the key %q, not %q", names, i, back.Key(&back.Items[i]), b.Key(&b.Items[i]))
			}
		}
		if b.Size() < names*8 {
			t.Errorf("a batch that wrote %d names says that it keeps %d bytes", names, b.Size())
		}
	}
}

// TestNamesNearTheEnd has the last name of a record at each distance from its end.
func TestNamesNearTheEnd(t *testing.T) {
	for n := 1; n <= 2*nameBlock; n++ {
		for bits := range 63 {
			f := Flow{"a", "bc", strings.Repeat("v", n), 1 << bits, 0, 0}
			written := batchOf([]Flow{f}).AppendFlows(nil)
			var b Batch
			if err := b.ReadFlows(written[:len(written):len(written)]); err != nil {
				t.Fatalf("%+v: %v", f, err)
			}
			if diff := cmp.Diff([]Flow{f}, flowsOf(&b)); diff != "" {
				t.Fatal(diff)
			}
		}
	}
}

// TestFormOfFlows holds the bytes to their drawing: they are on disks.
func TestFormOfFlows(t *testing.T) {
	b := batchOf([]Flow{{"a", "bc", "v", 0, 256, 5}, {"bc", "a", "v", MaxBytes, 1, 5}, {"bc", "d", "v", 7, 7, 4}, {"d", "d", "d", 0, 0, MaxHour}})
	const want = "04" + "04" + "0061" + "016263" + "0076" + "0064" +
		"48" + "000102" + "0a" + "00" + "0001" +
		"07" + "010002" + "ffffffffffffff7f" + "01" +
		"40" + "010302" + "01" + "07" + "07" +
		"c0" + "030303" + "f6ffffff" + "00" + "00"
	if got := hex.EncodeToString(b.AppendFlows(nil)); got != want {
		t.Errorf("%s, not\n%s", got, want)
	}
	if got, want := Fingerprint(b.AppendFlows(nil)), uint64(0x5b829aa8a93d1245); got != want {
		t.Errorf("the fingerprint is %#x, not %#x", got, want)
	}
}

func TestReadFlowsRefuses(t *testing.T) {
	flow := func(s string) string { return "01" + "03" + "0061" + "0062" + "0063" + s }
	for _, tt := range []struct {
		name, hex string
		offset    int
		what      string
	}{
		{"nothing", "", 0, "number of flows"},
		{"no names", "01", 1, "number of names"},
		{"a number of flows that does not end", "ffffff", 0, "number of flows"},
		{"a number of flows in more bytes than needed", "8000", 0, "number of flows"},
		{"more flows than there can be", "0203" + "0061" + "0062" + "0063" + "00", 2, "2 flows in 7 bytes"},
		{"a huge number of flows", "ffffffffffffffffff01" + "03", 11, "flows in 0 bytes"},
		{"more names than there can be", "0104" + "0061" + "0062" + "0063", 2, "4 names of 1 flows"},
		{"names without flows", "0001" + "0061", 2, "1 names of 0 flows"},
		{"an end before a name", "0103" + "0061" + "0062" + "6364", 8, "ends within name 2 of 3"},
		{"a control character", "0103" + "0001" + "0062" + "0063" + "00000102" + "0000", 3, "name 0 has the control character U+0001"},
		{"a name that is not UTF-8", "0103" + "0061" + "01c3ff" + "0063" + "00000102" + "0000", 5, "name 1 is not valid UTF-8"},
		{"no such name", flow("00" + "000103" + "0000"), 8, "cannot be"},
		{"an hour before 0", flow("40" + "000102" + "01" + "0000"), 8, "cannot be"},
		{"an hour over the limit", flow("c0" + "000102" + "ffffffff" + "0000"), 8, "cannot be"},
		{"bytes_tx over the limit", flow("07" + "000102" + "0000000000000080" + "00"), 8, "cannot be"},
		{"bytes_rx over the limit", flow("38" + "000102" + "00" + "0000000000000080"), 8, "cannot be"},
		{"an end within a flow", flow("38" + "000102" + "00" + "00000000000000"), 20, "ends within flow 1 of 1"},
		{"something behind", flow("00" + "000102" + "0000" + "00"), 14, "1 bytes follow"},
		{"something behind no flows", "000000", 2, "1 bytes follow"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			flows, err := hex.DecodeString(tt.hex)
			if err != nil {
				t.Fatal(err)
			}
			b := batchOf([]Flow{okFlow})
			var bad *RecordError
			if err = b.ReadFlows(flows); !errors.As(err, &bad) || bad.Offset != tt.offset || !strings.Contains(bad.What, tt.what) {
				t.Errorf("%v, not %q at %d", err, tt.what, tt.offset)
			}
			if diff := cmp.Diff([]Flow{okFlow}, flowsOf(b)); diff != "" {
				t.Errorf("the batch changed: %s", diff)
			}
		})
	}
}

// TestCutFlows cuts a batch at each byte.
func TestCutFlows(t *testing.T) {
	var b Batch
	for i := range uint64(30) {
		b.Add(&Flow{strconv.FormatUint(i, 10), "destination", "vpc", i << i, i << (2 * i) & MaxBytes, Hour(480_000 + i*i)})
	}
	written := b.AppendFlows(nil)
	for n := range written {
		var back Batch
		var bad *RecordError
		if err := back.ReadFlows(written[:n]); !errors.As(err, &bad) || bad.Offset > n || back.Len() != 0 {
			t.Fatalf("cut at %d of %d: %v, and %d flows", n, len(written), err, back.Len())
		}
	}
}

func TestRecordHead(t *testing.T) {
	flows := batchOf([]Flow{okFlow}).AppendFlows(nil)
	long := strings.Repeat("~", 128)
	for _, head := range []RecordHead{
		{UnixMilli: 0, Flows: flows},
		{UnixMilli: 1_700_000_000_000, Origin: Origin{Client: "anyone at all\x00"}, Flows: flows},
		{UnixMilli: -1, Origin: Origin{Client: "c", Key: "key"}, Flows: flows},
		{UnixMilli: math.MaxInt64, Origin: Origin{Client: long, Key: long}},
		{UnixMilli: math.MinInt64, Origin: Origin{Agent: long[:MaxAgent], Seq: 1}, Flows: flows},
		{UnixMilli: 1, Origin: Origin{Client: "c", Agent: "a", Seq: math.MaxUint64}, Flows: flows},
		{UnixMilli: 2, Origin: Origin{Client: "c", Agent: "a", Seq: 3}, Folded: true, Print: 0x0123456789abcdef, Flows: flows},
		{UnixMilli: 3, Folded: true, Print: math.MaxUint64},
	} {
		if err := head.Origin.Check(); err != nil {
			t.Fatal(err)
		}
		record := AppendRecord([]byte("x"), &head)[1:]
		got, err := ReadRecord(record)
		if err != nil {
			t.Fatalf("%+v: %v", head, err)
		}
		if len(got.Flows) == 0 {
			got.Flows = nil
		}
		if diff := cmp.Diff(head, got); diff != "" {
			t.Error(diff)
		}
		for n := range len(record) - len(head.Flows) {
			var bad *RecordError
			if _, err := ReadRecord(record[:n]); !errors.As(err, &bad) || bad.Offset > n {
				t.Errorf("%+v cut at %d: %v", head, n, err)
			}
		}
	}
}

func TestReadRecordRefuses(t *testing.T) {
	for _, tt := range []struct{ name, record, what string }{
		{"an unknown kind", "\x01\x03\x00\x00", "kind 3"},
		{"a time in more bytes than needed", "\x01\x00\x80\x00\x00", "time"},
		{"a client too long", "\x01\x00\x00\x81\x01" + strings.Repeat("c", 129), "129 bytes of client"},
		{"a client longer than all", "\x01\x00\x00\x05c", "5 bytes of client"},
		{"an empty key", "\x01\x01\x00\x00\x00", "no name"},
		{"a key too long", "\x01\x01\x00\x00\x81\x01" + strings.Repeat("k", 129), "129 bytes of key"},
		{"a key with a space", "\x01\x01\x00\x00\x03a b", "visible"},
		{"a key that is not ASCII", "\x01\x01\x00\x00\x02\xc3\xa9", "visible"},
		{"an agent too long", "\x01\x02\x00\x00\x41" + strings.Repeat("a", 65) + "\x01", "65 bytes of agent"},
		{"an agent without a sequence", "\x01\x02\x00\x00\x01a\x00", "from 1"},
		{"a sequence without an agent", "\x01\x02\x00\x00\x00\x01", "from 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var bad *RecordError
			if _, err := ReadRecord([]byte(tt.record)); !errors.As(err, &bad) || !strings.Contains(bad.What, tt.what) {
				t.Errorf("%v, not %q", err, tt.what)
			}
		})
	}
	for _, record := range []string{"\x00", "\x03\x00\x00\x00", "\xff"} {
		var other *RecordVersionError
		if _, err := ReadRecord([]byte(record)); !errors.As(err, &other) || *other != (RecordVersionError{record[0], 2}) {
			t.Errorf("%q: %v", record, err)
		}
	}
}

func TestOriginCheck(t *testing.T) {
	for _, o := range []Origin{
		{Client: strings.Repeat("c", MaxClient+1)}, {Key: strings.Repeat("k", MaxIdempotencyKey+1)}, {Agent: strings.Repeat("a", MaxAgent+1), Seq: 1},
		{Key: "k", Agent: "a", Seq: 1}, {Key: "a\x7f"}, {Key: " "}, {Agent: "\n", Seq: 1}, {Agent: "a"}, {Seq: 1},
	} {
		if o.Check() == nil {
			t.Errorf("%+v passes", o)
		}
	}
}
