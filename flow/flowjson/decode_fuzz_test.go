package flowjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"flowd/flow"
)

// FuzzDecode holds the decoder to encoding/json: what it accepts, encoding/json accepts with the
// same values; what it refuses, encoding/json refuses too, or one of the rules in stricter says
// why; and no rule applies to what it accepts.
func FuzzDecode(f *testing.F) {
	for _, seed := range fuzzSeeds() {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var b flow.Batch
		err := Decode(&b, body, JSON, 1000)
		var many *TooManyFlowsError
		if errors.As(err, &many) {
			return
		}
		ref, refErr := refDecode(body)
		var why []string
		if refErr == nil {
			for _, rule := range stricter {
				if rule.applies(ref) {
					why = append(why, rule.name)
				}
			}
		}
		switch {
		case err == nil && refErr != nil:
			t.Fatalf("taken, but encoding/json says: %v", refErr)
		case err == nil && why != nil:
			t.Fatalf("taken in spite of: %q", why)
		case err != nil && refErr == nil && why == nil && utf8.Valid(body):
			t.Fatalf("refused, but encoding/json takes it and no rule is stricter: %v", err)
		case err != nil:
			checkErrors(t, err)
			return
		}
		if diff := cmp.Diff(ref.values(), flowsOf(&b)); diff != "" {
			t.Fatal(diff)
		}
	})
}

// FuzzDecodeLines holds NDJSON to JSON: lines that hold flows are the array of those flows.
func FuzzDecodeLines(f *testing.F) {
	for _, seed := range fuzzSeeds() {
		f.Add([]byte(strings.Trim(seed, "[]")))
		f.Add([]byte(strings.ReplaceAll(strings.Trim(seed, "[]"), "},{", "}\n{")))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var lines, array flow.Batch
		linesErr := Decode(&lines, body, NDJSON, 1000)
		var parts [][]byte
		for line := range bytes.SplitSeq(body, []byte("\n")) {
			if line = bytes.Trim(line, " \t\r"); len(line) > 0 {
				parts = append(parts, line)
			}
		}
		joined := append(append([]byte("["), bytes.Join(parts, []byte(","))...), ']')
		arrayErr := Decode(&array, joined, JSON, 1000)
		if linesErr == nil {
			if arrayErr != nil {
				t.Fatalf("taken as lines, but as an array: %v", arrayErr)
			}
			if diff := cmp.Diff(flowsOf(&array), flowsOf(&lines)); diff != "" {
				t.Fatal(diff)
			}
			return
		}
		var many *TooManyFlowsError
		if !errors.As(linesErr, &many) {
			checkErrors(t, linesErr)
		}
		// Two flows that a comma joins on one line are an array's elements, but not a line.
		if arrayErr == nil && array.Len() == len(parts) {
			t.Fatalf("taken as an array, but as lines: %v", linesErr)
		}
	})
}

func fuzzSeeds() []string {
	seeds := []string{
		"[]", "[" + ok + "]", "[" + ok + "," + ok + "]", " [ " + strings.ReplaceAll(ok, ",", " , ") + " ] ",
		`[{"hour":1,"bytes_rx":300,"bytes_tx":100,"vpc_id":"v","dest_app":"b","src_app":"\ud83d\ude00"}]`,
		"[" + with(`{`, `{"a":null,"b":[1,{"c":[]},"\u0000"],"":-1.5e+3,"d":{},`) + "]",
		"[" + with("foo", `\ud800`) + "]", "[" + with("foo", "é") + "]", "[" + with("foo", "\xff") + "]",
		"[" + with(`}`, `,"a":1,"a":2}`) + "]", "[" + with(`}`, `,"HOUR":1}`) + "]", "[null,1,{}]", "null",
		"[" + with(":100", ":-0") + "]", "[" + with(":100", ":1e2") + "]", "[" + with(":100", ":1234567890123456789") + "]",
		"[" + with(`}`, `,"a":`+strings.Repeat("[", 63)+strings.Repeat("]", 63)+`}`) + "]",
	}
	return seeds
}

// checkErrors holds a refusal to its documentation.
func checkErrors(t *testing.T, err error) {
	var bad *DecodeError
	if !errors.As(err, &bad) {
		t.Fatalf("%T is not documented", err)
	}
	if n := len(bad.Fields); n == 0 || n > flow.MaxFieldErrors || n < flow.MaxFieldErrors && bad.Omitted > 0 {
		t.Fatalf("%d errors, and %d omitted", n, bad.Omitted)
	}
	for _, e := range bad.Fields {
		if e.Pointer != "" && e.Pointer[0] != '/' || e.Detail == "" || !utf8.ValidString(e.Pointer+e.Detail) {
			t.Fatalf("bad error: %q", e)
		}
	}
}

// refBody is what encoding/json makes of a body. Members are looked up by their exact names,
// which is not what encoding/json does with structs: it folds their case.
type refBody []refFlow

