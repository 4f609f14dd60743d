package flowfile

import (
	"strings"
	"testing"
)

func TestNDJSON(t *testing.T) {
	opts := Options{Format: NDJSON}
	flows := []string{"a>b@v 1/2 3"}
	with := func(old, new string) string { return strings.Replace(flowdLine, old, new, 1) }
	runFileTests(t, []fileTest{
		{name: "one", opts: opts, file: flowdLine, flows: flows},
		{name: "other order, spaces, more fields", opts: opts, file: `{ "hour" : 3, "x":{"hour":[9]}, "vpc_id":"v", "bytes_rx":2,"bytes_tx":1,"dest_app":"b", "src_app":"a" }`, flows: flows},
		{name: "space around", opts: opts, file: " \t" + strings.TrimSpace(flowdLine) + " \n \n", flows: flows},
		{name: "escapes", opts: opts, file: with(`"a"`, `"\u00e9\"\\"`), flows: []string{`é"\>b@v 1/2 3`}},
		{name: "hour zero and the last hour", opts: opts, file: with(":3", ":0") + with(":3", ":2147483647"), flows: []string{"a>b@v 1/2 0", "a>b@v 1/2 2147483647"}},
		{name: "hour too large", opts: opts, file: with(":3", ":2147483648"), skips: []string{`line 1: hour is beyond the last hour that can be counted: "2147483648"`}},
		{name: "hour negative", opts: opts, file: with(":3", ":-1"), skips: []string{`line 1: hour is not an integer from 0 to 2^31-1: "-1"`}},
		{name: "hour missing", opts: opts, file: with(`,"hour":3`, ""), skips: []string{"line 1: hour is not set"}},
		{name: "bytes missing", opts: opts, file: with(`"bytes_tx":1,`, ""), skips: []string{"line 1: bytes_tx is not set"}},
		{name: "bytes null", opts: opts, file: with(`"bytes_tx":1`, `"bytes_tx":null`), skips: []string{"line 1: bytes_tx is not set"}},
		{name: "bytes with a fraction", opts: opts, file: with(`"bytes_tx":1`, `"bytes_tx":1.0`), skips: []string{`line 1: bytes_tx is not an integer from 0 to 2^63-1: "1.0"`}},
		{name: "name missing", opts: opts, file: with(`"src_app":"a",`, ""), skips: []string{"line 1: src_app is not set"}},
		{name: "name empty", opts: opts, file: with(`"a"`, `""`), skips: []string{"line 1: src_app is empty"}},
		{name: "name too long", opts: opts, file: with(`"a"`, `"`+strings.Repeat("n", 257)+`"`), skips: []string{`line 1: src_app is longer than 256 bytes: "` + strings.Repeat("n", maxValue) + `"`}},
		{name: "longest name", opts: opts, file: with(`"a"`, `"`+strings.Repeat("n", 256)+`"`), flows: []string{strings.Repeat("n", 256) + ">b@v 1/2 3"}},
		{name: "name with a control character", opts: opts, file: with(`"a"`, `"a\u0000"`), skips: []string{`line 1: src_app has control characters: "a\x00"`}},
		{name: "name not UTF-8", opts: opts, file: with(`"a"`, "\"\xff\""), skips: []string{`line 1: src_app is not valid UTF-8: "\xff"`}},
		{name: "name is an object", opts: opts, file: with(`"a"`, `{}`), skips: []string{`line 1: src_app is not a string: "{}"`}},
		{name: "VPC missing", opts: opts, file: flowdLine + with(`"vpc_id":"v",`, ""), flows: flows, skips: []string{"line 2: vpc_id is not set"}},
		{name: "VPC given", opts: Options{Format: NDJSON, VPC: "w"}, file: flowdLine + with(`"vpc_id":"v",`, ""), flows: []string{"a>b@v 1/2 3", "a>b@w 1/2 3"}},
		{name: "not JSON", opts: opts, file: "{\n" + flowdLine + "null\n[]\n{}x\n", flows: flows, skips: []string{
			`line 1: the record is not valid JSON: "{"`, `line 3: the record is not a JSON object: "null"`, `line 4: the record is not a JSON object: "[]"`, `line 5: the record is not valid JSON: "{}x"`}},
	})
}

