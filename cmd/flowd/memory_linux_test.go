package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"flowd/loadtest"
)

// memoryTrial is a server that lives in a limit of memory under a load that is too much for it.
type memoryTrial struct {
	limit   int64
	tuples  int
	logged  int           // flows in the log that is replayed in the limit
	load    time.Duration // at a time
	atLeast time.Duration // in all
}

// memoryTrials are short; FLOWD_MEMORY_TRIALS=all, as of make memory, takes longer ones.
func memoryTrials() []memoryTrial {
	if os.Getenv("FLOWD_MEMORY_TRIALS") != "all" {
		return []memoryTrial{{limit: 128 << 20, tuples: 1_500_000, logged: 1_500_000, load: 2 * time.Second}}
	}
	var all []memoryTrial
	for _, limit := range []int64{128 << 20, 300 << 20, 512 << 20} {
		all = append(all, memoryTrial{limit, 8_000_000, 12_000_000, 20 * time.Second, time.Minute})
	}
	return all
}

// TestLivesWithinItsMemory has a server with default settings take more than fits its cgroup: it refuses, and is
// never killed by the kernel; killed by us, it starts again in the same limit, and nothing is lost. Nor is it when
// the log that it finds is longer than its memory.
func TestLivesWithinItsMemory(t *testing.T) {
	for _, trial := range memoryTrials() {
		t.Run(fmt.Sprintf("%dMiB", trial.limit>>20), func(t *testing.T) { trial.run(t) })
	}
}

// recoveryPatience is how long a start may take that writes hours time and again.
const recoveryPatience = 10 * time.Minute

func (trial memoryTrial) run(t *testing.T) {
	group := newCgroup(t, trial.limit)
	program := builtWithoutRace(t)
	data := filepath.Join(t.TempDir(), "data")
	// Tuples are not folded, so that each can be compared.
	inside := func() *server {
		t.Helper()
		return startWithin(t, recoveryPatience, group.runs(program), "--data="+data, "--max-tuples-hour=0", "--max-tuples=0", "--log-level=warn")
	}

	s := inside()
	for began := time.Now(); ; {
		trial.post(t, s, trial.load)
		if s.metric("flowd_hours_spilled_total") > 0 && time.Since(began) >= trial.atLeast {
			break
		}
		if time.Since(began) > recoveryPatience {
			t.Fatal("the load never fills the memory budget")
		}
	}
	t.Logf("%.0f batches were refused for memory, %.0f checkpoints, memory for %.0f bytes of totals at most",
		s.metric(`flowd_http_requests_rejected_total{reason="memory"}`), s.metric("flowd_checkpoints_total"), s.metric("flowd_memory_ceiling_bytes"))
	stored := s.stored()
	s.kill()
	s = inside()
	if got := s.stored(); got != stored {
		t.Errorf("after a kill %d flows are stored, want %d", got, stored)
	}
	s.kill()

	// The log of a server with more memory.
	s = startBy(t, nil, "--data="+data, "--max-tuples-hour=0", "--max-tuples=0", "--log-level=warn",
		"--memory-budget=4GiB", "--checkpoint-interval=1h", "--checkpoint-log=64GiB")
	for before := stored; stored < before+trial.logged; stored = s.stored() {
		trial.post(t, s, trial.load)
	}
	s.kill()
	s = inside()
	if got := s.stored(); got != stored {
		t.Errorf("after a replay %d flows are stored, want %d", got, stored)
	}
	if made := s.metric("flowd_checkpoints_total"); made == 0 {
		t.Error("the replay made no checkpoint: it does not try what it should")
	}
	trial.post(t, s, trial.load)
	s.signal(syscall.SIGTERM)
	s.exits(exitOK)
	if n := group.killed(t); n > 0 {
		t.Errorf("the kernel killed %d processes", n)
	}
}

// post puts the load on a server for a time, and compares what it holds. What is refused does not count.
func (trial memoryTrial) post(t *testing.T, s *server, long time.Duration) {
	t.Helper()
	report, err := loadtest.Run(t.Context(), loadtest.Options{
		Target: "http://" + s.address, Connections: 16, For: long, Timeout: recoveryPatience, Verify: true,
		Workload: loadtest.Workload{Tuples: trial.tuples, FirstHour: 500_000, Hours: 1, Skew: loadtest.Uniform, FlowsPerPost: 1000, Seed: 1},
		Encoding: loadtest.Plain, ServerPID: s.command.Process.Pid,
	})
	if err != nil {
		select {
		case <-s.ended:
			t.Fatalf("flowd ended: %v, %v; on stderr:\n%s", err, s.command.ProcessState, s.stderr.String())
		default:
			t.Fatal(err)
		}
	}
	if v := report.Verification; v == nil || !v.OK || v.Unanswered > 0 {
		text, _ := json.Marshal(v)
		t.Fatalf("the totals are not what was answered: %s", text)
	}
}

// metric returns the value of a metric with its labels; 0 if it is not there.
func (s *server) metric(name string) float64 {
	s.t.Helper()
	_, body, err := s.get("/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(body) {
		if text, ok := strings.CutPrefix(line, name+" "); ok {
			value, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil {
				s.t.Fatal(err)
			}
			return value
		}
	}
	return 0
}

// builtWithoutRace builds flowd as it is released: the race detector takes several times the memory.
func builtWithoutRace(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "flowd")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}
