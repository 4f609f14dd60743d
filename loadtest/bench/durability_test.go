package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"flowd/block"
	"flowd/disk"
	"flowd/flow"
	"flowd/store/manifest"
)

func TestParseReplayed(t *testing.T) {
	const head = `time=2026-01-02T03:04:05.678Z level=INFO msg=started listen=127.0.0.1:1` + "\n"
	for _, test := range []struct {
		output string
		flows  uint64
		took   time.Duration
		fails  string
	}{
		{head + `time=x level=INFO msg="replayed the log" records=40 flows=4000000 took=812ms` + "\n", 4_000_000, 812 * time.Millisecond, ""},
		{head + `time=x level=INFO msg="replayed the log" records=40 flows=7 took=1m2.5s` + "\nmore\n", 7, 62_500 * time.Millisecond, ""},
		{head, 0, 0, "does not say that it replayed"},
		{`msg="replayed the log" records=1 flows=1 took=0s` + "\n", 0, 0, "too short to measure"},
		{`msg="replayed the log" records=1 flows=1 took=soon` + "\n", 0, 0, "invalid duration"},
	} {
		r, err := parseReplayed(test.output)
		if test.fails != "" {
			if err == nil || !strings.Contains(err.Error(), test.fails) {
				t.Errorf("%q: error %v, want %q", test.output, err, test.fails)
			}
		} else if err != nil || r.flows != test.flows || r.took != test.took {
			t.Errorf("%q: %+v, error %v", test.output, r, err)
		}
	}
}

func TestPageWriter(t *testing.T) {
	w, err := newPageWriter(filepath.Join(t.TempDir(), "pages"))
	if err != nil {
		t.Fatal(err)
	}
	w.at = pagesBytes - pageBytes
	for _, want := range []int64{0, pageBytes} {
		if took, err := w.write(); err != nil || took <= 0 || w.at != want {
			t.Errorf("took %v, error %v, goes on at %d, want %d", took, err, w.at, want)
		}
	}
	if size, err := w.file.Size(); err != nil || size != pagesBytes {
		t.Errorf("%d bytes, error %v: a file that grows is synced with its size", size, err)
	}
	if err := w.file.Close(); err != nil {
		t.Error(err)
	}
}

func TestWriteHours(t *testing.T) {
	const tuples = 5000
	rows, err := startRows(tuples)
	if err != nil || len(rows) != tuples {
		t.Fatalf("%d rows, error %v", len(rows), err)
	}
	dir := t.TempDir()
	size, err := writeHours(t.Context(), dir, firstHour(), rows)
	if err != nil {
		t.Fatal(err)
	}
	m, err := manifest.Read(disk.OS, dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Hours) != startHours || m.Ledger.Stored.Flows != startHours*tuples || m.Ledger.Received != m.Ledger.Stored {
		t.Errorf("%d hours, ledger %+v", len(m.Hours), m.Ledger)
	}
	for _, hour := range m.Hours {
		if err := block.Verify(disk.OS, dir, hour.Block); err != nil || hour.Tuples != tuples || hour.Block.Size != size {
			t.Errorf("hour %d: %d tuples, %d bytes, error %v", hour.Hour, hour.Tuples, hour.Block.Size, err)
		}
	}
	last := m.Hours[startHours-1]
	read, err := block.Open(disk.OS, dir, last.Block)
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	seen := map[string]bool{}
	for buf := make([]flow.Row, 999); ; {
		n := read.Next(buf)
		if n == 0 {
			break
		}
		for i, r := range buf[:n] {
			if want := rows[len(seen)]; !slices.Equal(r.Key, want.Key) || r.Totals != want.Totals || r.Hour != last.Hour {
				t.Fatalf("row %d of %d, place %d: %+v, want %+v of hour %d", len(seen), tuples, i, r, want, last.Hour)
			}
			seen[string(r.Key)] = true
		}
	}
	if len(seen) != tuples || read.Err() != nil {
		t.Errorf("%d tuples, error %v", len(seen), read.Err())
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := writeHours(cancelled, t.TempDir(), 1, rows); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v of a cancelled run", err)
	}
}

// newDouble returns a server that handle makes.
func newDouble(t *testing.T, handle http.HandlerFunc) *server {
	t.Helper()
	double := httptest.NewServer(handle)
	t.Cleanup(double.Close)
	return &server{name: "double", url: double.URL, path: "/flows", contentType: "application/json", status: http.StatusOK}
}

func TestPoster(t *testing.T) {
	requests := make(chan string, 10)
	s := newDouble(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests <- fmt.Sprintf("%s %s %s %s", r.Method, r.URL.Path, r.Header.Get("Content-Type"), body)
		if string(body) == "bad" {
			http.Error(w, "no flows", http.StatusBadRequest)
		}
	})
	if err := postAll(t.Context(), s, 10, slices.Values([][]byte{[]byte("a"), []byte("bc")})); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"POST /flows application/json a", "POST /flows application/json bc"} {
		if got := <-requests; got != want {
			t.Errorf("the request is %q, not %q", got, want)
		}
	}
	if s.posted != 20 {
		t.Errorf("posted %d flows", s.posted)
	}
	err := postAll(t.Context(), s, 1, slices.Values([][]byte{[]byte("bad"), []byte("never")}))
	if err == nil || err.Error() != `double answered 400 Bad Request, not 200: "no flows\n"` || s.posted != 20 {
		t.Errorf("%d flows posted, error %v", s.posted, err)
	}
}

func TestAwait(t *testing.T) {
	asked := 0
	s := newDouble(t, func(w http.ResponseWriter, _ *http.Request) {
		asked++
		fmt.Fprintf(w, "# HELP spares Number.\nspares_all 9\nspares %d\n", asked)
	})
	if err := s.await(t.Context(), "spares", func(n float64) bool { return n >= 3 }); err != nil || asked != 3 {
		t.Errorf("asked %d times, error %v", asked, err)
	}
	if err := s.await(t.Context(), "other", nil); err == nil || err.Error() != "double has no metric other" {
		t.Errorf("error %v of a metric that is not there", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := s.await(ctx, "spares", func(float64) bool {
		cancel()
		return false
	})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "spares stays at 5") {
		t.Errorf("error %v of a wait that was ended", err)
	}
}

// TestDurabilityOfFlowd measures the real server for a moment: what is measured is checked by the
// parts themselves, which compare what came back with what was answered.
func TestDurabilityOfFlowd(t *testing.T) {
	runtime.LockOSThread() // the servers end with it
	b := bench{
		options: options{Rounds: 2, For: 100 * time.Millisecond, WarmUp: 10 * time.Millisecond, Connections: 2},
		dir:     t.TempDir(), log: t.Output(),
	}
	t.Setenv("CGO_ENABLED", "0") // as released, and as other tests build flowd: Go compiles it once
	if err := b.build(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.Dir = t.TempDir()
	for _, scenario := range scenarios {
		if scenario.name == "one flow per POST" || scenario.name == "replaying the log" {
			scenario.disk = false // the figures are looked at by no one
			if err := b.runScenario(t.Context(), scenario); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(b.table.rows) != 4 || b.table.missing() > 0 {
		t.Errorf("rows %+v, want 4", b.table.rows)
	}
	for _, r := range b.table.rows {
		if r.flowd == "" || r.what[:3] == "log" && r.verdict != "yes" {
			t.Errorf("row %+v", r)
		}
	}
}