func TestArray(t *testing.T) {
	flows := []string{"a>b@v 1/2 3"}
	two := append(flows, flows...)
	line := strings.TrimSpace(flowdLine)
	brackets := strings.Replace(line, `"a"`, `"]},\"\\"`, 1)
	runFileTests(t, []fileTest{
		{name: "empty", file: "[]"},
		{name: "empty with space", file: " [ \n ] \n"},
		{name: "two", file: "[" + line + "," + line + "]", flows: two},
		{name: "lines", file: "[\n" + line + "\n,\n" + line + "\n]\n", flows: two},
		{name: "brackets in a string", file: "[" + brackets + "," + line + "]", flows: []string{`]},"\>b@v 1/2 3`, "a>b@v 1/2 3"}},
		{name: "bad elements", file: "[1,\n\"x\",[[],{}],null," + line + "]", flows: flows, skips: []string{
			`line 1: the record is not a JSON object: "1"`, `line 2: the record is not a JSON object: "\"x\""`,
			`line 2: the record is not a JSON object: "[[],{}]"`, `line 2: the record is not a JSON object: "null"`}},
		{name: "too many closing brackets", file: "[{}}," + line + "]", flows: flows, skips: []string{`line 1: the record is not valid JSON: "{}}"`}},
		{name: "comma missing", file: "[" + line + line + "," + line + "]", flows: flows, skips: []string{`line 1: the record is not valid JSON: "` + strings.ReplaceAll((line + line)[:maxValue], `"`, `\"`) + `"`}},
		{name: "not closed", file: "[\n" + line + "\n", flows: nil, err: "line 2: the JSON array is not closed: expected ]"},
		{name: "ends after a comma", file: "[" + line + ",\n", flows: flows, err: "line 1: the JSON array is not closed: expected ]"},
		{name: "comma at the end", file: "[" + line + ",\n]", flows: flows, err: "line 2: expected an element of the JSON array before , or ]"},
		{name: "comma at the beginning", file: "[," + line + "]", err: "line 1: expected an element of the JSON array before , or ]"},
		{name: "more behind", file: "[" + line + "]\n" + line, flows: flows, err: "line 2: unexpected data after the end of the JSON array"},
	})
}

func TestCSV(t *testing.T) {
	flows := []string{"a>b@v 1/2 3"}
	const head = "src_app,dest_app,vpc_id,bytes_tx,bytes_rx,hour\n"
	runFileTests(t, []fileTest{
		{name: "one", file: head + "a,b,v,1,2,3\n", flows: flows},
		{name: "other order, more columns", file: "note,hour,bytes_rx,bytes_tx,vpc_id,dest_app,src_app\nx,3,2,1,v,b,a\n", flows: flows},
		{name: "carriage returns, blank lines", file: "src_app,dest_app,vpc_id,bytes_tx,bytes_rx,hour\r\n\r\na,b,v,1,2,3\r\n\r\n", flows: flows},
		{name: "quotes", file: "\"src_app\",dest_app,vpc_id,bytes_tx,bytes_rx,\"hour\"\n\"a,\"\"x\"\"\",\"b\",v,\"1\",2,3\n", flows: []string{`a,"x">b@v 1/2 3`}},
		{name: "quote not closed", file: head + "\"a,b,v,1,2,3\na,b,v,1,2,3\n", flows: flows, skips: []string{`line 2: a cell has no closing quote on its line: "a,b,v,1,2,3"`}},
		{name: "text after a quote", file: head + "\"a\"x,b,v,1,2,3\n", skips: []string{`line 2: a cell goes on after its closing quote: "x,b,v,1,2,3"`}},
		{name: "quote inside", file: head + "a\"x,b,v,1,2,3\n", skips: []string{`line 2: a cell has a quote but does not begin with one: "a\"x"`}},
		{name: "empty cells", file: head + ",b,v,1,2,3\na,b,v,,2,3\na,b,v,1,2,\n", skips: []string{"line 2: src_app is not set", "line 3: bytes_tx is not set", "line 4: hour is not set"}},
		{name: "too few and too many cells", file: head + "a,b,v,1,2\na,b,v,1,2,3,4\na,b,v,1,2,3", flows: flows,
			skips: []string{"line 2: the line has another number of columns than the header", "line 3: the line has another number of columns than the header"}},
		{name: "bad numbers", file: head + "a,b,v,1.5,2,3\na,b,v,1,2,-3\n", skips: []string{`line 2: bytes_tx is not an integer from 0 to 2^63-1: "1.5"`, `line 3: hour is not an integer from 0 to 2^31-1: "-3"`}},
		{name: "VPC given", opts: Options{VPC: "w"}, file: "src_app,dest_app,bytes_tx,bytes_rx,hour\na,b,1,2,3\n", flows: []string{"a>b@w 1/2 3"}},
		{name: "VPC given for empty cells", opts: Options{VPC: "w"}, file: head + "a,b,,1,2,3\n", flows: []string{"a>b@w 1/2 3"}},
		{name: "no VPC", file: "src_app,dest_app,bytes_tx,bytes_rx,hour\na,b,1,2,3\n", err: "line 1: the file has no VPC, and no default VPC was given"},
		{name: "a column missing", file: "src_app,dest_app,vpc_id,bytes_rx,hour\n", err: "line 1: the header has no column bytes_tx"},
		{name: "a column twice", file: "src_app,dest_app,vpc_id,bytes_tx,bytes_rx,hour,hour\n", err: "line 1: the header names hour twice, as columns 6 and 7"},
	})
}
