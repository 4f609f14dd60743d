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

// fileTest is a file and what is read from it. Flows are written "src>dest@vpc tx/rx hour",
// skipped records "line N: reason", with the value if there is one.
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
					t.Errorf("the first of %q is at line %d of %q", reason, of.First.Line, skips)
				}
			}
			if got := errText(err); got != test.err {
				t.Errorf("error %q, want %q", got, test.err)
			}
		})
	}
}

// eachSkip returns every record that is skipped, of which the account keeps the first of each reason.
func eachSkip(r io.Reader, o Options) (skips []string) {
	s := New(r, o)
	for s.err = s.open(); s.err == nil; {
		err := s.read()
		var sk *skip
		if errors.As(err, &sk) {
			text := fmt.Sprintf("line %d: %s", s.source.line(), sk.reason)
			if len(sk.value) > 0 {
				text += fmt.Sprintf(": %q", sk.value)
			}
			skips = append(skips, text)
		}
		if err != nil {
			s.take(err)
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
	ownLine  = `{"src_app":"a","dest_app":"b","vpc_id":"v","bytes_tx":1,"bytes_rx":2,"hour":3}` + "\n"
	ownCSV   = "src_app,dest_app,vpc_id,bytes_tx,bytes_rx,hour\na,b,v,1,2,3\n"
	vpcLine  = "2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 3 400 7200 7260 ACCEPT OK\n"
	zeekLine = `{"ts":7200.5,"id.orig_h":"10.0.0.1","id.resp_h":"10.0.0.2","orig_bytes":4,"resp_bytes":5}` + "\n"
)

func TestDetect(t *testing.T) {
	own := []string{"a>b@v 1/2 3"}
	v := Options{VPC: "v"}
	runFileTests(t, []fileTest{
		{name: "empty"},
		{name: "blank lines alone", file: "\n\r\n  \n"},
		{name: "byte order mark alone", file: "\xef\xbb\xbf"},
		{name: "ndjson", file: ownLine, flows: own},
		{name: "ndjson after blank lines", file: "\n\r\n" + ownLine, flows: own},
		{name: "ndjson after a byte order mark", file: "\xef\xbb\xbf" + ownLine, flows: own},
		{name: "array", file: "[" + ownLine + "]", flows: own},
		{name: "array over lines", file: "\n[\n\n" + ownLine + "\n]\n", flows: own},
		{name: "csv", file: ownCSV, flows: own},
		{name: "csv after a byte order mark", file: "\xef\xbb\xbf" + ownCSV, flows: own},
		{name: "zeek", opts: v, file: zeekHead + zeekRecord, flows: []string{"10.0.0.1>10.0.0.2@v 4/5 2"}},
		{name: "zeek json", opts: v, file: zeekLine, flows: []string{"10.0.0.1>10.0.0.2@v 4/5 2"}},
		{name: "zeek json array", opts: v, file: "[\n" + zeekLine + "]", flows: []string{"10.0.0.1>10.0.0.2@v 4/5 2"}},
		{name: "vpc", opts: v, file: vpcLine, flows: []string{"10.0.0.1>10.0.0.2@v 400/0 2"}},
		{name: "vpc with a header", opts: v, file: vpcDefault + "\n" + vpcLine, flows: []string{"10.0.0.1>10.0.0.2@v 400/0 2"}},
		{name: "vpc without a line end", opts: v, file: strings.TrimSpace(vpcLine), flows: []string{"10.0.0.1>10.0.0.2@v 400/0 2"}},
		{name: "unknown", file: "GET / HTTP/1.1\n", err: `line 1: "GET / HTTP/1.1" begins none of the known formats (zeek, zeek-json, vpc, ndjson, csv)`},
		{name: "vpc of another version", file: "3" + vpcLine[1:], err: `line 1: "3 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 3 400 7200 7260 ACCEPT OK" begins none of the known formats (zeek, zeek-json, vpc, ndjson, csv)`},
		{name: "format given", opts: Options{Format: NDJSON}, file: "x\n" + ownLine, flows: own, skips: []string{`line 1: the record is not a JSON object: "x"`}},
		{name: "format given, array", opts: Options{Format: NDJSON}, file: "[" + ownLine + "]", flows: own},
		{name: "name of the VPC too long", opts: Options{VPC: strings.Repeat("v", 257)}, file: ownLine, err: fmt.Sprintf("the name of the VPC, %q, is longer than 256 bytes", strings.Repeat("v", 257))},
	})
}

func TestGzip(t *testing.T) {
	two := append(pack(t, ownLine), pack(t, ownLine)...)
	for _, test := range []struct {
		name  string
		file  []byte
		flows int
		err   string
	}{
		{"one", pack(t, ownLine), 1, ""},
		{"two joined", two, 2, ""},
		{"empty inside", pack(t, ""), 0, ""},
		{"cut", two[:len(two)-4], 2, "line 3: unexpected EOF"},
		{"cut in its head", two[:5], 0, "line 1: unexpected EOF"},
		{"only its first byte", two[:1], 0, `line 1: "\x1f" begins none of the known formats (zeek, zeek-json, vpc, ndjson, csv)`},
		{"garbage behind", append(pack(t, ownLine), "garbage, and enough of it"...), 1, "line 2: gzip: invalid header"},
	} {
		t.Run(test.name, func(t *testing.T) {
			flows, _, err := scan(bytes.NewReader(test.file), Options{})
			if len(flows) != test.flows || errText(err) != test.err {
				t.Errorf("%d flows, error %q; want %d, %q", len(flows), errText(err), test.flows, test.err)
			}
		})
	}
}

func pack(t testing.TB, text string) []byte {
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

// TestPipe holds that a scanner waits for no more of a pipe than the record it is to return.
func TestPipe(t *testing.T) {
	r, w := io.Pipe()
	go func() {
		_, _ = io.WriteString(w, ownLine)
		// The second line is written only once the first has been read, and so on.
		_, _ = io.WriteString(w, ownLine)
		_ = w.CloseWithError(errors.New("cable pulled"))
	}()
	flows, _, err := scan(r, Options{})
	if len(flows) != 2 || errText(err) != "line 3: cable pulled" {
		t.Errorf("%d flows, error %v", len(flows), err)
	}
}

// TestSmallReads reads every format byte by byte.
func TestSmallReads(t *testing.T) {
	for _, file := range []string{ownLine, "[" + ownLine + "]", ownCSV, zeekHead + zeekRecord, zeekLine, vpcLine} {
		flows, _, err := scan(iotest.OneByteReader(strings.NewReader(file)), Options{VPC: "v"})
		if len(flows) != 1 || err != nil {
			t.Errorf("%.20q: %d flows, error %v; want 1", file, len(flows), err)
		}
	}
}

func TestLongRecords(t *testing.T) {
	fill := func(n int) string { // a good line of n bytes
		return ownLine[:1] + strings.Repeat(" ", n-len(ownLine)+1) + ownLine[1:]
	}
	long := "the record is longer than 1 MiB"
	runFileTests(t, []fileTest{
		{name: "longest line", file: fill(MaxRecord), flows: []string{"a>b@v 1/2 3"}},
		{name: "longest line with a carriage return", file: strings.TrimSpace(fill(MaxRecord)) + "\r\n", flows: []string{"a>b@v 1/2 3"}},
		{name: "line one too long", file: fill(MaxRecord+1) + ownLine, flows: []string{"a>b@v 1/2 3"}, skips: []string{"line 1: " + long}},
		{name: "line far too long", file: ownLine + fill(3*MaxRecord) + ownLine, flows: []string{"a>b@v 1/2 3", "a>b@v 1/2 3"}, skips: []string{"line 2: " + long}},
		{name: "last line too long", file: strings.TrimSpace(fill(2 * MaxRecord)), skips: []string{"line 1: " + long}},
		{name: "longest element", file: "[" + strings.TrimSpace(fill(MaxRecord)) + "]", flows: []string{"a>b@v 1/2 3"}},
		{name: "element too long", file: "[\n" + fill(2*MaxRecord) + "," + ownLine + "]", flows: []string{"a>b@v 1/2 3"}, skips: []string{"line 2: " + long}},
	})
}

// TestNamesAreBounded gives a scanner more names than it may keep.
func TestNamesAreBounded(t *testing.T) {
	n := names{}
	for i := range maxNames + 10 {
		if name, problem := n.get(fmt.Append(nil, "name", i)); problem != "" || name != fmt.Sprint("name", i) {
			t.Fatalf("name %d: %q, %q", i, name, problem)
		}
	}
	if len(n) > maxNames {
		t.Errorf("%d names are kept, the bound is %d", len(n), maxNames)
	}
}

func TestSkippedAdd(t *testing.T) {
	var total Skipped
	for _, file := range []string{"a", "b", "c"} {
		text := ownLine + "x\n" + ownLine + "y\n"
		if file != "a" {
			text = "{\n" + text
		}
		_, skipped, _ := scan(strings.NewReader(text), Options{Format: NDJSON})
		total.Add(file, skipped)
	}
	want := Skipped{Records: 8, Reasons: map[string]Reason{
		"the record is not a JSON object": {6, Skip{File: "a", Line: 2, Value: "x"}},
		"the record is not valid JSON":    {2, Skip{File: "b", Line: 1, Value: "{"}},
	}}
	if diff := cmp.Diff(want, total); diff != "" {
		t.Errorf("the account of three files (-want +got):\n%s", diff)
	}
}

func TestErrorUnwraps(t *testing.T) {
	_, _, err := scan(strings.NewReader("\n"+vpcLine), Options{})
	var at *Error
	if !errors.Is(err, ErrNoVPC) || !errors.As(err, &at) || at.Line != 2 {
		t.Errorf("error %v", err)
	}
}
