package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"flowd/loadtest/faulty"
)

// TestMain makes the test binary a server to be killed as well, for the scripts.
func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){
		"durable": func() { os.Exit(faulty.Main(os.Args[1:], os.Stderr)) },
	})
}

// leakChecked runs the tests and fails if one of them left a goroutine behind.
type leakChecked struct{ m *testing.M }

func (l leakChecked) Run() int {
	code := l.m.Run()
	// fasthttp keeps the time of day for its Date header from its first request on.
	clock, workers := goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"), goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2")
	if err := goleak.Find(clock, workers); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func TestScripts(t *testing.T) {
	// The program is built for itself: the test binary holds a server too, whose library of metrics writes to
	// standard error where the kernel shows less than it expects.
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as released, and as other tests build it: Go compiles it once
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"serve": serve,
		},
		Setup: func(env *testscript.Env) error {
			// The race detector would sleep a second at the end of each process.
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			return nil
		},
	})
}

// exits runs flowload and holds its exit code: exits 2 run --for 0s.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: exits code arg...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec("flowload", args[1:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// serve starts a server, right or with a fault, and puts its address in $URL: serve lose.
func serve(ts *testscript.TestScript, neg bool, args []string) {
	faults, ok := map[string]faulty.Faults{
		"right":  {},
		"lose":   {Store: onThird(func([]faulty.Row) []faulty.Row { return nil })},
		"double": {Store: onThird(func(flows []faulty.Row) []faulty.Row { return append(flows, flows...) })},
		"refuse": {
			Store:  func(int, []faulty.Row) []faulty.Row { return nil },
			Answer: func(int) int { return 503 },
		},
	}[strings.Join(args, " ")]
	if neg || !ok {
		ts.Fatalf("usage: serve right|lose|double|refuse")
	}
	s, err := faulty.Start(faults)
	ts.Check(err)
	ts.Defer(func() { ts.Check(s.Close()) })
	ts.Setenv("URL", s.URL)
}

func onThird(change func([]faulty.Row) []faulty.Row) func(int, []faulty.Row) []faulty.Row {
	return func(post int, flows []faulty.Row) []faulty.Row {
		if post == 3 {
			return change(flows)
		}
		return flows
	}
}

// A signal ends the load, not the report of it.
func TestSignalEndsTheLoad(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		s := startServer(t, faulty.Faults{Answer: func(post int) int {
			if post == 20 {
				if err := syscall.Kill(os.Getpid(), sig); err != nil {
					t.Error(err)
				}
			}
			return 200
		}})
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), []string{"run", "--target", s.URL, "--for", "1m"}, &stdout, &stderr)
		if code != exitOK || stderr.Len() > 0 {
			t.Errorf("%v: exit code %d, errors %s", sig, code, stderr.String())
		}
		for _, want := range []string{"Interrupted before the end of 1m0s.\n", "totals    right: "} {
			if !strings.Contains(stdout.String(), want) {
				t.Errorf("%v: no %q in\n%s", sig, want, stdout.String())
			}
		}
	}
}
