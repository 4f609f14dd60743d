package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/goccy/go-json"
	"golang.org/x/sys/unix"
)

// smallLog are settings with segments that fill quickly.
var smallLog = []string{"--max-body-bytes=1MiB", "--max-decoded-bytes=1MiB", "--segment-bytes=2MiB", "--log-level=warn"}

// batch returns a body of many flows. They have names of their own, as flows of one name are a single one in
// the log, which takes tens of thousands of such batches to fill.
func batch() string {
	var all []string
	for i := range 1000 {
		all = append(all, fmt.Sprintf(`{"src_app":"foo-%0100d","dest_app":"bar","vpc_id":"vpc-0","bytes_tx":100,"bytes_rx":300,"hour":1}`, i))
	}
	return "[" + strings.Join(all, ",") + "]"
}

// post posts a batch and returns the status and what was answered.
func (s *server) post(body string) (int, string) {
	s.t.Helper()
	status, answer, err := s.request(http.MethodPost, "/flows", body)
	if err != nil {
		s.t.Fatal(err)
	}
	return status, answer
}

// stored returns the flows that the account says are stored; it must balance.
func (s *server) stored() int {
	s.t.Helper()
	status, text, err := s.get("/ledger")
	var ledger struct {
		Stored   struct{ Flows int }
		Balanced bool
	}
	if err := errors.Join(err, json.Unmarshal([]byte(text), &ledger)); err != nil || status != http.StatusOK || !ledger.Balanced {
		s.t.Fatalf("ledger: %d, %v, %s", status, err, text)
	}
	return ledger.Stored.Flows
}

// kill ends the server as a crash does.
func (s *server) kill() {
	s.t.Helper()
	if err := syscall.Kill(-s.command.Process.Pid, syscall.SIGKILL); err != nil {
		s.t.Fatal(err)
	}
	<-s.ended
}

// unready holds that /readyz says why, that a batch is refused for it, and that reads go on.
func (s *server) unready(reason string) {
	s.t.Helper()
	if status, text, err := s.get("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(text, reason) {
		s.t.Errorf("readyz: %d, %v, %s, want 503 for %s", status, err, text, reason)
	}
	if status, text := s.post(oneFlow); status != http.StatusServiceUnavailable || !strings.Contains(text, reason) {
		s.t.Errorf("a POST got %d, %s, want 503 for %s", status, text, reason)
	}
	if status, text, err := s.get("/flows?hour=1"); status != http.StatusOK || !strings.HasPrefix(text, "[{") {
		s.t.Errorf("a read got %d, %v, %s, want 200", status, err, text)
	}
}

func TestDiskFull(t *testing.T) {
	disk := t.TempDir()
	if err := unix.Mount("flowd-test", disk, "tmpfs", 0, "size=16m"); err != nil {
		t.Skipf("a small disk cannot be mounted (%v); package local tries the same on a disk in memory", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	args := append([]string{"--data=" + filepath.Join(disk, "data"), "--checkpoint-log=1GiB"}, smallLog...)
	s := start(t, args...)
	counted, body, status, answer := 0, batch(), http.StatusOK, ""
	for status == http.StatusOK {
		if status, answer = s.post(body); status == http.StatusOK {
			counted += 1000
		}
		if counted > 10_000_000 {
			t.Fatal("ten million flows fit a disk of 16 MiB")
		}
	}
	if status != http.StatusServiceUnavailable || !strings.Contains(answer, "disk") {
		t.Errorf("when the disk was full a POST got %d, %s", status, answer)
	}
	s.unready("disk-full")
	if err := unix.Mount("", disk, "", unix.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	s.until("it is ready again", func() bool {
		status, _, _ := s.get("/readyz")
		return status == http.StatusOK
	})
	if status, answer := s.post(body); status != http.StatusOK {
		t.Errorf("with space again a POST got %d, %s", status, answer)
	}
	counted += 1000
	if got := s.stored(); got != counted {
		t.Errorf("%d flows are stored, and %d were answered with 200", got, counted)
	}
	s.kill()
	again := start(t, args...)
	if got := again.stored(); got != counted {
		t.Errorf("after a restart %d flows are stored, and %d were answered with 200", got, counted)
	}
	again.signal(syscall.SIGTERM)
	again.exits(exitOK)
}

// TestSystemCallsFail has the kernel fail calls of a running server.
func TestSystemCallsFail(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("strace is missing, and with CI=true no test is left out")
		}
		t.Skip("strace is missing")
	}
	for _, c := range []struct {
		name, inject, reason string
		args                 []string
	}{
		{"sync", "fdatasync:error=EIO:when=20+", "log-failed", nil},
		{"write", "pwrite64:error=ENOSPC:when=60+", "log-failed", nil},
		{"rename", "rename,renameat,renameat2:error=EIO:when=2..3", "", []string{"--checkpoint-interval=1s"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			args := append(append([]string{"--data=" + t.TempDir()}, smallLog...), c.args...)
			calls, _, _ := strings.Cut(c.inject, ":")
			s := startBy(t, []string{strace, "-f", "--seccomp-bpf", "-qq", "-o", os.DevNull, "-e", "trace=" + calls, "-e", "inject=" + c.inject}, args...)
			counted, inDoubt, failed := 0, 0, false
			// One POST with each poll: after a failed checkpoint the next one comes seconds later.
			s.until("a call has failed", func() bool {
				switch status, answer := s.post(oneFlow); {
				case status == http.StatusOK:
					counted++
				case status == http.StatusInternalServerError && c.reason != "":
					inDoubt++
					failed = true
				default:
					t.Fatalf("a POST got %d, %s", status, answer)
				}
				return failed || c.reason == "" && s.failedCheckpoint()
			})
			if c.reason != "" {
				s.unready(c.reason)
			}
			if got := s.stored(); got != counted {
				t.Errorf("%d flows are stored, and %d were answered with 200", got, counted)
			}
			s.kill()
			again := start(t, args...)
			if got := again.stored(); got < counted || got > counted+inDoubt {
				t.Errorf("after a restart %d flows are stored; %d were answered with 200, %d in doubt", got, counted, inDoubt)
			}
			again.signal(syscall.SIGTERM)
			again.exits(exitOK)
		})
	}
}

// failedCheckpoint tells whether a checkpoint has failed and a later one was made.
func (s *server) failedCheckpoint() bool {
	_, text, _ := s.get("/metrics")
	var failed, made int
	for line := range strings.Lines(text) {
		_, _ = fmt.Sscanf(line, "flowd_checkpoints_failed_total %d", &failed)
		_, _ = fmt.Sscanf(line, "flowd_checkpoints_total %d", &made)
	}
	return failed > 0 && made > 0
}
