package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"flowd/config"
	"flowd/flow"
	"flowd/httpapi"
	"flowd/loadtest"
	"flowd/loadtest/crash"
	"flowd/local"
)

// crashOptions kill a server some times that makes a checkpoint whenever it lives long enough,
// spills every hour and forgets old ones.
func crashOptions(t *testing.T, program string) crash.Options {
	data := t.TempDir()
	return crash.Options{
		Server: func(addr string) *exec.Cmd {
			cmd := exec.Command(program, "serve", "--listen="+addr, "--data="+data, "--log-level=warn", "--segment-bytes=20MiB",
				"--checkpoint-interval=1s", "--retention=1s", "--memory-budget=1MiB")
			cmd.Env = append(os.Environ(), "GORACE="+raceOption)
			return cmd
		},
		Agents:   4,
		Workload: loadtest.Workload{Tuples: 300, FirstHour: 482659, Hours: 2, Skew: loadtest.Uniform, FlowsPerPost: 20, Seed: 1},
		Encoding: loadtest.Plain, HourPosts: 100, Duplicates: 0.3,
		Kills: 8, KillEvery: 600 * time.Millisecond, MinBatches: 400,
		Timeout: patience, StartWithin: patience,
	}
}

// crash makes a crash test and returns its report, with its text.
func runCrash(t *testing.T, o crash.Options) (*crash.Report, string) {
	t.Helper()
	report, err := crash.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := report.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	return report, text.String()
}

func TestNothingIsLostOrCountedTwice(t *testing.T) {
	t.Parallel()
	report, text := runCrash(t, crashOptions(t, "flowd"))
	if !report.OK {
		t.Error(text)
	}
	if report.Retries == 0 || report.Recognised == 0 || report.AfterStop.ExpiredHours == 0 {
		t.Errorf("no retry, no repeat or no expiry: the test does not try what it should:\n%s", text)
	}
	t.Log(text)
}

// TestCrashTestFails holds that the test above can fail: each of these servers is right until it
// is killed, or a batch is sent twice.
func TestCrashTestFails(t *testing.T) {
	for _, program := range []string{"flowd-forgets-names", "flowd-answers-early"} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			o := crashOptions(t, program)
			o.Kills = 2
			if report, text := runCrash(t, o); report.OK {
				t.Errorf("%s passes:\n%s", program, text)
			}
		})
	}
}

// sabotaged returns a main like that of flowd, with something wrong around its engine.
func sabotaged(around func(*local.Engine) httpapi.Engine) func() {
	return func() {
		var line commands
		loader := config.NewLoader(os.Environ())
		parser, err := kong.New(&line, loader.Options()...)
		if err == nil {
			_, err = parser.Parse(os.Args[1:])
		}
		if err == nil {
			err = line.Serve.serve(&process{context.Background(), os.Stdout, os.Stderr, memoryLimit{}}, loader, around)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(exitRuntime)
		}
	}
}

// forgetsNames counts a batch each time it is sent.
type forgetsNames struct{ *local.Engine }

func (e forgetsNames) Append(b *flow.Batch, _ flow.Origin) (flow.Receipt, error) {
	return e.Engine.Append(b, flow.Origin{})
}

// answersEarly says that a batch counts before it is written: when the next one comes.
type answersEarly struct {
	*local.Engine
	mu     sync.Mutex
	held   *flow.Batch
	origin flow.Origin
}

func (e *answersEarly) Append(b *flow.Batch, o flow.Origin) (receipt flow.Receipt, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.held != nil {
		_, err = e.Engine.Append(e.held, e.origin)
	}
	e.held, e.origin = b, o
	return receipt, err
}
