package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"flowd/loadtest/faulty"
)

const (
	replayNDJSON = `{"src_app":"a","dest_app":"b","vpc_id":"v","bytes_tx":1,"bytes_rx":2,"hour":2}
{"src_app":"a","dest_app":"b","vpc_id":"v","bytes_tx":10,"bytes_rx":20,"hour":2}
{"src_app":"c","dest_app":"d","vpc_id":"v","bytes_tx":5,"bytes_rx":5,"hour":3}
`
	replayVPC = `2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 3 400 7200 7260 ACCEPT OK
2 1 eni-1 - - - - - - - 7200 7260 - NODATA
`
	replayMixed = `{"src_app":"","dest_app":"b","vpc_id":"v","bytes_tx":1,"bytes_rx":2,"hour":2}
{"src_app":"a","dest_app":"b","vpc_id":"v","bytes_tx":1,"bytes_rx":2,"hour":2}
{"src_app":"a","dest_app":"b","vpc_id":"v","bytes_tx":1,"bytes_rx":2,"hour":-1}
x
{"src_app":"a","dest_app":"b","vpc_id":"v","bytes_tx":1.5,"bytes_rx":2,"hour":2}
y
{"src_app":"a","dest_app":"b","vpc_id":"v","bytes_tx":2.5,"bytes_rx":2,"hour":2}
z
`
)

// replayReasons is what is printed of replayMixed.
const replayReasons = "read      1  in TIME\nsent      1\nstored    1\nskipped   7\n" +
	"  3: the record is not a JSON object; first at DIR/mixed.ndjson:4: \"x\"\n" +
	"  2: bytes_tx is not an integer from 0 to 2^63-1; first at DIR/mixed.ndjson:5: \"1.5\"\n" +
	"  1: hour is not an integer from 0 to 2^31-1; first at DIR/mixed.ndjson:3: \"-1\"\n" +
	"  1 more, for other reasons\n"

