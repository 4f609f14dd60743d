package main

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"flowd/loadtest"
)

// newCeiling starts a ceiling that is the test binary itself.
func newCeiling(t *testing.T) *server {
	t.Helper()
	runtime.LockOSThread()
	var b bench
	s, err := b.startCeiling(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMeasureCeiling(t *testing.T) {
	s := newCeiling(t)
	g, err := loadtest.NewGenerator(loadtest.Workload{Tuples: 10, Hours: 1, Skew: loadtest.Uniform, FlowsPerPost: 100})
	if err != nil {
		t.Fatal(err)
	}
	body := s.encode(nil, g, g.Draw(nil, 1))
	s.pause()
	b := bench{options: options{For: 200 * time.Millisecond, WarmUp: 10 * time.Millisecond, Connections: 2}}
	v, err := b.measure(t.Context(), s, size{flows: 100}, [][]byte{body})
	if err != nil || v[bySecond] <= 0 || v[byCore] <= 0 || s.posted == 0 {
		t.Errorf("speed %+v, %d flows posted, error %v", v, s.posted, err)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if _, err := s.cpu(); err == nil {
		t.Error("the process is still there after stop")
	}
}

func TestBurstRefusesOtherAnswers(t *testing.T) {
	s := newCeiling(t)
	s.status = http.StatusNoContent
	b := bench{options: options{Connections: 1}}
	_, err := b.burst(t.Context(), s, size{flows: 1}, [][]byte{[]byte("x")}, 10*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "status 204: map[200:") {
		t.Errorf("error %v, want one with both statuses", err)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}

func TestServerThatFails(t *testing.T) {
	_, err := new(bench).startServer(t.Context(), "sh", "/", func(string) *exec.Cmd {
		return exec.Command("sh", "-c", "echo no disk >&2; exit 3")
	})
	if err == nil || !strings.Contains(err.Error(), "sh ended at its start\nsh ended by itself: exit status 3, and printed:\nno disk") {
		t.Errorf("error %v", err)
	}
}

// TestServerEndsWithHarness kills a harness, which then has no chance to stop its server.
func TestServerEndsWithHarness(t *testing.T) {
	harness := exec.Command(os.Args[0], harnessMode)
	harness.Stderr = os.Stderr
	out, err := harness.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := harness.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	p := server{url: strings.TrimSpace(line)}
	if _, err := p.get(t.Context(), "/"); err != nil {
		t.Fatalf("the server of the harness: %v", err)
	}
	if err := harness.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = harness.Wait()
	for end := time.Now().Add(10 * time.Second); ; {
		if _, err := p.get(t.Context(), "/"); err != nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the server still answers after its harness was killed")
		}
		runtime.Gosched()
	}
}
