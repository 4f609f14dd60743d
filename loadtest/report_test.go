package loadtest

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goccy/go-json"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// rightReport is a report of a closed loop in which nothing went wrong.
func rightReport() *Report {
	return &Report{
		Settings: Settings{
			Target: "http://127.0.0.1:8080", Connections: 16, For: 10,
			WorkloadSettings: WorkloadSettings{
				FlowsPerPost: 100, Tuples: 10000, FirstHour: 482659, Hours: 1, Skew: Uniform, Seed: 1,
				ContentType: "application/json", Encoding: Plain,
			},
		},
		Started: time.Date(2025, 1, 23, 19, 30, 0, 0, time.UTC), Elapsed: 10.0004,
		Writes: Side{
			Requests: 223_456, OK: 223_456, PerSecond: 22_344.7, Flows: 22_345_600, FlowsPerSecond: 2_234_470,
			Bytes: 2_770_854_400, BytesPerSecond: 277_074_000,
			Latency: Latency{P50: 0.000604, P90: 0.00127, P99: 0.00319, P999: 0.00639, Max: 0.0140}, Errors: []ErrorCount{},
		},
		Reads:        Side{Errors: []ErrorCount{}},
		Server:       &Usage{PID: 4117, Name: "flowd", CPUSeconds: 8.3, Cores: 0.83, FlowsPerCoreSecond: 2_692_240, RSS: 23_100_000, PeakRSS: 999_600_000},
		Client:       &Usage{PID: 4118, Name: "flowload", CPUSeconds: 5.7, Cores: 0.57, FlowsPerCoreSecond: 3_920_281, RSS: 16_200_000, PeakRSS: 17_000_000},
		Verification: &Verification{OK: true, Hours: 1, Tuples: 10000, Differences: []Difference{}, BookErrors: []string{}},
	}
}

// wrongReport is a report of an open loop in which all went wrong that can.
func wrongReport() *Report {
	r := rightReport()
	r.Settings.Skew, r.Settings.ZipfS, r.Settings.Hours, r.Settings.FlowsPerPost = Zipf, 1.1, 24, 1
	r.Settings.Encoding, r.Settings.PostsPerSecond, r.Settings.ReadShare, r.Settings.For = Zstandard, 2500.5, 0.1, 600
	r.Settings.HourEvery, r.Elapsed, r.Interrupted = 60, 300, true
	r.Footprints = []Footprint{{1, 10e6, 0}, {2, 30e6, 1e6}, {3, 80e6, 500e6}, {4, 80e6, 1e9}, {5, 40e6, 0.9e9}}
	r.Due, r.Late, r.Unsent = 833_500, 40_000, 10_000
	r.Writes.Errors = []ErrorCount{
		{Status: 413, Count: 1, Example: "Content Too Large: the body is over 4 MiB"},
		{Status: 503, Count: 5000, Example: "<html>\n  <h1>Overloaded</h1>\n</html>"},
		{Kind: failedTimeout, Count: 2, Example: "read tcp 127.0.0.1:1->127.0.0.1:2: i/o timeout"},
	}
	r.Reads = Side{
		Requests: 20, PerSecond: 0, Errors: []ErrorCount{{Kind: failedConnect, Count: 20, Example: "connection refused"}},
	}
	r.Server, r.ServerUnseen, r.Client = nil, "192.0.2.1:80 is not on this machine's loopback", nil
	r.Verification = &Verification{
		Hours: 24, Tuples: 240_000, Unanswered: 2, Miscounted: 1, DifferenceCount: 21,
		Differences: []Difference{
			{Hour: 482659, SrcApp: "cart-1", DestApp: "web-2", VPCID: "vpc-0", Has: Bytes{1, 2}, Least: Bytes{3, 4}, Most: Bytes{3, 4},
				What: "hour 482659, cart-1 to web-2 in vpc-0 differs: the server has tx 1 rx 2, it was given tx 3 rx 4"},
		},
		ExpiredHours: 3, Expired: Amount{300, Bytes{3000, 4000}}, Lost: Amount{1, Bytes{2, 2}}, CountedTwice: Amount{0, Bytes{0, 7}},
		BookErrorCount: 1, BookErrors: []string{"the ledger says of itself that it is not balanced"},
	}
	return r
}

func TestReportText(t *testing.T) {
	unverified := rightReport()
	unverified.Verification = nil
	for name, r := range map[string]*Report{"right.txt": rightReport(), "wrong.txt": wrongReport(), "unverified.txt": unverified} {
		var b bytes.Buffer
		if err := r.WriteText(&b); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.Bytes())
	}
}

func TestReportJSON(t *testing.T) {
	for name, r := range map[string]*Report{"right.json": rightReport(), "wrong.json": wrongReport()} {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, append(text, '\n'))
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "report", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got); if that is meant, run the test with -update:\n%s", path, diff)
	}
}

