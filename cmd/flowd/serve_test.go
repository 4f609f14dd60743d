package main

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func TestSignalStops(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		s := start(t)
		if status, _, err := s.get("/readyz"); status != http.StatusOK {
			t.Errorf("readyz: %d, %v, want 200", status, err)
		}
		s.signal(signal)
		if stderr := s.exits(exitOK); !strings.Contains(stderr, "msg=stopped") {
			t.Errorf("%v: stderr does not tell of the stop:\n%s", signal, stderr)
		}
	}
}

func TestStopFinishesWhatIsUnderWay(t *testing.T) {
	s := start(t)
	post := s.beginPost()
	s.signal(syscall.SIGTERM)
	s.until("new connections are refused", s.refuses)
	if status := post.finish(); status != http.StatusOK {
		t.Errorf("the request under way got %d, want 200", status)
	}
	s.exits(exitOK)
}

func TestStopEndsIdleConnections(t *testing.T) {
	s := start(t)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Get("http://" + s.address + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	s.signal(syscall.SIGTERM)
	s.exits(exitOK)
}

func TestStopIsUnreadyFirst(t *testing.T) {
	s := start(t, "--drain-delay=10m", "--log-format=json")
	s.signal(syscall.SIGTERM)
	s.until("readyz is 503", func() bool {
		status, _, _ := s.get("/readyz")
		return status == http.StatusServiceUnavailable
	})
	if status, _, err := s.get("/livez"); status != http.StatusOK {
		t.Errorf("livez while draining: %d, %v, want 200", status, err)
	}
	s.signal(syscall.SIGTERM)
	stderr := s.exits(exitRuntime)
	if !strings.Contains(stderr, "flowd: second signal (SIGTERM): ended at once, requests under way were cut") {
		t.Errorf("stderr does not tell of the second signal:\n%s", stderr)
	}
}

func TestDrainDelayEnds(t *testing.T) {
	s := start(t, "--drain-delay=10ms")
	s.signal(syscall.SIGTERM)
	s.exits(exitOK)
}

func TestSecondSignalCutsWhatIsUnderWay(t *testing.T) {
	s := start(t, "--shutdown-timeout=1h", "--read-timeout=1h")
	s.beginPost()
	s.signal(syscall.SIGTERM)
	s.until("new connections are refused", s.refuses)
	s.signal(syscall.SIGINT)
	if stderr := s.exits(exitRuntime); !strings.Contains(stderr, "flowd: second signal (SIGINT)") {
		t.Errorf("stderr does not tell of the second signal:\n%s", stderr)
	}
}

func TestDeadlineCutsWhatIsUnderWay(t *testing.T) {
	s := start(t, "--shutdown-timeout=100ms")
	s.beginPost()
	s.signal(syscall.SIGTERM)
	if stderr := s.exits(exitRuntime); !strings.Contains(stderr, "shutdown-timeout of 100ms") {
		t.Errorf("stderr does not tell what was cut:\n%s", stderr)
	}
}

// TestContextStops runs the whole program inside of the test, whose goroutines are counted.
func TestContextStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var stderr bytes.Buffer
	args := []string{"serve", "--listen=127.0.0.1:0", "--data=" + t.TempDir()}
	if code := run(ctx, args, nil, cancelOnWrite{cancel}, &stderr); code != exitOK {
		t.Errorf("exit code %d, want 0; on stderr:\n%s", code, stderr.String())
	}
}

// cancelOnWrite is a stdout that ends the program as soon as it says that it serves.
type cancelOnWrite struct{ cancel context.CancelFunc }

func (c cancelOnWrite) Write(p []byte) (int, error) {
	c.cancel()
	return len(p), nil
}

func TestMetricsOfShards(t *testing.T) {
	s := start(t, "--shards=2")
	s.beginPost().finish()
	// A shard publishes its figures after the batch that it has answered for.
	s.until("the flow is in the metrics", func() bool {
		_, text, _ := s.get("/metrics")
		return strings.Contains(text, "flowd_shard_flows_total{shard=\"0\"} 1\n") || strings.Contains(text, "flowd_shard_flows_total{shard=\"1\"} 1\n")
	})
	_, text, err := s.get("/metrics")
	for _, line := range []string{
		"# TYPE flowd_tuples gauge\n", "flowd_shard_queue_depth{shard=\"1\"} 0\n", "flowd_totals_saturated_total 0\n",
		"# TYPE flowd_shard_flows_total counter\n", "flowd_table_bytes{shard=\"0\"} ", "flowd_hours_in_memory{shard=\"0\"} ", "flowd_ledger_imbalance{unit=\"flows\"} 0\n",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("metrics (%v) lack %q:\n%s", err, line, text)
		}
	}
}

func TestQuickStart(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("curl is missing, and with CI=true no test is left out")
		}
		t.Skip("curl is missing")
	}
	s := start(t)
	out, err := exec.Command("sh", "test.sh", "http://"+s.address).CombinedOutput()
	if err != nil || !bytes.HasSuffix(out, []byte("all as expected\n")) {
		t.Fatalf("test.sh: %v\n%s", err, out)
	}
	if _, body, err := s.get("/flows?hour=3"); body != "[]" {
		t.Errorf("hour 3: %q, %v, want []", body, err)
	}
	out, err = exec.Command("sh", "test.sh", "http://"+s.address).CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("is no fresh server")) {
		t.Errorf("test.sh on a server that has flows: %v\n%s", err, out)
	}
	s.signal(syscall.SIGTERM)
	s.exits(exitOK)
}
