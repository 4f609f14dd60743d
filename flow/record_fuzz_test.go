package flow_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowd/flow"
	"flowd/flow/flowjson"
)

// FuzzRecord reads anything as a record: an error, or a head and flows that are written again as a
// record of the same, which from then on stays the same bytes.
func FuzzRecord(f *testing.F) {
	var seed flow.Batch
	seed.Add(&flow.Flow{SrcApp: "foo", DestApp: "bar", VPCID: "vpc-0", BytesTx: 100, BytesRx: 300, Hour: 1})
	seed.Add(&flow.Flow{SrcApp: "a", DestApp: "foo", VPCID: "é", BytesTx: flow.MaxBytes, Hour: flow.MaxHour})
	seed.Add(&flow.Flow{SrcApp: "b", DestApp: "b", VPCID: "a name of more than thirty-two bytes", BytesTx: 255, BytesRx: 256})
	seed.Add(&flow.Flow{SrcApp: "foo", DestApp: "bar", VPCID: "vpc-0", BytesTx: 100, BytesRx: 300, Hour: 1})
	flows := seed.AppendFlows(nil)
	f.Add(flow.AppendRecord(nil, &flow.RecordHead{UnixMilli: 1, Flows: flows}))
	f.Add(flow.AppendRecord(nil, &flow.RecordHead{UnixMilli: 1_700_000_000_000, Origin: flow.Origin{Client: "client", Key: "key"}, Flows: flows}))
	f.Add(flow.AppendRecord(nil, &flow.RecordHead{UnixMilli: -1, Origin: flow.Origin{Client: "client", Agent: "agent", Seq: 7}, Folded: true, Print: 8, Flows: flows}))
	f.Add(flow.AppendRecord(nil, &flow.RecordHead{Flows: new(flow.Batch).AppendFlows(nil)}))
	f.Fuzz(func(t *testing.T, record []byte) {
		head, err := flow.ReadRecord(record)
		if err != nil {
			var bad *flow.RecordError
			var other *flow.RecordVersionError
			if !errors.As(err, &bad) && !errors.As(err, &other) || bad != nil && bad.Offset > len(record) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		if again := flow.AppendRecord(nil, &head); string(again) != string(record) {
			t.Fatalf("%x was read, and is written as %x", record, again)
		}
		var b flow.Batch
		if err := b.ReadFlows(head.Flows); err != nil {
			var bad *flow.RecordError
			if !errors.As(err, &bad) || bad.Offset > len(head.Flows) || b.Len() != 0 {
				t.Fatalf("%T: %v, and %d flows", err, err, b.Len())
			}
			return
		}
		first := b.AppendFlows(nil)
		var back flow.Batch
		if err := back.ReadFlows(first); err != nil {
			t.Fatalf("%x cannot be read: %v", first, err)
		}
		if string(back.Keys) != string(b.Keys) || !cmp.Equal(back.Items, b.Items) {
			t.Fatalf("read again, the keys are %q and the items %v, not %q and %v", back.Keys, back.Items, b.Keys, b.Items)
		}
		if second := back.AppendFlows(nil); string(first) != string(second) {
			t.Fatalf("%x becomes %x", first, second)
		}
		var array flow.Batch
		if err := flowjson.Decode(&array, jsonOf(&b), flowjson.JSON, b.Len()); err != nil {
			t.Fatalf("the record has flows that no request can have: %v", err)
		}
		if string(array.Keys) != string(b.Keys) || !cmp.Equal(array.Items, b.Items) {
			t.Fatalf("decoded, the keys are %q and the items %v, not %q and %v", array.Keys, array.Items, b.Keys, b.Items)
		}
	})
}

// jsonOf is b as the body of a request.
func jsonOf(b *flow.Batch) []byte {
	body := []byte("[")
	for i := range b.Items {
		if i > 0 {
			body = append(body, ',')
		}
		it := &b.Items[i]
		body = flowjson.AppendRow(body, &flow.Row{Key: b.Key(it), Totals: it.Totals, Hour: it.Hour})
	}
	return append(body, ']')
}
