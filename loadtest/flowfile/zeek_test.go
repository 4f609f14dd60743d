package flowfile

import "testing"

const (
	zeekHead = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n" +
		"#open\t2024-01-01-00-00-00\n" + zeekFields + zeekTypes
	zeekFields = "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\torig_bytes\tresp_bytes\n"
	zeekTypes  = "#types\ttime\tstring\taddr\tport\taddr\tport\tcount\tcount\n"
	zeekRecord = "7200.123456\tCx\t10.0.0.1\t1\t10.0.0.2\t2\t4\t5\n"
)

func TestZeek(t *testing.T) {
	v := Options{VPC: "v"}
	flows := []string{"10.0.0.1>10.0.0.2@v 4/5 2"}
	const required = "#separator |\n#path|conn\n#fields|resp_bytes|ts|id.resp_h|orig_bytes|id.orig_h\n"
	runFileTests(t, []fileTest{
		{name: "as zeek writes it", opts: v, file: zeekHead + zeekRecord + "#close\t2024\n", flows: flows},
		{name: "carriage returns", opts: v, file: "#separator \\x09\r\n#path\tconn\r\n#fields\tts\tid.orig_h\tid.resp_h\torig_bytes\tresp_bytes\r\n7200\ta\tb\t1\t2\r\n", flows: []string{"a>b@v 1/2 2"}},
		{name: "IPv6", opts: v, file: required + "5|7200.0|2001:db8::2|4|2001:db8::1\n", flows: []string{"2001:db8::1>2001:db8::2@v 4/5 2"}},
		{name: "separator and order", opts: v, file: required + "5|7200.0|10.0.0.2|4|10.0.0.1\n", flows: flows},
		{name: "separator of two bytes", opts: v, file: "#separator \\x7c|\n#path||conn\n#fields||ts||id.orig_h||id.resp_h||orig_bytes||resp_bytes\n7200||a||b||1||2\n", flows: []string{"a>b@v 1/2 2"}},
		{name: "unset bytes are zero", opts: v, file: required + "-|7200.0|10.0.0.2|-|10.0.0.1\n", flows: []string{"10.0.0.1>10.0.0.2@v 0/0 2"}},
		{name: "unset field of another name", opts: v, file: required + "#unset_field|NULL\nNULL|7200|b|4|a\n-|7200|b|4|a\n", flows: []string{"a>b@v 4/0 2"}, skips: []string{`line 6: resp_bytes is not an integer from 0 to 2^63-1: "-"`}},
		{name: "unset address", opts: v, file: required + "5|7200.0|10.0.0.2|4|-\n", skips: []string{"line 4: id.orig_h is not set"}},
		{name: "empty address", opts: v, file: required + "5|7200.0|10.0.0.2|4|(empty)\n5|1|b|1|\n", skips: []string{"line 4: id.orig_h is empty", "line 5: id.orig_h is empty"}},
		{name: "empty field of another name", opts: v, file: required + "#empty_field|none\n5|7200.0|none|4|a\n", skips: []string{"line 5: id.resp_h is empty"}},
		{name: "unset time", opts: v, file: required + "5|-|b|4|a\n", skips: []string{"line 4: ts is not set"}},
		{name: "bad times", opts: v, file: required + "5|-1.5|b|4|a\n5|1.|b|4|a\n5|1.5e3|b|4|a\n", skips: []string{`line 4: ts is not a time in seconds: "-1.5"`, `line 5: ts is not a time in seconds: "1."`, `line 6: ts is not a time in seconds: "1.5e3"`}},
		{name: "time beyond the hours", opts: v, file: required + "5|7730941132799|b|4|a\n5|7730941132800|b|4|a\n", flows: []string{"a>b@v 4/5 2147483647"}, skips: []string{`line 5: ts is beyond the last hour that can be counted: "7730941132800"`}},
		{name: "bytes at their bound", opts: v, file: required + "9223372036854775807|7200|b|0|a\n9223372036854775808|7200|b|0|a\n5|7200|b|+4|a\n", flows: []string{"a>b@v 0/9223372036854775807 2"}, skips: []string{`line 5: resp_bytes is not an integer from 0 to 2^63-1: "9223372036854775808"`, `line 6: orig_bytes is not an integer from 0 to 2^63-1: "+4"`}},
		{name: "cut line", opts: v, file: zeekHead + "7200.1\tCx\t10.0.0.1", skips: []string{"line 9: the line has another number of columns than the header"}},
		{name: "two files joined", opts: v, file: zeekHead + zeekRecord + "#close\n" + required + "5|7200.0|10.0.0.2|4|10.0.0.1\n", flows: append(flows, flows...)},
		{name: "a VPC in the file", opts: v, file: "#path\tconn\n#fields\tvpc_id\tts\tid.orig_h\tid.resp_h\torig_bytes\tresp_bytes\nvpc-1\t0\ta\tb\t1\t2\n-\t0\ta\tb\t1\t2\n", flows: []string{"a>b@vpc-1 1/2 0", "a>b@v 1/2 0"}},
		{name: "a VPC in some records alone", file: "#path\tconn\n#fields\tvpc_id\tts\tid.orig_h\tid.resp_h\torig_bytes\tresp_bytes\nvpc-1\t0\ta\tb\t1\t2\n-\t0\ta\tb\t1\t2\n", flows: []string{"a>b@vpc-1 1/2 0"}, skips: []string{"line 4: vpc_id is not set"}},
		{name: "no VPC", file: zeekHead + zeekRecord, err: "line 7: the file has no VPC, and no default VPC was given"},
		{name: "another log", opts: v, file: "#separator \\x09\n#path\tdns\n", err: `line 2: #path is "dns", not "conn"`},
		{name: "another log joined", opts: v, file: zeekHead + zeekRecord + "#path\thttp\n", flows: flows, err: `line 10: #path is "http", not "conn"`},
		{name: "no path", opts: v, file: zeekFields + zeekRecord, err: `line 2: a record before any #path line: expected "#path conn"`},
		{name: "no fields", opts: v, file: "#path\tconn\n" + zeekRecord, err: "line 2: a record before any #fields line"},
		{name: "a field missing", opts: v, file: "#path\tconn\n#fields\tts\tid.orig_h\tid.resp_h\torig_bytes\n", err: "line 2: the header has no column resp_bytes"},
		{name: "a field twice", opts: v, file: "#path\tconn\n#fields\tts\tid.orig_h\tts\n", err: "line 2: the header names ts twice, as columns 1 and 3"},
		{name: "bad separator", opts: v, file: "#separator \\xzz\n", err: `line 1: #separator "\\xzz": expected two hexadecimal digits after \x`},
		{name: "separator cut short", opts: v, file: "#separator \\x9\n", err: `line 1: #separator "\\x9": expected two hexadecimal digits after \x`},
		{name: "empty separator", opts: v, file: "#separator \n", err: "line 1: #separator is empty"},
	})
}

