package flowjson

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowd/flow"
)

// ok is a flow in the usual shape.
const ok = `{"src_app":"foo","dest_app":"bar","vpc_id":"vpc-0","bytes_tx":100,"bytes_rx":300,"hour":1}`

// with returns ok with one of its parts replaced.
func with(old, new string) string { return strings.Replace(ok, old, new, 1) }

var okFlow = newFlow("foo", "bar", "vpc-0", 100, 300, 1)

// newFlow returns a flow of these values.
func newFlow(src, dest, vpc string, tx, rx uint64, hour flow.Hour) flow.Flow {
	return flow.Flow{SrcApp: src, DestApp: dest, VPCID: vpc, BytesTx: tx, BytesRx: rx, Hour: hour}
}

// flowsOf turns a batch back into flows.
func flowsOf(b *flow.Batch) (flows []flow.Flow) {
	for i := range b.Items {
		it := &b.Items[i]
		src, dest, vpc := b.Key(it).Names()
		flows = append(flows, newFlow(string(src), string(dest), string(vpc), it.Totals.BytesTx, it.Totals.BytesRx, it.Hour))
	}
	return flows
}

func TestDecodeTakes(t *testing.T) {
	named := func(name string) []flow.Flow { f := okFlow; f.SrcApp = name; return []flow.Flow{f} }
	long := strings.Repeat("x", flow.MaxName)
	one := []flow.Flow{okFlow}
	for _, tt := range []struct {
		name, body string
		want       []flow.Flow
	}{
		{"usual", "[" + ok + "]", one},
		{"two", "[" + ok + "," + ok + "]", []flow.Flow{okFlow, okFlow}},
		{"empty array", "[]", nil},
		{"white space around", " \t\r\n[ \n" + ok + "\r , \t" + ok + " ]\n ", []flow.Flow{okFlow, okFlow}},
		{"empty array with white space", "\n[ ]\n", nil},
		{"spaces as Python writes them", "[" + strings.NewReplacer(":", ": ", ",", ", ").Replace(ok) + "]", one},
		{"white space inside", "[" + strings.NewReplacer(":", "\t: \n", ",", " , ", "{", "{\n", "}", "\r}").Replace(ok) + "]", one},
		{"another order", `[{"hour":1,"bytes_rx":300,"bytes_tx":100,"vpc_id":"vpc-0","dest_app":"bar","src_app":"foo"}]`, one},
		{"unknown members", `[` + with(`{`, `{"a":null,"b":[1,{"c":[]},"\u0000"],"":-1.5e+3,"d":{},`) + `]`, one},
		{"many unknown members", `[` + with(`{`, `{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,`) + `]`, one},
		{"names in other case are unknown", "[" + with(`{`, `{"SRC_APP":"x","Hour":null,`) + "]", one},
		{"a name written with escapes", "[" + with(`src_app`, `src\u005fapp`) + "]", one},
		{"escapes", "[" + with(`foo`, `\"\\\/\u00e9\ud83d\ude00`) + "]", named("\"\\/é😀")},
		{"UTF-8", "[" + with(`foo`, "é😀") + "]", named("é😀")},
		{"a long name", "[" + with(`foo`, long) + "]", named(long)},
		{"a long name by escapes", "[" + with(`foo`, strings.Repeat(`\u0078`, flow.MaxName)) + "]", named(long)},
		{"a name of one byte", "[" + with(`foo`, "f") + "]", named("f")},
		{"the largest numbers", `[{"src_app":"foo","dest_app":"bar","vpc_id":"vpc-0","bytes_tx":9223372036854775807,"bytes_rx":9223372036854775807,"hour":2147483647}]`,
			[]flow.Flow{newFlow("foo", "bar", "vpc-0", flow.MaxBytes, flow.MaxBytes, flow.MaxHour)}},
		{"zeros", `[{"src_app":"foo","dest_app":"bar","vpc_id":"vpc-0","bytes_tx":0,"bytes_rx":0,"hour":0}]`, []flow.Flow{newFlow("foo", "bar", "vpc-0", 0, 0, 0)}},
		{"depth 64", "[" + with(`{`, `{"a":`+strings.Repeat("[", 62)+strings.Repeat("]", 62)+",") + "]", one},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b flow.Batch
			if err := Decode(&b, []byte(tt.body), JSON, 100); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, flowsOf(&b)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodeNumbers(t *testing.T) {
	for digits := 1; digits <= 19; digits++ {
		for _, v := range []string{"1234567890123456789"[:digits], "9000000000000000000"[:digits], "1" + strings.Repeat("0", digits-1)} {
			for _, sep := range []string{":", ": ", ":\n"} { // the last is not usual
				var b flow.Batch
				if err := Decode(&b, []byte("["+with(`:100`, sep+v)+"]"), JSON, 1); err != nil {
					t.Fatalf("%s: %v", v, err)
				}
				if got := fmt.Sprint(b.Items[0].Totals.BytesTx); got != v {
					t.Errorf("%s became %s", v, got)
				}
			}
		}
	}
}

func TestDecodeLines(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		want       int
	}{
		{"nothing", "", 0},
		{"one line", ok, 1},
		{"a line feed at the end", ok + "\n", 1},
		{"two lines", ok + "\n" + ok, 2},
		{"carriage returns", ok + "\r\n" + ok + "\r\n", 2},
		{"empty lines", "\n\r\n" + ok + "\n  \t\n\n" + ok + "\n\n", 2},
		{"white space around", "  " + ok + " \t\n" + ok + " ", 2},
		{"another shape", with(":", " :") + "\n" + ok, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b flow.Batch
			if err := Decode(&b, []byte(tt.body), NDJSON, 100); err != nil {
				t.Fatal(err)
			}
			for _, f := range flowsOf(&b) {
				if f != okFlow {
					t.Errorf("%+v", f)
				}
			}
			if b.Len() != tt.want {
				t.Errorf("%d flows, not %d", b.Len(), tt.want)
			}
		})
	}
}