func TestSeconds(t *testing.T) {
	for s, want := range map[float64]string{
		0: "0.00µs", 1e-6: "1.00µs", 0.000604: "604µs", 0.0009996: "1.00ms", 0.01: "10.0ms", 0.9999: "1.00s", 12.34: "12.3s",
		59.96: "1m0s", 3600: "1h0m0s",
	} {
		if got := seconds(s); got != want {
			t.Errorf("%v seconds are written %q, want %q", s, got, want)
		}
	}
}

func TestSI(t *testing.T) {
	for _, c := range []struct {
		value      float64
		unit, want string
	}{
		{0, "", "0.00"}, {0, "B", "0.00 B"}, {12.34, "", "12.3"}, {999.4, "", "999"}, {999.6, "", "1.00 k"},
		{1234, "B", "1.23 kB"}, {999_600, "", "1.00 M"}, {2.5e9, "B", "2.50 GB"}, {5e12, "B", "5000 GB"},
	} {
		if got := si(c.value, c.unit); got != c.want {
			t.Errorf("%v %s is written %q, want %q", c.value, c.unit, got, c.want)
		}
	}
}

func TestExamplesAreExplained(t *testing.T) {
	for text, want := range map[string]string{
		`{"type":"about:blank","title":"Bad Request","status":400,"detail":"no hour"}`: "Bad Request: no hour",
		`{"detail":"no hour"}`:    "no hour",
		`{"title":"Bad Request"}`: "Bad Request",
		`{"error":"other"}`:       `{"error":"other"}`,
		`{"title":"cut of`:        `{"title":"cut of`,
		"":                        "",
	} {
		if got := (&outcome{example: text}).explain(); got != want {
			t.Errorf("%s is explained as %q, want %q", text, got, want)
		}
	}
}

func TestRecorderMerges(t *testing.T) {
	a, b := newRecorder(), newRecorder()
	a.record(&result{status: 200, latency: 2 * time.Millisecond, flows: 3, bytes: 30})
	a.record(&result{status: 503, detail: []byte("first")})
	a.record(&result{err: io.EOF})
	b.record(&result{status: 503, detail: []byte("second")})
	b.record(&result{status: 200, latency: 100 * time.Hour, flows: 4, bytes: 40, late: true})
	b.record(&result{read: true, status: 200, bytes: 50})
	writes, reads, late := (&load{recorders: []*recorder{a, b}}).totals()
	if writes.ok != 2 || writes.flows != 7 || writes.bytes != 70 || writes.requests() != 5 || late != 1 {
		t.Errorf("writes %+v, late %d", writes, late)
	}
	if reads.ok != 1 || reads.flows != 0 || reads.bytes != 50 || reads.failed() != 0 {
		t.Errorf("reads %+v", reads)
	}
	if o := writes.statuses[503]; o.count != 2 || o.example != "first" {
		t.Errorf("status 503: %+v", *o)
	}
	// A latency beyond the range is kept at its end instead of lost.
	if l := latencyOf(writes.latency); l.P50 > 0.0021 || l.Max < 86400 {
		t.Errorf("latencies %+v", l)
	}
}

func TestAcceptedAll(t *testing.T) {
	for text, want := range map[string]bool{
		`{"accepted":12,"duplicate":false}`:     true,
		`{"accepted":12}`:                       true,
		`{ "duplicate":false, "accepted": 12 }`: true,
		`{"accepted":123}`:                      false,
		`{"accepted":1}`:                        false,
		`{"accepted":0,"duplicate":false}`:      false,
		`{"accepted":12`:                        true,
		`{}`:                                    true,
		``:                                      true,
		`OK`:                                    true,
	} {
		if got := acceptedAll([]byte(text), 12); got != want {
			t.Errorf("%q says that 12 flows were accepted: %v, want %v", text, got, want)
		}
	}
}

// The bar says how fast it goes, and is gone in the end.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var drawn bytes.Buffer
		o := bubbleRun()
		o.Reads, o.For, o.Progress = 0.5, 10*time.Second, &drawn
		server := newPipeServer(func(request int, _ bool) bool { return request != 1 })
		if _, err := runIn(t.Context(), server.outside(), o); err != nil {
			t.Fatal(err)
		}
		text := drawn.String()
		for _, want := range []string{"flows/s, 1.00 k reads/s, 1 failed", "50%"} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in %q", want, text)
			}
		}
		if end := text[strings.LastIndex(text[:len(text)-1], "\r"):]; strings.TrimSpace(end) != "" {
			t.Errorf("it ends with %q", end)
		}
	})
}

// failing is a writer without room.
type failing struct{}

var errNoRoom = errors.New("no room")

func (failing) Write([]byte) (int, error) { return 0, errNoRoom }

func TestReportTellsWhenItCannotBeWritten(t *testing.T) {
	for _, err := range []error{rightReport().WriteText(failing{}), (&Step{}).WriteText(failing{}), (&MaxReport{}).WriteText(failing{})} {
		if !errors.Is(err, errNoRoom) {
			t.Errorf("error %v", err)
		}
	}
}