func TestZeekJSON(t *testing.T) {
	v := Options{VPC: "v", Format: ZeekJSON}
	rec := func(rest string) string { return `{"id.orig_h":"a","id.resp_h":"b"` + rest + "}\n" }
	runFileTests(t, []fileTest{
		{name: "seconds", opts: v, file: rec(`,"ts":1704067200.25,"orig_bytes":4,"resp_bytes":5,"uid":"C","tunnel_parents":[]`), flows: []string{"a>b@v 4/5 473352"}},
		{name: "whole seconds", opts: v, file: rec(`,"ts":1704067200`), flows: []string{"a>b@v 0/0 473352"}},
		{name: "milliseconds", opts: v, file: rec(`,"ts":1704067200250`), flows: []string{"a>b@v 0/0 473352"}},
		{name: "ISO 8601", opts: v, file: rec(`,"ts":"2024-01-01T00:00:00.250000Z"`), flows: []string{"a>b@v 0/0 473352"}},
		{name: "before the epoch", opts: v, file: rec(`,"ts":"1969-12-31T23:59:59Z"`), skips: []string{`line 1: ts is not a time in seconds, milliseconds or ISO 8601: "1969-12-31T23:59:59Z"`}},
		{name: "no time", opts: v, file: rec(""), skips: []string{"line 1: ts is not set"}},
		{name: "bytes unset or null", opts: v, file: rec(`,"ts":0.5,"orig_bytes":null`), flows: []string{"a>b@v 0/0 0"}},
		{name: "bytes in quotes", opts: v, file: rec(`,"ts":0.5,"orig_bytes":"4"`), skips: []string{`line 1: orig_bytes is not an integer from 0 to 2^63-1: "\"4\""`}},
		{name: "address missing", opts: v, file: `{"ts":1,"id.orig_h":"a"}`, skips: []string{"line 1: id.resp_h is not set"}},
		{name: "address is a number", opts: v, file: `{"ts":1,"id.orig_h":4,"id.resp_h":"b"}`, skips: []string{`line 1: id.orig_h is not a string: "4"`}},
		{name: "a stream of several logs", opts: v, file: rec(`,"ts":1,"_path":"dns"`) + rec(`,"ts":1,"_path":"conn"`), flows: []string{"a>b@v 0/0 0"}, skips: []string{`line 1: _path is not "conn": "\"dns\""`}},
		{name: "not JSON", opts: v, file: "{\"ts\":1,\n#close\n", skips: []string{`line 1: the record is not valid JSON: "{\"ts\":1,"`, `line 2: the record is not a JSON object: "#close"`}},
		{name: "fields do not stay from one record to the next", opts: v, file: rec(`,"ts":1,"orig_bytes":4`) + rec(`,"ts":1`) + `{"ts":1}`, flows: []string{"a>b@v 4/0 0", "a>b@v 0/0 0"}, skips: []string{"line 3: id.orig_h is not set"}},
		{name: "a VPC in the record", file: rec(`,"ts":1,"vpc_id":"vpc-1"`), flows: []string{"a>b@vpc-1 0/0 0"}},
		{name: "no VPC", file: rec(`,"ts":1`), err: "line 1: the file has no VPC, and no default VPC was given"},
	})
}