// TestDecodeRefuses has, for each thing that can be wrong, the pointers that must be named, and
// a word of the detail of the first.
func TestDecodeRefuses(t *testing.T) {
	deep := strings.Repeat("[", 63) + strings.Repeat("]", 63)
	for _, tt := range []struct{ name, body, pointers, detail string }{
		{"nothing", "", "", "empty"},
		{"null", "null", "", "array"},
		{"an object", ok, "", "application/x-ndjson"},
		{"a string", `"x"`, "", "array"},
		{"a byte order mark", "\uFEFF[]", "", "byte 0"},
		{"an open array", "[", "/0", "end of the body"},
		{"no end", "[" + ok, "", "end of the body"},
		{"a trailing comma", "[" + ok + ",]", "/1", "expected"},
		{"a leading comma", "[," + ok + "]", "/0", "expected"},
		{"no comma", "[" + ok + ok + "]", "", "',' or ']'"},
		{"two arrays", "[][]", "", "nothing may follow"},
		{"something after the array", "[" + ok + "] x", "", "nothing may follow"},
		{"NUL", "[\x00]", "/0", `'\x00'`},
		{"NUL in a name", "[" + with("foo", "f\x00o") + "]", "/0", "escaped"},
		{"NUL after the array", "[]\x00", "", "nothing may follow"},
		{"flows that are no objects", `[1,null,"a",[],true,false]`, "/0 /1 /2 /3 /4 /5", "is a number"},
		{"an empty object", "[{}]", "/0/src_app /0/dest_app /0/vpc_id /0/bytes_tx /0/bytes_rx /0/hour", "is missing"},
		{"a missing member", "[" + ok + "," + with(`,"hour":1`, "") + "]", "/1/hour", "is missing"},
		{"a null member", "[" + with(`:1}`, ":null}") + "]", "/0/hour", "is null"},
		{"a null name", "[" + with(`"foo"`, "null") + "]", "/0/src_app", "is null"},
		{"a number as name", "[" + with(`"foo"`, "7") + "]", "/0/src_app", "is a number"},
		{"a string as number", "[" + with(`:100`, `:"100"`) + "]", "/0/bytes_tx", "is a string"},
		{"an array as number", "[" + with(`:100`, `:[100]`) + "]", "/0/bytes_tx", "is an array"},
		{"negative", "[" + with(`:100`, `:-100`) + "]", "/0/bytes_tx", "negative"},
		{"minus zero", "[" + with(`:100`, `:-0`) + "]", "/0/bytes_tx", "negative"},
		{"a fraction", "[" + with(`:100`, `:100.0`) + "]", "/0/bytes_tx", "fraction"},
		{"an exponent", "[" + with(`:100`, `:1e2`) + "]", "/0/bytes_tx", "exponent"},
		{"a large exponent", "[" + with(`:100`, `:1E+2`) + "]", "/0/bytes_tx", "exponent"},
		{"bytes over the top", "[" + with(`:100`, `:9223372036854775808`) + "]", "/0/bytes_tx", "too large"},
		{"bytes over 64 bits", "[" + with(`:100`, `:18446744073709551616`) + "]", "/0/bytes_tx", "too large"},
		{"a huge number", "[" + with(`:100`, ":1"+strings.Repeat("0", 5000)) + "]", "/0/bytes_tx", "too large"},
		{"an hour over the top", "[" + with(`:1}`, `:2147483648}`) + "]", "/0/hour", "too large"},
		{"a leading zero", "[" + with(`:100`, `:0100`) + "]", "/0", "zero"},
		{"a zero twice", "[" + with(`:100`, `:00`) + "]", "/0", "zero"},
		{"a plus", "[" + with(`:100`, `:+100`) + "]", "/0", "value is expected"},
		{"only a minus", "[" + with(`:100`, `:-`) + "]", "/0", "digit"},
		{"no digit after the point", "[" + with(`:100`, `:1.`) + "]", "/0", "point"},
		{"no digit in the exponent", "[" + with(`:100`, `:1e+`) + "]", "/0", "exponent"},
		{"NaN", "[" + with(`:100`, `:NaN`) + "]", "/0", "value is expected"},
		{"an empty name", "[" + with(`foo`, ``) + "]", "/0/src_app", "empty"},
		{"a name of 257 bytes", "[" + with(`foo`, strings.Repeat("x", 257)) + "]", "/0/src_app", "257 bytes"},
		{"a name too long by UTF-8", "[" + with(`foo`, strings.Repeat("é", 129)) + "]", "/0/src_app", "258 bytes"},
		{"a line feed by escape", "[" + with(`foo`, `a\nb`) + "]", "/0/src_app", "U+000A"},
		{"NUL by escape", "[" + with(`foo`, `\u0000`) + "]", "/0/src_app", "U+0000"},
		{"DEL", "[" + with(`foo`, "a\x7f") + "]", "/0/src_app", "U+007F"},
		{"a C1 control", "[" + with(`foo`, "a\u0085") + "]", "/0/src_app", "U+0085"},
		{"not UTF-8", "[" + with(`foo`, "a\xff") + "]", "/0/src_app", "UTF-8"},
		{"UTF-8 cut short", "[" + with(`foo`, "a\xe2\x82") + "]", "/0/src_app", "UTF-8"},
		{"a surrogate as UTF-8", "[" + with(`foo`, "\xed\xa0\x80") + "]", "/0/src_app", "UTF-8"},
		{"a high surrogate alone", "[" + with(`foo`, `\ud800`) + "]", "/0/src_app", "surrogate"},
		{"a low surrogate alone", "[" + with(`foo`, `\udc00x`) + "]", "/0/src_app", "surrogate"},
		{"surrogates in the wrong order", "[" + with(`foo`, `\ude00\ud83d`) + "]", "/0/src_app", "surrogate"},
		{"twice", "[" + with(`}`, `,"hour":1}`) + "]", "/0/hour", "more than once"},
		{"twice by escape", "[" + with(`}`, `,"hou\u0072":1}`) + "]", "/0/hour", "more than once"},
		{"an unknown member twice", "[" + with(`}`, `,"a/b~":1,"a/b~":1}`) + "]", "/0/a~1b~0", "more than once"},
		{"an unknown member twice, of many", "[" + with(`}`, `,"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"b":1,"f":1}`) + "]", "/0/b /0/f", "more than once"},
		{"too deep", "[" + with(`}`, `,"a":`+deep+`}`) + "]", "/0", "64 deep"},
		{"an open string", `[{"src_app":"foo`, "/0", "does not end"},
		{"an open escape", `[{"src_app":"foo\`, "/0", "escape"},
		{"a wrong escape", "[" + with(`foo`, `\x41`) + "]", "/0", "escape"},
		{"half an escape", "[" + with(`foo`, `\u00e`) + "]", "/0", "escape"},
		{"a raw line feed", "[" + with(`foo`, "a\nb") + "]", "/0", "escaped"},
		{"a raw line feed in a word", "[" + with(`foo`, "abcdefgh\n") + "]", "/0", "escaped"},
		{"single quotes", "[" + strings.ReplaceAll(ok, `"`, `'`) + "]", "/0", "double quotes"},
		{"a name without quotes", "[" + with(`"src_app"`, `src_app`) + "]", "/0", "double quotes"},
		{"no colon", "[" + with(`:`, ` `) + "]", "/0", "':'"},
		{"no comma between members", "[" + with(`,`, ` `) + "]", "/0", "',' or '}'"},
		{"a trailing comma in a flow", "[" + with(`}`, `,}`) + "]", "/0", "double quotes"},
		{"a flow that does not end", "[" + with(`}`, ``) + "]", "/0", "',' or '}'"},
		{"wrong brackets", "[" + with(`}`, `,"a":[1}}`) + "]", "/0", "',' or ']'"},
		{"wrong braces", "[" + with(`}`, `,"a":{"b":1]}`) + "]", "/0", "',' or '}'"},
		{"a comment", "[/**/" + ok + "]", "/0", "expected"},
		{"a bad literal", "[" + with(`}`, `,"a":nul}`) + "]", "/0", "value"},
		{"all that is wrong", `[{"src_app":1,"dest_app":"","vpc_id":"a","bytes_tx":-1,"bytes_rx":1.5,"hour":"x"}]`,
			"/0/src_app /0/dest_app /0/bytes_tx /0/bytes_rx /0/hour", "is a number"},
		{"what is wrong before the end of JSON", `[1,{},` + ok + `,x]`, "/0 /1/src_app /1/dest_app /1/vpc_id /1/bytes_tx /1/bytes_rx /1/hour /3", "is a number"},
	} {
		t.Run(tt.name, func(t *testing.T) { refuses(t, tt.body, JSON, tt.pointers, tt.detail) })
	}
}

