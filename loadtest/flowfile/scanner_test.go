package flowfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fileTest is a file and the expected result. Flows are written "src>dest@vpc tx/rx hour", skipped
// records "line N: reason", with the value if there is one.
type fileTest struct {
	name  string
	opts  Options
	file  string
	flows []string
	skips []string
	err   string
}

func runFileTests(t *testing.T, tests []fileTest) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			flows, skipped, err := scan(strings.NewReader(test.file), test.opts)
			if diff := cmp.Diff(test.flows, flows); diff != "" {
				t.Errorf("flows (-want +got):\n%s", diff)
			}
			skips := eachSkip(strings.NewReader(test.file), test.opts)
			if diff := cmp.Diff(test.skips, skips); diff != "" {
				t.Errorf("skipped (-want +got):\n%s", diff)
			}
			if skipped.Records != uint64(len(skips)) {
				t.Errorf("%d records skipped, want %d", skipped.Records, len(skips))
			}
			for reason, of := range skipped.Reasons {
				first := slices.IndexFunc(skips, func(skip string) bool { return strings.Contains(skip, ": "+reason) })
				if first < 0 || !strings.HasPrefix(skips[first], fmt.Sprintf("line %d: ", of.First.Line)) {
					t.Errorf("the first record of %q is at line %d of %q", reason, of.First.Line, skips)
				}
			}
			if got := errText(err); got != test.err {
				t.Errorf("error %q, want %q", got, test.err)
			}
		})
	}
}

// eachSkip returns every skipped record. Skipped only has the first one of each reason.
func eachSkip(r io.Reader, o Options) (skips []string) {
	s := New(r, o)
	for s.err = s.open(); s.err == nil; {
		err := s.read()
		var skipped *skipError
		if errors.As(err, &skipped) {
			text := fmt.Sprintf("line %d: %s", s.source.line(), skipped.reason)
			if len(skipped.value) > 0 {
				text += fmt.Sprintf(": %q", skipped.value)
			}
			skips = append(skips, text)
		}
		if err != nil {
			s.handle(err)
		}
	}
	return skips
}

