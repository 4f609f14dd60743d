package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// watched answers the question number n, from 1, and calls after once it did.
func watched(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *stub {
	t.Helper()
	var n atomic.Int32
	return newStub(t, func(w http.ResponseWriter, r *http.Request) { answer(int(n.Add(1)), w, r) })
}

var moments = regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`)

// Elsewhere than on a terminal answers come one after the other, with what changed since.
func TestQueryWatch(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	s := watched(t, func(n int, w http.ResponseWriter, r *http.Request) {
		row := func(app string, bytes int) string {
			return fmt.Sprintf(`{"src_app":%q,"bytes_tx":%d,"bytes_rx":1}`+"\n", app, bytes)
		}
		switch n {
		case 1:
			says(map[string]string{"/flows": row("grows", 1<<20) + row("same", 5) + row("shrinks", 70_000)})(w, r)
		case 2:
			w.WriteHeader(http.StatusServiceUnavailable) // it is started again
		case 3:
			says(map[string]string{"/flows": row("grows", 5<<20) + row("same", 5) + row("shrinks", 7) + row("appears", 1)})(w, r)
		case 4:
			interrupt()
		}
	})
	code, stdout, stderr := queried(ctx, s.URL, "--hour", "3", "--group-by", "src_app", "--watch", "100ms")
	if code != exitOK || stderr != "flowd: "+s.URL+" answered 503 Service Unavailable, not as flowd does: is it the address of a flowd server?\n" {
		t.Errorf("exit code %d, on stderr %q", code, stderr)
	}
	const target = "/flows?group_by=src_app&hour=3&limit=100&order_by=-bytes_total"
	want := `TIME  ` + target + `
SRC_APP          BYTES_TX  BYTES_RX  +/-
grows               1.00M         1
same                    5         1
shrinks             68.4K         1
total of 3 rows     1.07M         3

TIME  ` + target + `
SRC_APP          BYTES_TX  BYTES_RX     +/-
grows               5.00M         1  +4.00M
same                    5         1
shrinks                 7         1  -68.4K
appears                 1         1     new
total of 4 rows     5.00M         4
`
	if diff := cmp.Diff(want, moments.ReplaceAllString(stdout, "TIME")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A row that was not there may have been below the cut.
func TestQueryWatchOfFirstRows(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	s := watched(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n == 3 {
			interrupt()
		}
		w.Header().Set("Flowd-Truncated", "true")
		says(map[string]string{"/pairs": fmt.Sprintf(`{"app_a":"a%d","disagreement":7}`+"\n", n)})(w, r)
	})
	code, stdout, stderr := queried(ctx, s.URL, "pairs", "--hour", "3", "--limit", "1", "--watch", "100ms")
	if code != exitOK || strings.Contains(stdout, "new") || !strings.Contains(stdout, "total of the first 1 row ") {
		t.Errorf("exit code %d, on stdout:\n%s", code, stdout)
	}
	if want := "flowd: these are the first 1 row, and there are more: raise --limit, or ask for less\n"; !strings.HasPrefix(stderr, want+want) {
		t.Errorf("on stderr %q", stderr)
	}
}

// Streams are parted by an empty line, and an interrupt lets the answer end that has begun.
func TestQueryWatchStreams(t *testing.T) {
	whole := newStub(t, says(map[string]string{"/flows": manyRows}))
	cut := newStub(t, raw("HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nContent-Length: 9\r\n\r\n{}\n"))
	for _, c := range []struct {
		server         string
		interruptAfter int // bytes
		code           int
		stdout, stderr string
	}{
		{whole.URL, len(manyRows) + 1, exitOK, manyRows + "\n" + manyRows, ""},
		{whole.URL, 1, exitOK, manyRows, ""},
		{cut.URL, 1, exitRuntime, "{}\n", "the answer is cut"},
	} {
		ctx, interrupt := context.WithCancel(t.Context())
		stdout := &interruptingWriter{after: c.interruptAfter, interrupt: interrupt}
		var stderr strings.Builder
		code := run(ctx, []string{"query", "--server", c.server, "--hour", "3", "--watch", "100ms", "--format", "ndjson"}, nil, stdout, &stderr)
		if code != c.code || stdout.String() != c.stdout || !strings.Contains(stderr.String(), c.stderr) {
			t.Errorf("interrupted after %d bytes: exit code %d, %d bytes on stdout, want %d and %d; on stderr %q",
				c.interruptAfter, code, stdout.Len(), c.code, len(c.stdout), stderr.String())
		}
	}
}

// interruptingWriter calls interrupt once it has more than so many bytes.
type interruptingWriter struct {
	bytes.Buffer
	after     int
	interrupt func()
}

func (w *interruptingWriter) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if w.Len() > w.after {
		w.interrupt()
	}
	return n, err
}

// What cannot pass ends it, and so does whatever comes before the first answer.
func TestQueryWatchEnds(t *testing.T) {
	for name, statuses := range map[string][]int{
		"a server that is away at first":     {503},
		"a question that is wrong":           {200, 400},
		"a token that is not valid any more": {200, 503, 401},
	} {
		s := watched(t, func(n int, w http.ResponseWriter, r *http.Request) {
			status := statuses[n-1]
			if status != 200 {
				w.WriteHeader(status)
			}
			says(map[string]string{"/hours": "[]"})(w, r)
		})
		code, _, stderr := queried(t.Context(), s.URL, "hours", "--watch", "100ms")
		if code != exitRuntime || strings.Count(stderr, "flowd: ") != len(statuses)-strings.Count(fmt.Sprint(statuses), "200") {
			t.Errorf("%s: exit code %d, on stderr %q", name, code, stderr)
		}
	}
	cut := watched(t, func(n int, w http.ResponseWriter, r *http.Request) {
		raw("HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nContent-Length: 9\r\n\r\n{}\n")(w, r)
	})
	code, stdout, stderr := queried(t.Context(), cut.URL, "--hour", "3", "--watch", "100ms", "--format", "ndjson")
	if code != exitRuntime || stdout != "{}\n" || !strings.Contains(stderr, "the answer is cut") {
		t.Errorf("a cut answer: exit code %d, on stdout %q, on stderr %q", code, stdout, stderr)
	}
}

// An interrupt ends a watch with exit code 0, and a pipe that is closed ends any query quietly.
func TestQuerySignals(t *testing.T) {
	s := newStub(t, says(map[string]string{"/flows": manyRows, "/hours": twoHours}))
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		command, stdout := startQuery(t, s.URL, "hours", "--watch", "1h")
		if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if err := command.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if err := command.Wait(); err != nil {
			t.Errorf("%v ended it with %v", signal, err)
		}
	}
	command, stdout := startQuery(t, s.URL, "--hour", "3")
	if err := stdout.Close(); err != nil {
		t.Fatal(err)
	}
	err := command.Wait()
	status := command.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signal() != syscall.SIGPIPE || command.Stderr.(*strings.Builder).Len() > 0 {
		t.Errorf("a closed pipe ended it with %v, on stderr %q", err, command.Stderr)
	}
}

// An answer that does not end holds up the first interrupt alone.
func TestQuerySecondInterrupt(t *testing.T) {
	hangs := newStub(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		_, _ = io.WriteString(w, "{}\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	command, stdout := startQuery(t, hangs.URL, "--hour", "3", "--watch", "1h", "--format", "ndjson", "--timeout", "1h")
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	again := time.NewTicker(20 * time.Millisecond) // two that come at once are one
	defer again.Stop()
	deadline := time.After(patience)
	for alive := true; alive; {
		select {
		case err := <-ended:
			alive = false
			if status := command.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGINT {
				t.Errorf("a second interrupt ended it with %v", err)
			}
		case <-again.C:
			_ = command.Process.Signal(os.Interrupt) // it may have ended
		case <-deadline:
			t.Fatal("interrupts do not end it")
		}
	}
}

// startQuery starts flowd query as a process of its own.
func startQuery(t *testing.T, server string, args ...string) (*exec.Cmd, io.ReadCloser) {
	t.Helper()
	command := exec.Command("flowd", append([]string{"query"}, args...)...)
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "GORACE=" + raceOption, "FLOWD_SERVER=" + server}
	command.Stderr = &strings.Builder{}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() }) // most often it has ended by now
	return command, stdout
}