func TestDecodeRefusesLines(t *testing.T) {
	for _, tt := range []struct{ name, body, pointers, detail string }{
		{"an array", "[" + ok + "]", "/0", "is an array"},
		{"two on a line", ok + ok, "/0", "one flow per line"},
		{"two on a line with a comma", ok + "\n" + ok + "," + ok + "\n" + ok, "/1", "one flow per line"},
		{"a flow over two lines", with(",", ",\n"), "/0 /1 /1", "end of the line"},
		{"lines that are no JSON", "x\n" + ok + "\n{\n\n" + ok + "}", "/0 /2 /3", "byte 0"},
		{"a missing member", ok + "\n{}\n", "/1/src_app /1/dest_app /1/vpc_id /1/bytes_tx /1/bytes_rx /1/hour", "missing"},
		{"a string over two lines", "{\"src_app\":\"a\nb\"}", "/0 /1", "does not end"},
	} {
		t.Run(tt.name, func(t *testing.T) { refuses(t, tt.body, NDJSON, tt.pointers, tt.detail) })
	}
}

// refuses checks that body is refused with errors at the pointers, divided by spaces, and that
// the first one's detail contains detail.
func refuses(t *testing.T, body string, format Format, pointers, detail string) {
	t.Helper()
	var b flow.Batch
	err := Decode(&b, []byte(body), format, 100)
	var bad *DecodeError
	if !errors.As(err, &bad) {
		t.Fatalf("%v, not a DecodeError", err)
	}
	var got []string
	for _, f := range bad.Fields {
		got = append(got, f.Pointer)
	}
	if strings.Join(got, " ") != pointers {
		t.Errorf("pointers %q, not %q", strings.Join(got, " "), pointers)
	}
	if !strings.Contains(bad.Fields[0].Detail, detail) {
		t.Errorf("detail %q lacks %q", bad.Fields[0].Detail, detail)
	}
	if b.Len() != 0 {
		t.Errorf("%d flows are left of a body that was refused", b.Len())
	}
}