func scan(r io.Reader, o Options) (flows []string, skipped *Skipped, err error) {
	s := New(r, o)
	for s.Next() {
		f := s.Flow()
		flows = append(flows, fmt.Sprintf("%s>%s@%s %d/%d %d", f.SrcApp, f.DestApp, f.VPCID, f.BytesTx, f.BytesRx, f.Hour))
	}
	return flows, s.Skipped(), s.Err()
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

const (
	flowdLine = `{"src_app":"a","dest_app":"b","vpc_id":"v","bytes_tx":1,"bytes_rx":2,"hour":3}` + "\n"
	flowdCSV  = "src_app,dest_app,vpc_id,bytes_tx,bytes_rx,hour\na,b,v,1,2,3\n"
	vpcLine   = "2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 3 400 7200 7260 ACCEPT OK\n"
	zeekLine  = `{"ts":7200.5,"id.orig_h":"10.0.0.1","id.resp_h":"10.0.0.2","orig_bytes":4,"resp_bytes":5}` + "\n"
)

func TestDetect(t *testing.T) {
	flows := []string{"a>b@v 1/2 3"}
	v := Options{VPC: "v"}
	runFileTests(t, []fileTest{
		{name: "empty"},
		{name: "blank lines alone", file: "\n\r\n  \n"},
		{name: "byte order mark alone", file: "\xef\xbb\xbf"},
		{name: "ndjson", file: flowdLine, flows: flows},
		{name: "ndjson after blank lines", file: "\n\r\n" + flowdLine, flows: flows},
		{name: "ndjson after a byte order mark", file: "\xef\xbb\xbf" + flowdLine, flows: flows},
		{name: "array", file: "[" + flowdLine + "]", flows: flows},
		{name: "array over lines", file: "\n[\n\n" + flowdLine + "\n]\n", flows: flows},
		{name: "csv", file: flowdCSV, flows: flows},
		{name: "csv after a byte order mark", file: "\xef\xbb\xbf" + flowdCSV, flows: flows},
		{name: "zeek", opts: v, file: zeekHead + zeekRecord, flows: []string{"10.0.0.1>10.0.0.2@v 4/5 2"}},
		{name: "zeek json", opts: v, file: zeekLine, flows: []string{"10.0.0.1>10.0.0.2@v 4/5 2"}},
		{name: "zeek json array", opts: v, file: "[\n" + zeekLine + "]", flows: []string{"10.0.0.1>10.0.0.2@v 4/5 2"}},
		{name: "vpc", opts: v, file: vpcLine, flows: []string{"10.0.0.1>10.0.0.2@v 400/0 2"}},
		{name: "vpc with a header", opts: v, file: vpcDefaultHeader + "\n" + vpcLine, flows: []string{"10.0.0.1>10.0.0.2@v 400/0 2"}},
		{name: "vpc without a line end", opts: v, file: strings.TrimSpace(vpcLine), flows: []string{"10.0.0.1>10.0.0.2@v 400/0 2"}},
		{name: "unknown", file: "GET / HTTP/1.1\n", err: `line 1: "GET / HTTP/1.1" does not begin like a known format (zeek, zeek-json, vpc, ndjson, csv)`},
		{name: "vpc of another version", file: "3" + vpcLine[1:], err: `line 1: "3 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 3 400 7200 7260 ACCEPT OK" does not begin like a known format (zeek, zeek-json, vpc, ndjson, csv)`},
		{name: "format given", opts: Options{Format: NDJSON}, file: "x\n" + flowdLine, flows: flows, skips: []string{`line 1: the record is not a JSON object: "x"`}},
		{name: "format given, array", opts: Options{Format: NDJSON}, file: "[" + flowdLine + "]", flows: flows},
		{name: "name of the VPC too long", opts: Options{VPC: strings.Repeat("v", 257)}, file: flowdLine, err: fmt.Sprintf("the name of the VPC, %q, is longer than 256 bytes", strings.Repeat("v", 257))},
	})
}

func TestGzip(t *testing.T) {
	two := append(gzipped(t, flowdLine), gzipped(t, flowdLine)...)
	for _, test := range []struct {
		name  string
		file  []byte
		flows int
		err   string
	}{
		{"one", gzipped(t, flowdLine), 1, ""},
		{"two joined", two, 2, ""},
		{"empty inside", gzipped(t, ""), 0, ""},
		{"cut", two[:len(two)-4], 2, "line 3: unexpected EOF"},
		{"cut in its head", two[:5], 0, "line 1: unexpected EOF"},
		{"only its first byte", two[:1], 0, `line 1: "\x1f" does not begin like a known format (zeek, zeek-json, vpc, ndjson, csv)`},
		{"garbage behind", append(gzipped(t, flowdLine), "garbage, and enough of it"...), 1, "line 2: gzip: invalid header"},
	} {
		t.Run(test.name, func(t *testing.T) {
			flows, _, err := scan(bytes.NewReader(test.file), Options{})
			if len(flows) != test.flows || errText(err) != test.err {
				t.Errorf("%d flows, error %q; want %d, %q", len(flows), errText(err), test.flows, test.err)
			}
		})
	}
}

func gzipped(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestPipe holds that a scanner does not read more of a pipe than the record that it returns.
func TestPipe(t *testing.T) {
	r, w := io.Pipe()
	go func() {
		_, _ = io.WriteString(w, flowdLine)
		// A pipe is not buffered: each write returns once its line was read.
		_, _ = io.WriteString(w, flowdLine)
		_ = w.CloseWithError(errors.New("cable pulled"))
	}()
	flows, _, err := scan(r, Options{})
	if len(flows) != 2 || errText(err) != "line 3: cable pulled" {
		t.Errorf("%d flows, error %v", len(flows), err)
	}
}

// TestSmallReads reads every format byte by byte.
func TestSmallReads(t *testing.T) {
	for _, file := range []string{flowdLine, "[" + flowdLine + "]", flowdCSV, zeekHead + zeekRecord, zeekLine, vpcLine} {
		flows, _, err := scan(iotest.OneByteReader(strings.NewReader(file)), Options{VPC: "v"})
		if len(flows) != 1 || err != nil {
			t.Errorf("%.20q: %d flows, error %v; want 1", file, len(flows), err)
		}
	}
}

func TestLongRecords(t *testing.T) {
	padded := func(n int) string { // a valid line of n bytes
		return flowdLine[:1] + strings.Repeat(" ", n-len(flowdLine)+1) + flowdLine[1:]
	}
	long := "the record is longer than 1 MiB"
	runFileTests(t, []fileTest{
		{name: "longest line", file: padded(MaxRecord), flows: []string{"a>b@v 1/2 3"}},
		{name: "longest line with a carriage return", file: strings.TrimSpace(padded(MaxRecord)) + "\r\n", flows: []string{"a>b@v 1/2 3"}},
		{name: "line one too long", file: padded(MaxRecord+1) + flowdLine, flows: []string{"a>b@v 1/2 3"}, skips: []string{"line 1: " + long}},
		{name: "line far too long", file: flowdLine + padded(3*MaxRecord) + flowdLine, flows: []string{"a>b@v 1/2 3", "a>b@v 1/2 3"}, skips: []string{"line 2: " + long}},
		{name: "last line too long", file: strings.TrimSpace(padded(2 * MaxRecord)), skips: []string{"line 1: " + long}},
		{name: "longest element", file: "[" + strings.TrimSpace(padded(MaxRecord)) + "]", flows: []string{"a>b@v 1/2 3"}},
		{name: "element too long", file: "[\n" + padded(2*MaxRecord) + "," + flowdLine + "]", flows: []string{"a>b@v 1/2 3"}, skips: []string{"line 2: " + long}},
	})
}

// TestNamesAreBounded interns more names than the table may hold.
func TestNamesAreBounded(t *testing.T) {
	n := internTable{}
	for i := range maxInterned + 10 {
		if name, problem := n.intern(fmt.Append(nil, "name", i)); problem != "" || name != fmt.Sprint("name", i) {
			t.Fatalf("name %d: %q, %q", i, name, problem)
		}
	}
	if len(n) > maxInterned {
		t.Errorf("the table has %d names, the limit is %d", len(n), maxInterned)
	}
}

func TestSkippedAdd(t *testing.T) {
	var total Skipped
	for _, file := range []string{"a", "b", "c"} {
		text := flowdLine + "x\n" + flowdLine + "y\n"
		if file != "a" {
			text = "{\n" + text
		}
		_, skipped, _ := scan(strings.NewReader(text), Options{Format: NDJSON})
		total.Add(file, skipped)
	}
	want := Skipped{Records: 8, Reasons: map[string]Reason{
		"the record is not a JSON object": {6, SkippedRecord{File: "a", Line: 2, Value: "x"}},
		"the record is not valid JSON":    {2, SkippedRecord{File: "b", Line: 1, Value: "{"}},
	}}
	if diff := cmp.Diff(want, total); diff != "" {
		t.Errorf("counts of three files (-want +got):\n%s", diff)
	}
}

func TestErrorUnwraps(t *testing.T) {
	_, _, err := scan(strings.NewReader("\n"+vpcLine), Options{})
	var at *Error
	if !errors.Is(err, ErrNoVPC) || !errors.As(err, &at) || at.Line != 2 {
		t.Errorf("error %v", err)
	}
}
