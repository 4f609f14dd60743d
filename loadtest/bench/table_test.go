package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const goOutput = `goos: linux
pkg: flowd/flow
BenchmarkDecode/usual/flowd-2         	  285714	      4211 ns/op	2500.10 MB/s	        42.1 ns/flow	       0 B/op	       0 allocs/op
BenchmarkDecode/usual/flowd-2         	  285714	      4411 ns/op	2500.10 MB/s	        44.1 ns/flow	       0 B/op	       0 allocs/op
BenchmarkDecode/usual/flowd-2         	  285714	      4311 ns/op	2500.10 MB/s	        43.1 ns/flow	       0 B/op	       0 allocs/op
BenchmarkDecode/usual/gojson-2        	   95000	     12600 ns/op	       129.3 ns/flow	   26896 B/op	     301 allocs/op
BenchmarkApply/tuples=10000/flowd     	      10	      4211 ns/op
BenchmarkBroken
BenchmarkBroken-2 --- FAIL
PASS
ok  	flowd/flow	4.321s
`

func TestParse(t *testing.T) {
	m := metrics{}
	m.parse(goOutput)
	want := metrics{
		"Decode/usual/flowd":       {"ns/op": {4211, 4411, 4311}, "MB/s": {2500.1, 2500.1, 2500.1}, "ns/flow": {42.1, 44.1, 43.1}, "B/op": {0, 0, 0}, "allocs/op": {0, 0, 0}},
		"Decode/usual/gojson":      {"ns/op": {12600}, "ns/flow": {129.3}, "B/op": {26896}, "allocs/op": {301}},
		"Apply/tuples=10000/flowd": {"ns/op": {4211}},
	}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

func TestTrimProcessors(t *testing.T) {
	for name, want := range map[string]string{
		"Apply/tuples=10000/flowd-16": "Apply/tuples=10000/flowd",
		"Apply/tuples=10000/flowd":    "Apply/tuples=10000/flowd",
		"Answer/go-json":              "Answer/go-json",
		"Answer/go-json-2":            "Answer/go-json",
	} {
		if got := trimProcessors(name); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}

func TestAddRow(t *testing.T) {
	m := metrics{}
	m.parse(goOutput)
	for _, test := range []struct {
		name   string
		row    goRow
		failed map[string]string
		want   []string
	}{
		{"reached", goRow{what: "decoding", flowd: "Decode/usual/flowd", rival: "Decode/usual/gojson", rivalName: "go-json", metric: "ns/flow", unit: "ns", goal: 2.5}, nil,
			[]string{"decoding", "43.1 ns", "go-json 129 ns", "3.00", "≥ 2.5", "yes"}},
		{"not reached", goRow{what: "decoding", flowd: "Decode/usual/flowd", rival: "Decode/usual/gojson", rivalName: "go-json", metric: "ns/flow", unit: "ns", goal: 3.5}, nil,
			[]string{"decoding", "43.1 ns", "go-json 129 ns", "3.00", "≥ 3.5", "no"}},
		{"bound kept", goRow{what: "allocations", flowd: "Decode/usual/flowd", metric: "allocs/op"}, nil, []string{"allocations", "0", "", "", "≤ 0", "yes"}},
		{"bound passed", goRow{what: "memory", flowd: "Decode/usual/gojson", metric: "B/op", unit: "B", most: 20_000}, nil, []string{"memory", "26.9 kB", "", "", "≤ 20.0 kB", "no"}},
		{"more is better", goRow{what: "decoding", flowd: "Decode/usual/flowd", rival: "Apply/tuples=10000/flowd", rivalName: "x", metric: "ns/op", unit: "ns", higher: true, goal: 1.1}, nil,
			[]string{"decoding", "4311 ns", "x 4211 ns", "1.02", "≥ 1.1", "no"}},
		{"no benchmark", goRow{what: "decoding", flowd: "Decode/odd/flowd", metric: "ns/op"}, nil, []string{"decoding", "", "", "", "", "missing: there is no BenchmarkDecode/odd/flowd"}},
		{"no rival", goRow{what: "adding", flowd: "Apply/tuples=10000/flowd", rival: "Apply/tuples=10000/map", metric: "ns/op"}, nil, []string{"adding", "", "", "", "", "missing: there is no BenchmarkApply/tuples=10000/map"}},
		{"no metric", goRow{what: "adding", flowd: "Apply/tuples=10000/flowd", metric: "ns/flow"}, nil, []string{"adding", "", "", "", "", "missing: BenchmarkApply/tuples=10000/flowd does not report ns/flow"}},
		{"failed", goRow{what: "memory", flowd: "Memory/flowd", metric: "gc-ms"}, map[string]string{"Memory": "exit status 2"}, []string{"memory", "", "", "", "", "missing: exit status 2"}},
	} {
		var tab table
		m.addRow(&tab, test.row, test.failed)
		if diff := cmp.Diff(test.want, tab.rows[0].cells()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if missing := tab.missing() == 1; missing != strings.HasPrefix(test.want[5], "missing") {
			t.Errorf("%s: counted as missing: %v", test.name, missing)
		}
	}
}

// TestGoRowsHaveRuns holds that each row's benchmarks are run at all.
func TestGoRowsHaveRuns(t *testing.T) {
	for _, suite := range []goSuite{memorySuite, blockSuite, blockQuestions} {
		run := map[string]bool{}
		for _, r := range suite.runs {
			run[r.name] = true
		}
		for _, r := range suite.rows {
			for _, name := range []string{r.flowd, r.rival} {
				if benchmark, _, _ := strings.Cut(name, "/"); name != "" && !run[benchmark] {
					t.Errorf("row %q: nothing runs %s", r.what, name)
				}
			}
		}
	}
}

func TestFigure(t *testing.T) {
	for _, test := range []struct {
		v    float64
		unit string
		want string
	}{
		{0, "", "0"}, {0.5, "ms", "0.50 ms"}, {9.994, "", "9.99"}, {12.34, "", "12.3"}, {123.4, "ns", "123 ns"}, {9999, "", "9999"},
		{12_345, "flows/s", "12.3 k flows/s"}, {4_210_000, "flows/s", "4.21 M flows/s"}, {56e6, "", "56.0 M"}, {33_000, "B", "33.0 kB"}, {16, "B", "16.0 B"},
	} {
		if got := figure(test.v, test.unit); got != test.want {
			t.Errorf("figure(%v, %q) is %q, want %q", test.v, test.unit, got, test.want)
		}
	}
}

func TestMedianAndSpread(t *testing.T) {
	for _, test := range []struct {
		values         []float64
		median, spread float64
	}{
		{[]float64{4}, 4, 0},
		{[]float64{5, 3, 4}, 4, 0.5},
		{[]float64{8, 2, 4, 6}, 5, 1.2},
	} {
		if m, s := median(test.values), spread(test.values); m != test.median || s != test.spread {
			t.Errorf("%v: median %v, spread %v", test.values, m, s)
		}
	}
}

func TestTakingRows(t *testing.T) {
	three := func(flows float64) map[string][]float64 {
		return map[string][]float64{bySecond: {flows, flows * 1.1, flows * 0.9}, byCore: {2 * flows, 2.2 * flows, 1.8 * flows}}
	}
	b := bench{options: options{Rounds: 3, For: time.Second}}
	b.takingRows(sizes[1], found{ceilingName: three(1000), flowdName: three(500)})
	if n := b.table.missing(); n != 1 {
		t.Errorf("%d rows are missing, want one without VictoriaMetrics", n)
	}
	want := []string{"taking flows, 100 per POST, per server core", "1000 flows/s", "ceiling 2000 flows/s", "0.50", "≥ 0.42", "yes"}
	if diff := cmp.Diff(want, b.table.rows[1].cells()); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
	if note := b.table.notes[0]; !strings.Contains(note, "differ by up to 20%") {
		t.Errorf("note %q", note)
	}
}

// Each part of --parts has scenarios, and each scenario a part and a name of its own.
func TestScenarios(t *testing.T) {
	parts, names := map[string]bool{}, map[string]bool{}
	for _, s := range scenarios {
		if names[s.name] || s.open == nil {
			t.Errorf("scenario %q is there twice, or measures nothing", s.name)
		}
		parts[s.part], names[s.name] = true, true
	}
	for _, part := range []string{"ingest", "latency", "go", "questions", "access", "durability", "slowloris"} {
		if !parts[part] {
			t.Errorf("part %s has no scenario", part)
		}
	}
}

func TestCompareWithABound(t *testing.T) {
	for _, test := range []struct {
		flowd, rival float64
		want         []string
	}{
		{160, 100, []string{"a", "160 µs", "disk 100 µs", "1.60", "≤ 1.6", "yes"}},
		{161, 100, []string{"a", "161 µs", "disk 100 µs", "1.61", "≤ 1.6", "no"}},
	} {
		var tab table
		tab.compare(comparison{what: "a", rivalName: "disk", flowd: test.flowd, rival: test.rival, lower: true, unit: "µs", most: 1.6})
		if diff := cmp.Diff(test.want, tab.rows[0].cells()); diff != "" {
			t.Errorf("%v beside %v (-want +got):\n%s", test.flowd, test.rival, diff)
		}
	}
}

func TestFormats(t *testing.T) {
	var tab table
	tab.compare(comparison{what: "a|b", rivalName: "x", flowd: 2, rival: 1, goal: 1})
	tab.miss("c", "none")
	tab.note("In %d run.", 1)
	var text, markdown strings.Builder
	tab.text(&text)
	tab.markdown(&markdown)
	wantText := "measured  flowd  beside it  ratio  goal  reached\n" +
		"a|b       2.00   x 1.00     2.00   ≥ 1   yes\n" +
		"c                                        missing: none\n\nIn 1 run.\n"
	wantMarkdown := "| measured | flowd | beside it | ratio | goal | reached |\n|---|---:|---:|---:|---:|---|\n" +
		"| a\\|b | 2.00 | x 1.00 | 2.00 | ≥ 1 | yes |\n| c |  |  |  |  | missing: none |\n\nIn 1 run.\n"
	if diff := cmp.Diff(wantText, text.String()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantMarkdown, markdown.String()); diff != "" {
		t.Errorf("Markdown (-want +got):\n%s", diff)
	}
}

func TestCommandLine(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
		say  string
	}{
		{[]string{"--help"}, 0, "Measures flowd"},
		{[]string{"--rounds", "0"}, 2, "must be over 0"},
		{[]string{"--parts", "ingest,tea"}, 2, `must be one of`},
		{[]string{"stray"}, 2, "unexpected argument stray"},
	} {
		var out strings.Builder
		if code := run(context.Background(), test.args, &out, &out); code != test.code || !strings.Contains(out.String(), test.say) {
			t.Errorf("%q: code %d, output %q; want %d, %q", test.args, code, out.String(), test.code, test.say)
		}
	}
}
