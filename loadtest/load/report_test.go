package load

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

	"flowd/loadtest"
	"flowd/loadtest/verify"

	"github.com/goccy/go-json"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// rightReport is a report of a closed loop in which nothing went wrong.
func rightReport() *Report {
	return &Report{
		Settings: Settings{
			Target: "http://127.0.0.1:8080", Connections: 16, For: 10,
			WorkloadSettings: loadtest.WorkloadSettings{
				FlowsPerPost: 100, Tuples: 10000, FirstHour: 482659, Hours: 1, Skew: loadtest.Uniform, Seed: 1,
				ContentType: "application/json", Encoding: loadtest.Plain,
			},
		},
		Started: time.Date(2025, 1, 23, 19, 30, 0, 0, time.UTC), Elapsed: 10.0004,
		Writes: Side{
			Requests: 223_456, OK: 223_456, PerSecond: 22_344.7, Flows: 22_345_600, FlowsPerSecond: 2_234_470,
			Bytes: 2_770_854_400, BytesPerSecond: 277_074_000,
			Latency: Latency{P50: 0.000604, P90: 0.00127, P99: 0.00319, P999: 0.00639, Max: 0.0140}, Errors: []loadtest.ErrorCount{},
		},
		Reads:        Side{Errors: []loadtest.ErrorCount{}},
		Server:       &Usage{PID: 4117, Name: "flowd", CPUSeconds: 8.3, Cores: 0.83, FlowsPerCoreSecond: 2_692_240, RSS: 23_100_000, PeakRSS: 999_600_000},
		Client:       &Usage{PID: 4118, Name: "flowload", CPUSeconds: 5.7, Cores: 0.57, FlowsPerCoreSecond: 3_920_281, RSS: 16_200_000, PeakRSS: 17_000_000},
		Verification: &verify.Verification{OK: true, Hours: 1, Tuples: 10000, Differences: []verify.Difference{}, TotalsErrors: []string{}},
	}
}

// wrongReport is a report of an open loop in which all went wrong that can.
func wrongReport() *Report {
	r := rightReport()
	r.Settings.Skew, r.Settings.ZipfS, r.Settings.Hours, r.Settings.FlowsPerPost = loadtest.Zipf, 1.1, 24, 1
	r.Settings.Encoding, r.Settings.PostsPerSecond, r.Settings.ReadShare, r.Settings.For = loadtest.Zstandard, 2500.5, 0.1, 600
	r.Settings.HourEvery, r.Elapsed, r.Interrupted = 60, 300, true
	r.Footprints = []Footprint{{1, 10e6, 0}, {2, 30e6, 1e6}, {3, 80e6, 500e6}, {4, 80e6, 1e9}, {5, 40e6, 0.9e9}}
	r.Due, r.Late, r.Unsent = 833_500, 40_000, 10_000
	r.Writes.Errors = []loadtest.ErrorCount{
		{Status: 413, Count: 1, Example: "Content Too Large: the body is over 4 MiB"},
		{Status: 503, Count: 5000, Example: "<html>\n  <h1>Overloaded</h1>\n</html>"},
		{Kind: "timeout", Count: 2, Example: "read tcp 127.0.0.1:1->127.0.0.1:2: i/o timeout"},
	}
	r.Reads = Side{
		Requests: 20, PerSecond: 0, Errors: []loadtest.ErrorCount{{Kind: "connect", Count: 20, Example: "connection refused"}},
	}
	r.Server, r.ServerUnseen, r.Client = nil, "192.0.2.1:80 is not on this machine's loopback", nil
	r.Verification = &verify.Verification{
		Hours: 24, Tuples: 240_000, Unanswered: 2, Miscounted: 1, DifferenceCount: 21,
		Differences: []verify.Difference{
			{Hour: 482659, SrcApp: "cart-1", DestApp: "web-2", VPCID: "vpc-0", Has: verify.Bytes{Tx: 1, Rx: 2}, Least: verify.Bytes{Tx: 3, Rx: 4}, Most: verify.Bytes{Tx: 3, Rx: 4},
				What: "hour 482659, cart-1 to web-2 in vpc-0 differs: the server has tx 1 rx 2, it was given tx 3 rx 4"},
		},
		ExpiredHours: 3, Expired: verify.Amount{Flows: 300, Bytes: verify.Bytes{Tx: 3000, Rx: 4000}}, Lost: verify.Amount{Flows: 1, Bytes: verify.Bytes{Tx: 2, Rx: 2}}, CountedTwice: verify.Amount{Flows: 0, Bytes: verify.Bytes{Tx: 0, Rx: 7}},
		TotalsErrorCount: 1, TotalsErrors: []string{"the ledger says of itself that it is not balanced"},
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
	if reads.ok != 1 || reads.flows != 0 || reads.bytes != 50 || reads.Count() != 0 {
		t.Errorf("reads %+v", reads)
	}
	if list := writes.List(); len(list) != 2 || list[0].Status != 503 || list[0].Count != 2 || list[0].Example != "first" {
		t.Errorf("errors %+v", list)
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
		if _, err := runIn(t.Context(), server.environment(), o); err != nil {
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