func TestDecodeCountsErrors(t *testing.T) {
	var b flow.Batch
	var bad *DecodeError
	if err := Decode(&b, []byte("["+strings.Repeat("1,", 49)+"1]"), JSON, 100); !errors.As(err, &bad) {
		t.Fatal(err)
	}
	if len(bad.Fields) != flow.MaxFieldErrors || bad.Omitted != 30 {
		t.Errorf("%d errors and %d omitted, not %d and 30", len(bad.Fields), bad.Omitted, flow.MaxFieldErrors)
	}
	if !strings.Contains(bad.Error(), "and 49 more") {
		t.Errorf("%q does not tell of the 49 others", bad.Error())
	}
}

func TestDecodeLimit(t *testing.T) {
	three := []string{ok, with(":", " :"), ok} // the usual shape and another
	for format, body := range map[Format]string{
		JSON:   "[" + strings.Join(three, ",") + "]",
		NDJSON: strings.Join(three, "\n"),
	} {
		var b flow.Batch
		if err := Decode(&b, []byte(body), format, 3); err != nil || b.Len() != 3 {
			t.Errorf("format %d: three of three: %v, %d flows", format, err, b.Len())
		}
		for limit := range 3 {
			err := Decode(&b, []byte(body), format, limit)
			var many *TooManyFlowsError
			if !errors.As(err, &many) || many.Limit != limit || b.Len() != 0 {
				t.Errorf("format %d: three of %d: %v, %d flows", format, limit, err, b.Len())
			}
		}
	}
}

// TestDecodeIsFreshEachTime makes sure that nothing of an earlier body shows in a later one.
func TestDecodeIsFreshEachTime(t *testing.T) {
	var b flow.Batch
	for _, body := range []string{"[" + strings.Repeat(with("foo", strings.Repeat("y", 99))+",", 9) + ok + "]", "[" + ok + "]", "[1]", "[]", "[" + ok + "]"} {
		_ = Decode(&b, []byte(body), JSON, 100)
	}
	if diff := cmp.Diff([]flow.Flow{okFlow}, flowsOf(&b)); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeMakesNoGarbage(t *testing.T) {
	for _, shape := range shapes {
		body := bodies(shape.format, 1, 100)[0]
		var b flow.Batch
		if n := testing.AllocsPerRun(10, func() {
			if err := Decode(&b, body, JSON, 100); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", shape.name, n)
		}
	}
}
