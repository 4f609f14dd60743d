package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// parse fills a Config as a program would.
func parse(t testing.TB, environ []string, args ...string) (*Config, []Setting, error) {
	t.Helper()
	var grammar struct{ Config }
	loader := NewLoader(environ)
	parser, err := kong.New(&grammar, loader.Options()...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(args); err != nil {
		return nil, nil, err
	}
	return &grammar.Config, loader.Report(&grammar.Config), nil
}

// problems returns what is wrong, with the folder of the test's files cut off the places.
func problems(t testing.TB, err error) string {
	t.Helper()
	var wrong *Error
	if err != nil && !errors.As(err, &wrong) {
		t.Fatalf("got %T (%v), want *Error", err, err)
	}
	if err == nil {
		return ""
	}
	var lines []string
	for line := range strings.SplitSeq(wrong.Error(), "\n") {
		if place, text, ok := strings.Cut(line, ": "); ok && filepath.IsAbs(place) {
			line = filepath.Base(place) + ": " + text
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// write makes a settings file and returns its path.
func write(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "flowd.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaults(t *testing.T) {
	got, report, err := parse(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Listen: "127.0.0.1:8080", LogLevel: "info", LogFormat: LogText,
		AdminListen: "127.0.0.1:8081",
		Data:        "flowd-data", Durability: DurabilityFsync, SyncInterval: time.Second, SegmentBytes: 64 << 20,
		CheckpointInterval: 5 * time.Minute, CheckpointLog: 512 << 20, ParquetFolder: ParquetLink, MemoryBudget: 1 << 30,
		Retention: 90 * 24 * time.Hour, MaxHours: 10_000, MaxAhead: 48 * time.Hour, ClockHold: 24 * time.Hour,
		IdempotencyWindow: 24 * time.Hour, IdempotencyKeys: 1_000_000, MaxAgents: 100_000,
		MaxBodyBytes: 4 << 20, MaxDecodedBytes: 16 << 20, MaxFlows: 50_000, MaxHeaderBytes: 8 << 10,
		MaxInflightBytes: 256 << 20, MaxConnections: 20_000, MaxQueries: 32, MaxGroups: 1_000_000, QueueWait: time.Second,
		RateClients: 100_000, MaxTuplesHour: 5_000_000, MaxTuples: 20_000_000,
		ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		ShutdownTimeout: 15 * time.Second,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	for _, s := range report {
		if s.Source != "default" {
			t.Errorf("%s comes from %s, want default", s.Key, s.Source)
		}
	}
}

func TestPrecedence(t *testing.T) {
	file := write(t, "max-flows: 3\nmax-queries: 3\nqueue-wait: 3s # why\n\n\"shards\": 8\n")
	env := []string{"PATH=/bin", "FLOWD_MAX_FLOWS=2", "FLOWD_MAX_QUERIES=2", "FLOWD_CONFIG=" + file}
	got, report, err := parse(t, env, "--max-flows=1", "--log-format", "json")
	if err != nil {
		t.Fatal(err)
	}
	if got.MaxFlows != 1 || got.MaxQueries != 2 || got.QueueWait != 3*time.Second || got.Shards != 8 || got.LogFormat != LogJSON {
		t.Errorf("got %+v", got)
	}
	sources := map[string]string{}
	for _, s := range report {
		if s.Source != "default" {
			sources[s.Key] = s.Value + " " + strings.ReplaceAll(s.Source, filepath.Dir(file)+"/", "")
		}
	}
	want := map[string]string{
		"max-flows": "1 --max-flows", "log-format": "json --log-format", "max-queries": "2 FLOWD_MAX_QUERIES",
		"config": file + " FLOWD_CONFIG", "queue-wait": "3s flowd.yaml:3", "shards": "8 flowd.yaml:5",
	}
	if diff := cmp.Diff(want, sources); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
}

func TestFileByFlagCoversFileByEnvironment(t *testing.T) {
	got, _, err := parse(t, []string{"FLOWD_CONFIG=/no/such/file"}, "--config", write(t, "max-flows: 7"))
	if err != nil || got.MaxFlows != 7 {
		t.Errorf("got %+v, %v, want max-flows 7", got, err)
	}
}

func TestEverySourceIsReportedTogether(t *testing.T) {
	file := write(t, "listen: here\nlisen: x\nmax-flows: 0\n")
	env := []string{"FLOWD_SHARDS=three", "FLOWD_SHARD=4"}
	_, _, err := parse(t, env, "--config", file, "--queue-wait=soon", "--max-flows=5", "--durability", "sync")
	want := `--queue-wait: "soon" is not a duration such as 500ms, 30s or 2m, from 0s to 1m
--durability: "sync" is not a durability: fsync, interval or none
FLOWD_SHARD: is no setting of flowd (did you mean "FLOWD_SHARDS"?)
FLOWD_SHARDS: "three" is not a whole number from 0 to 1024
flowd.yaml:1: listen: "here" is not an address such as 127.0.0.1:8080, [::1]:8080 or :8080, with a port from 0 to 65535
flowd.yaml:2: unknown key "lisen" (did you mean "listen"?)
flowd.yaml:3: max-flows: "0" is out of range: 1 to 1000000`
	if diff := cmp.Diff(want, problems(t, err)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// TestNoFolder says by every source that there is no folder.
func TestNoFolder(t *testing.T) {
	for _, test := range []struct {
		environ []string
		args    []string
		source  string
	}{
		{nil, []string{"--data=", "--durability=none"}, "--data"},
		{nil, []string{"--data", "", "--durability=none"}, "--data"},
		{[]string{"FLOWD_DATA=", "FLOWD_DURABILITY=none"}, nil, "FLOWD_DATA"},
		{nil, []string{"--config", write(t, "durability: none\ndata: \"\"\n")}, "flowd.yaml:2"},
	} {
		got, report, err := parse(t, test.environ, test.args...)
		if err != nil {
			t.Errorf("%v %v: %v", test.environ, test.args, err)
			continue
		}
		if got.Data != "" || got.Durability != DurabilityNone {
			t.Errorf("%v %v: data %q, durability %s", test.environ, test.args, got.Data, got.Durability)
		}
		for _, s := range report {
			if s.Key == "data" && (s.Value != "" || filepath.Base(s.Source) != test.source) {
				t.Errorf("%v %v: reported as %+v", test.environ, test.args, s)
			}
		}
	}
}

func TestHelpNamesRangeAndVariable(t *testing.T) {
	var grammar struct{ Config }
	var out strings.Builder
	options := append(NewLoader(nil).Options(), kong.Writers(&out, &out), kong.Exit(func(int) {}))
	parser, err := kong.New(&grammar, options...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"--help"}); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{"(1KiB to 1GiB, $FLOWD_MAX_BODY_BYTES)", "($FLOWD_LISTEN)", "(1 to 1000000, reloadable, $FLOWD_MAX_FLOWS)", "(reloadable, $FLOWD_TOKENS_FILE)", "--queue-wait=1s", "--help",
		"(1ms to 1m, $FLOWD_SYNC_INTERVAL)", "--data=flowd-data", "--durability=fsync", "--listen=127.0.0.1:8080", "--insecure Listen", "Access:", "Durability:", "Retention:", "Idempotency:"} {
		if !strings.Contains(text, want) {
			t.Errorf("help lacks %q:\n%s", want, out.String())
		}
	}
}
