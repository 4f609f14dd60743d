package flow

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzRecord reads anything as a record: an error, or a head and flows that are written again as a
// record of the same, which from then on stays the same bytes.
func FuzzRecord(f *testing.F) {
	flows := batchOf([]Flow{okFlow, {"a", "foo", "é", MaxBytes, 0, MaxHour}, {"b", "b", "a name of more than thirty-two bytes", 255, 256, 0}, okFlow}).AppendFlows(nil)
	f.Add(AppendRecord(nil, &RecordHead{UnixMilli: 1, Flows: flows}))
	f.Add(AppendRecord(nil, &RecordHead{UnixMilli: 1_700_000_000_000, Origin: Origin{Client: "client", Key: "key"}, Flows: flows}))
	f.Add(AppendRecord(nil, &RecordHead{UnixMilli: -1, Origin: Origin{Client: "client", Agent: "agent", Seq: 7}, Folded: true, Print: 8, Flows: flows}))
	f.Add(AppendRecord(nil, &RecordHead{Flows: new(Batch).AppendFlows(nil)}))
	f.Fuzz(func(t *testing.T, record []byte) {
		head, err := ReadRecord(record)
		if err != nil {
			var bad *RecordError
			var other *RecordVersionError
			if !errors.As(err, &bad) && !errors.As(err, &other) || bad != nil && bad.Offset > len(record) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		if again := AppendRecord(nil, &head); string(again) != string(record) {
			t.Fatalf("%x was read, and is written as %x", record, again)
		}
		var b Batch
		if err := b.ReadFlows(head.Flows); err != nil {
			var bad *RecordError
			if !errors.As(err, &bad) || bad.Offset > len(head.Flows) || b.Len() != 0 {
				t.Fatalf("%T: %v, and %d flows", err, err, b.Len())
			}
			return
		}
		first := b.AppendFlows(nil)
		var back Batch
		if err := back.ReadFlows(first); err != nil {
			t.Fatalf("%x cannot be read: %v", first, err)
		}
		if diff := cmp.Diff(flowsOf(&b), flowsOf(&back)); diff != "" {
			t.Fatal(diff)
		}
		if second := back.AppendFlows(nil); string(first) != string(second) {
			t.Fatalf("%x becomes %x", first, second)
		}
		var array Batch
		if err := array.Decode(jsonOf(&b), JSON, b.Len()); err != nil {
			t.Fatalf("the record has flows that no request can have: %v", err)
		}
		if string(array.Keys) != string(b.Keys) || !cmp.Equal(array.Items, b.Items) {
			t.Fatalf("decoded, the keys are %q and the items %v, not %q and %v", array.Keys, array.Items, b.Keys, b.Items)
		}
	})
}

// jsonOf is b as the body of a request.
func jsonOf(b *Batch) []byte {
	body := []byte("[")
	for i, f := range flowsOf(b) {
		if i > 0 {
			body = append(body, ',')
		}
		body = f.AppendJSON(body)
	}
	return append(body, ']')
}