// replayFiles writes the files of a test and returns their folder.
func replayFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte(replayNDJSON)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"own.ndjson": replayNDJSON, "own.gz": packed.String(), "vpc.log": replayVPC, "empty": "", "other": "hello\n",
		"cut.gz":       packed.String()[:packed.Len()-5],
		"mixed.ndjson": replayMixed, "header.csv": "src_app,dest_app,vpc_id,bytes_tx,bytes_rx,hour\r\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestReplay(t *testing.T) {
	dir := replayFiles(t)
	refuse := faulty.Faults{
		Store:  func(int, []faulty.Row) []faulty.Row { return nil },
		Answer: func(int) int { return 400 },
	}
	noAnswer := faulty.Faults{Answer: func(post int) int { return 200 * min(post-1, 1) }}
	never := faulty.Faults{Answer: func(int) int { return 0 }}
	for _, test := range []struct {
		name   string
		args   string // DIR stands for the folder
		faults faulty.Faults
		code   int
		stdout string
		stderr string
	}{
		{"one file", "DIR/own.ndjson", faulty.Faults{}, 0, "read      3  in TIME\nsent      3\nstored    3\nskipped   0\n", ""},
		{"gzip", "DIR/own.gz", faulty.Faults{}, 0, "read      3  in TIME\nsent      3\nstored    3\nskipped   0\n", ""},
		{"an empty file", "DIR/empty", faulty.Faults{}, 3, "read      0  in TIME\nsent      0\nstored    0\nskipped   0\n",
			"flowload: no record is usable of DIR/empty\n"},
		{"a header alone", "DIR/header.csv", faulty.Faults{}, 3, "read      0  in TIME\nsent      0\nstored    0\nskipped   0\n",
			"flowload: no record is usable of DIR/header.csv\n"},
		{"an empty file among good ones", "DIR/own.gz DIR/empty DIR/header.csv", faulty.Faults{}, 3, "read      3  in TIME\nsent      3\nstored    3\nskipped   0\n",
			"flowload: no record is usable of DIR/empty, DIR/header.csv\n"},
		{"more reasons than are shown", "DIR/mixed.ndjson", faulty.Faults{}, 0, replayReasons, ""},
		{"strict", "--strict DIR/mixed.ndjson", faulty.Faults{}, 3, replayReasons, "flowload: 7 records were skipped, which --strict does not allow\n"},
		{"strict, and nothing to skip", "--strict DIR/own.ndjson DIR/own.gz", faulty.Faults{}, 0, "read      6  in TIME\nsent      6\nstored    6\nskipped   0\n", ""},
		{"strict, and refused", "--strict DIR/mixed.ndjson", refuse, 1, "read      1  in TIME\nsent      1\nstored    0\nrefused   1  by the server; they do not count\n" +
			"  1 flows: the server answered 400: Refused: as the test wants\n" + replayReasons[strings.Index(replayReasons, "skipped"):], "flowload: not all flows are stored\n"},
		{"strict, and a file that is none", "--strict DIR/mixed.ndjson DIR/other", faulty.Faults{}, 1, replayReasons,
			"flowload: DIR/other: line 1: \"hello\" does not begin like a known format (zeek, zeek-json, vpc, ndjson, csv)\n"},
		{"several files", "--vpc v DIR/own.ndjson DIR/vpc.log", faulty.Faults{}, 0, "read      4  in TIME\nsent      4\nstored    4\nskipped   1\n" +
			"  1: log-status is NODATA: no traffic in the interval; first at DIR/vpc.log:2\n", ""},
		{"a format that is none", "--vpc v --format vpc DIR/own.ndjson", faulty.Faults{}, 3, "read      0  in TIME\nsent      0\nstored    0\nskipped   3\n" +
			"  3: the line has another number of columns than the header; first at DIR/own.ndjson:1\n",
			"flowload: no record is usable of DIR/own.ndjson\n"},
		{"no VPC", "DIR/vpc.log", faulty.Faults{}, 1, "read      0  in TIME\nsent      0\nstored    0\nskipped   0\n",
			"flowload: DIR/vpc.log: line 1: AWS VPC Flow Log: the file has no VPC, and no default VPC was given: give one with --vpc\n"},
		{"bad files among good ones", "DIR/other DIR/cut.gz DIR/own.gz", faulty.Faults{}, 1, "read      6  in TIME\nsent      6\nstored    6\nskipped   0\n",
			"flowload: DIR/other: line 1: \"hello\" does not begin like a known format (zeek, zeek-json, vpc, ndjson, csv)\nDIR/cut.gz: line 4: unexpected EOF\n"},
		{"refused", "DIR/own.ndjson", refuse, 1, "read      3  in TIME\nsent      3\nstored    0\nrefused   3  by the server; they do not count\n" +
			"  3 flows: the server answered 400: Refused: as the test wants\nskipped   0\n", "flowload: not all flows are stored\n"},
		{"no answer", "--flows 2 --connections 1 DIR/own.ndjson", noAnswer, 0, "read      3  in TIME\nsent      3\nstored    3\nretries   1  of POSTs\nskipped   0\n", ""},
		{"never an answer", "--attempts 2 DIR/own.ndjson", never, 1, "read      3  in TIME\nsent      3\nstored    0\nunknown   3  had no clear answer; they may count or not\nretries   1  of POSTs\n" +
			"  3 flows: no answer: EOF\nskipped   0\n", "flowload: stopped: no answer: EOF; gave up at attempt 2\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := startServer(t, test.faults)
			args := append([]string{"replay", "--target", s.URL}, strings.Fields(strings.ReplaceAll(test.args, "DIR", dir))...)
			var stdout, stderr bytes.Buffer
			code := run(context.Background(), args, &stdout, &stderr)
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if diff := cmp.Diff(test.stdout, plainReplay(stdout.String(), dir)); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.stderr, plainReplay(stderr.String(), dir)); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
}

