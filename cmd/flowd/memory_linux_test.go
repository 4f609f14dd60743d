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
)

// memoryTrial is a server that lives in a limit of memory under a load that is too much for it.
type memoryTrial struct {
	limit   int64
	hour    int64 // of all flows
	tuples  int
	logged  int           // flows in the log that is replayed in the limit
	load    time.Duration // at a time
	atLeast time.Duration // in all

	flowd, flowload string // the programs
}

// memoryTrials are short; FLOWD_MEMORY_TRIALS=all, as of make memory, takes longer ones.
func memoryTrials() []memoryTrial {
	if os.Getenv("FLOWD_MEMORY_TRIALS") != "all" {
		return []memoryTrial{{limit: 128 << 20, tuples: 3_000_000, logged: 2_000_000, load: time.Second}}
	}
	var all []memoryTrial
	for _, limit := range []int64{128 << 20, 300 << 20, 512 << 20} {
		all = append(all, memoryTrial{limit: limit, tuples: 8_000_000, logged: 10_000_000, load: 20 * time.Second, atLeast: time.Minute})
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
	trial.hour = time.Now().Unix() / 3600
	group := newCgroup(t, trial.limit)
	trial.flowd, trial.flowload = builtWithoutRace(t)
	data := filepath.Join(t.TempDir(), "data")
	// Tuples are not folded, so that each can be compared.
	inside := func() *server {
		t.Helper()
		return startWithin(t, recoveryPatience, group.runs(trial.flowd), "--data="+data, "--max-tuples-hour=0", "--max-tuples=0", "--log-level=warn")
	}

	s := inside()
	stored, began := 0, time.Now()
	for s.metric("flowd_checkpoints_total") == 0 || time.Since(began) < trial.atLeast {
		stored += trial.post(t, s, "--no-verify")
		if stored == 0 || time.Since(began) > trial.atLeast+recoveryPatience {
			t.Fatalf("%d flows were taken, and no hour has left memory", stored)
		}
	}
	stored += trial.post(t, s)
	t.Logf("%d flows, %.0f batches were refused for memory, %.0f checkpoints", stored,
		s.metric(`flowd_http_requests_rejected_total{reason="memory"}`), s.metric("flowd_checkpoints_total"))
	s.kill()
	s = inside()
	if got := s.stored(); got != stored {
		t.Errorf("after a kill %d flows are stored, want %d", got, stored)
	}
	s.kill()

	// The log of a server with more memory.
	s = startWithin(t, recoveryPatience, []string{"sh", "-c", `shift; exec ` + trial.flowd + ` "$@"`, "sh"}, "--data="+data,
		"--max-tuples-hour=0", "--max-tuples=0", "--log-level=warn", "--memory-budget=4GiB", "--checkpoint-interval=1h", "--checkpoint-log=64GiB")
	for before := stored; stored < before+trial.logged; {
		stored += trial.post(t, s, "--no-verify")
	}
	s.kill()
	s = inside()
	if got := s.stored(); got != stored {
		t.Errorf("after a replay %d flows are stored, want %d", got, stored)
	}
	if made := s.metric("flowd_checkpoints_total"); made == 0 {
		t.Error("the replay made no checkpoint: it does not try what it should")
	}
	stored += trial.post(t, s)
	if got := s.stored(); got != stored {
		t.Errorf("in the end %d flows are stored, want %d", got, stored)
	}
	s.signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(recoveryPatience):
		t.Fatal("flowd does not end")
	}
	s.exits(exitOK)
	if n := group.killed(t); n > 0 {
		t.Errorf("the kernel killed %d processes", n)
	}
}

// post puts the load on a server for a time, and returns how many flows were answered with 200. What is refused
// does not count. Without more arguments it compares what the server holds before and after.
func (trial memoryTrial) post(t *testing.T, s *server, args ...string) int {
	t.Helper()
	words := append([]string{"run", "--json", "--target=http://" + s.address, "--for=" + trial.load.String(), "--connections=16",
		"--flows=1000", "--tuples=" + strconv.Itoa(trial.tuples), "--first-hour=" + strconv.FormatInt(trial.hour, 10), "--timeout=" + recoveryPatience.String()}, args...)
	text, err := exec.Command(trial.flowload, words...).Output()
	var report struct{ Writes struct{ Flows int } }
	if err == nil {
		err = json.Unmarshal(text, &report)
	}
	if err != nil {
		select {
		case <-s.ended:
			t.Fatalf("flowd ended: %v, %v; on stderr:\n%s", err, s.command.ProcessState, s.stderr.String())
		default:
			t.Fatalf("flowload: %v\n%s", err, text)
		}
	}
	return report.Writes.Flows
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

// builtWithoutRace builds flowd and flowload as they are released, and returns where they are: the race detector
// takes several times the memory, and the time of the load.
func builtWithoutRace(t *testing.T) (flowd, flowload string) {
	t.Helper()
	folder := t.TempDir()
	build := exec.Command("go", "build", "-buildvcs=false", "-o", folder, ".", "../flowload")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(folder, "flowd"), filepath.Join(folder, "flowload")
}
