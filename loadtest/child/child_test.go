package child

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, script string) *Process {
	t.Helper()
	p, err := Start("the child", exec.Command("sh", "-c", script))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// await returns when the process has printed text.
func await(t *testing.T, p *Process, text string) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(p.Output(), text) {
		select {
		case <-tick.C:
		case <-p.Exited():
			t.Fatalf("it ended and printed %q", p.Output())
		case <-t.Context().Done():
			t.Fatal("out of time")
		}
	}
}

func TestEnds(t *testing.T) {
	for _, c := range []struct {
		script string
		want   string // of the error; "" is none
	}{
		{"exit 0", ""},
		{"exit 3", "the child ended by itself: exit status 3"},
		{"echo why >&2; exit 3", "exit status 3, and printed:\nwhy\n"},
		{"kill -9 $$", "signal: killed"},
	} {
		p := start(t, c.script)
		<-p.Exited()
		if err := p.Failure(); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.script, err, c.want)
		}
	}
	if p, err := Start("the child", exec.Command("/no/such/program")); err == nil {
		t.Errorf("process %d without a program", p.PID())
	}
}

func TestStop(t *testing.T) {
	for _, c := range []struct {
		script string
		within time.Duration
		want   string
	}{
		{"trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done", time.Minute, ""},
		{"trap 'echo bad; exit 7' TERM; echo up; while :; do sleep 0.01; done", time.Minute, "exit status 7"},
		{"trap '' TERM; echo up; while :; do sleep 0.01; done", 10 * time.Millisecond, "did not stop within 10ms of SIGTERM, and was killed, and printed:\nup"},
	} {
		p := start(t, c.script)
		await(t, p, "up")
		if err := p.Failure(); err != nil {
			t.Errorf("%s: it runs, and its failure is %v", c.script, err)
		}
		if err := p.Stop(c.within); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.script, err, c.want)
		}
		select {
		case <-p.Exited():
		default:
			t.Errorf("%s: it still runs", c.script)
		}
	}
}

// What a killed process started ends with it: the pipe that all of them hold comes to its end.
func TestKillEndsTheGroup(t *testing.T) {
	reading, writing, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Close()
	cmd := exec.Command("sh", "-c", "sleep 1000 & echo up; wait")
	cmd.Stdout = writing
	p, err := Start("the child", cmd)
	if err != nil {
		t.Fatal(err)
	}
	if err := writing.Close(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(reading)
	if line, err := lines.ReadString('\n'); line != "up\n" {
		t.Errorf("it printed %q, error %v", line, err)
	}
	p.Kill()
	if left, err := io.ReadAll(lines); len(left) > 0 || err != nil {
		t.Errorf("it printed %q after its end, error %v", left, err)
	}
	if err := syscall.Kill(p.PID(), 0); err == nil {
		t.Error("it is still there")
	}
	p.Kill()
}

func TestOutputIsBounded(t *testing.T) {
	var o tail
	for range 1000 {
		if n, err := o.Write([]byte("0123456789")); n != 10 || err != nil {
			t.Fatal(n, err)
		}
	}
	if text := o.String(); len(text) != maxTail || !strings.HasSuffix(text, "6789") {
		t.Errorf("%d bytes are kept, the last of them %q", len(text), text[len(text)-10:])
	}
}

func TestFreeAddr(t *testing.T) {
	addr, err := FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if port := l.Addr().(*net.TCPAddr).Port; port < firstPort || port >= firstPort+ports {
		t.Errorf("port %d", port)
	}
}