func startServer(t *testing.T, faults faulty.Faults) *faulty.Server {
	t.Helper()
	s, err := faulty.Start(faults)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// plainReplay puts words in the places of what differs from run to run.
func plainReplay(text, dir string) string {
	text = strings.ReplaceAll(text, dir, "DIR")
	return regexp.MustCompile(`(?m)  in [0-9.]+m?s$`).ReplaceAllString(text, "  in TIME")
}

// TestReplayTotals looks at what the server holds afterwards. One POST has no answer although it counts.
func TestReplayTotals(t *testing.T) {
	dir := replayFiles(t)
	held := map[faulty.Row]int{}
	s := startServer(t, faulty.Faults{Store: func(_ int, rows []faulty.Row) []faulty.Row {
		for _, r := range rows {
			held[r]++
		}
		return rows
	}, Answer: func(post int) int {
		if post == 2 {
			return 0
		}
		return 200
	}})
	var stdout, stderr bytes.Buffer
	args := []string{"replay", "--target", s.URL, "--vpc", "w", "--flows", "1", "--connections", "1", filepath.Join(dir, "own.gz"), filepath.Join(dir, "vpc.log")}
	if code := run(context.Background(), args, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, &stdout, &stderr)
	}
	want := map[faulty.Row]int{
		{SrcApp: "a", DestApp: "b", VPCID: "v", BytesTx: 1, BytesRx: 2, Hour: 2}:                 1,
		{SrcApp: "a", DestApp: "b", VPCID: "v", BytesTx: 10, BytesRx: 20, Hour: 2}:               1,
		{SrcApp: "c", DestApp: "d", VPCID: "v", BytesTx: 5, BytesRx: 5, Hour: 3}:                 1,
		{SrcApp: "10.0.0.1", DestApp: "10.0.0.2", VPCID: "w", BytesTx: 400, BytesRx: 0, Hour: 2}: 1,
	}
	if diff := cmp.Diff(want, held); diff != "" || s.Posts() != 5 {
		t.Errorf("%d POSTs, flows (-want +got):\n%s", s.Posts(), diff)
	}
}

func TestReplayStandardInput(t *testing.T) {
	s := startServer(t, faulty.Faults{})
	var stdout, stderr bytes.Buffer
	c := replayCmd{Files: []string{"-"}, Target: s.URL, Format: "ndjson", Flows: 10, Connections: 1, Timeout: 1e9, Attempts: 1,
		stdin: strings.NewReader(replayNDJSON + "{}\n")}
	err := c.Run(&env{ctx: t.Context(), stdout: &stdout, stderr: &stderr, isTerminal: true})
	want := "read      3  in TIME\nsent      3\nstored    3\nskipped   1\n" +
		"  1: vpc_id is not set; first at standard input:4\n"
	if diff := cmp.Diff(want, plainReplay(stdout.String(), "DIR")); diff != "" || err != nil {
		t.Errorf("error %v, output (-want +got):\n%s", err, diff)
	}
	if stderr.Len() == 0 {
		t.Error("no progress on a terminal")
	}
}

func TestReplayInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := startServer(t, faulty.Faults{Answer: func(int) int { cancel(); return 503 }})
	var stdout, stderr bytes.Buffer
	args := []string{"replay", "--target", s.URL, filepath.Join(replayFiles(t), "own.ndjson")}
	code := run(ctx, args, &stdout, &stderr)
	want := "read      3  in TIME\nsent      3\nstored    0\nrefused   3  by the server; they do not count\n" +
		"  3 flows: the server answered 503: Refused: as the test wants\nskipped   0\n"
	if diff := cmp.Diff(want, plainReplay(stdout.String(), "DIR")); diff != "" || code != 1 || stderr.String() != "flowload: interrupted\n" {
		t.Errorf("exit code %d, errors %q, output (-want +got):\n%s", code, &stderr, diff)
	}
}

func TestReplayUsage(t *testing.T) {
	dir := replayFiles(t)
	file := filepath.Join(dir, "own.ndjson")
	for _, test := range []struct{ args, say string }{
		{"", "expected \"<file> ...\""},
		{filepath.Join(dir, "missing"), "no such file"},
		{dir, "is a directory"},
		{"--format tea " + file, "--format must be one of"},
		{"--flows 0 " + file, "--flows must be 1 to 50000, not 0"},
		{"--target tcp://x " + file, "--target target \"tcp://x\""},
		{"--connections 65 " + file, "--connections must be 1 to 64, not 65"},
	} {
		var stdout, stderr bytes.Buffer
		code := run(context.Background(), append([]string{"replay"}, strings.Fields(test.args)...), &stdout, &stderr)
		if code != exitUsage || !strings.Contains(stderr.String(), test.say) || stdout.Len() > 0 {
			t.Errorf("%q: exit code %d, errors %q", test.args, code, &stderr)
		}
	}
	var help bytes.Buffer
	if code := run(context.Background(), []string{"replay", "--help"}, &help, &help); code != 0 || !strings.Contains(strings.Join(strings.Fields(help.String()), " "), "and counts once") {
		t.Errorf("--help: exit code %d, %s", code, &help)
	}
}