type refFlow struct {
	raw     json.RawMessage
	members map[string]json.RawMessage
	names   [3]*string
	numbers [2]*int64
	hour    *int32
}

func refDecode(body []byte) (refBody, error) {
	var raws []json.RawMessage
	if err := json.Unmarshal(body, &raws); err != nil {
		return nil, err
	}
	if raws == nil { // null, which encoding/json takes for an empty array
		return refBody{{raw: body}}, nil
	}
	ref := make(refBody, len(raws))
	for i, raw := range raws {
		f := &ref[i]
		f.raw = raw
		if err := json.Unmarshal(raw, &f.members); err != nil {
			return nil, err
		}
		for name, into := range map[string]any{
			"src_app": &f.names[0], "dest_app": &f.names[1], "vpc_id": &f.names[2],
			"bytes_tx": &f.numbers[0], "bytes_rx": &f.numbers[1], "hour": &f.hour,
		} {
			if value, there := f.members[name]; there {
				if err := json.Unmarshal(value, into); err != nil {
					return nil, fmt.Errorf("%s: %w", name, err)
				}
			}
		}
	}
	return ref, nil
}

// values are the flows of a body to which no stricter rule applies.
func (ref refBody) values() (flows []flow.Flow) {
	for _, f := range ref {
		flows = append(flows, newFlow(*f.names[0], *f.names[1], *f.names[2], uint64(*f.numbers[0]), uint64(*f.numbers[1]), flow.Hour(*f.hour)))
	}
	return flows
}

// stricter are the rules of the contract that refuse what encoding/json takes.
var stricter = []struct {
	name    string
	applies func(refBody) bool
}{
	{"a member is missing or null, or the flow is", anyFlow(func(f refFlow) bool {
		return f.names[0] == nil || f.names[1] == nil || f.names[2] == nil || f.numbers[0] == nil || f.numbers[1] == nil || f.hour == nil
	})},
	{"a number is negative", anyFlow(func(f refFlow) bool {
		return f.numbers[0] != nil && *f.numbers[0] < 0 || f.numbers[1] != nil && *f.numbers[1] < 0 || f.hour != nil && *f.hour < 0
	})},
	{"a number is minus zero", anyFlow(func(f refFlow) bool {
		return minus(f.members["bytes_tx"]) || minus(f.members["bytes_rx"]) || minus(f.members["hour"])
	})},
	{"a name is empty or longer than 256 bytes", anyName(func(name string, _ []byte) bool {
		return len(name) == 0 || len(name) > flow.MaxName
	})},
	{"a name has a control character", anyName(func(name string, _ []byte) bool {
		return strings.ContainsFunc(name, unicode.IsControl)
	})},
	{"a name is not UTF-8, which encoding/json mends", anyName(func(_ string, raw []byte) bool {
		return !utf8.Valid(raw)
	})},
	{"a name has half of a surrogate pair, which encoding/json mends", anyName(func(name string, raw []byte) bool {
		return strings.Count(name, "\uFFFD") > strings.Count(string(raw), "\uFFFD")+strings.Count(strings.ToLower(string(raw)), `\ufffd`)
	})},
	{"a member stands more than once", anyFlow(func(f refFlow) bool { return twice(f.raw) })},
	{"arrays and objects stand more than 64 deep in each other", anyFlow(func(f refFlow) bool { return depth(f.raw) > maxDepth-1 })},
}

func anyFlow(applies func(refFlow) bool) func(refBody) bool {
	return func(ref refBody) bool {
		for _, f := range ref {
			if applies(f) {
				return true
			}
		}
		return false
	}
}

func anyName(applies func(name string, raw []byte) bool) func(refBody) bool {
	return anyFlow(func(f refFlow) bool {
		for i, member := range []string{"src_app", "dest_app", "vpc_id"} {
			if f.names[i] != nil && applies(*f.names[i], f.members[member]) {
				return true
			}
		}
		return false
	})
}

func minus(number json.RawMessage) bool { return len(number) > 0 && number[0] == '-' }

// twice reports whether a member of the object raw stands in it more than once. Of names that are
// not UTF-8 nothing can be said, because encoding/json mends them, and so makes them the same.
func twice(raw json.RawMessage) bool {
	if !utf8.Valid(raw) {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if brace, err := d.Token(); err != nil || brace != json.Delim('{') {
		return false
	}
	seen := map[string]bool{}
	for d.More() {
		name, err := d.Token()
		if err != nil || seen[name.(string)] {
			return err == nil
		}
		seen[name.(string)] = true
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return false
		}
	}
	return false
}

// depth returns how deep arrays and objects stand in each other in raw.
func depth(raw json.RawMessage) (most int) {
	d := json.NewDecoder(bytes.NewReader(raw))
	for now := 0; ; {
		token, err := d.Token()
		if err == io.EOF {
			return most
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			now++
			most = max(most, now)
		case json.Delim('}'), json.Delim(']'):
			now--
		}
	}
}
