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

	"flowd/loadtest/mapserver"
)

// TestMain makes the test binary the command flowload as well, and a server to be killed, for the
// scripts.
func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){
		"flowload": main,
		"durable":  func() { os.Exit(mapserver.Main(os.Args[1:], os.Stderr)) },
	})
}

// leakChecked runs the tests and fails if one of them left a goroutine behind.
type leakChecked struct{ m *testing.M }

func (l leakChecked) Run() int {
	code := l.m.Run()
	// fasthttp keeps the time of day for its Date header from its first request on.
	clock := goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1")
	if err := goleak.Find(clock); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func TestScripts(t *testing.T) {
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
	faults, ok := map[string]mapserver.Faults{
		"right":  {},
		"lose":   {Store: onThird(func([]mapserver.Row) []mapserver.Row { return nil })},
		"double": {Store: onThird(func(flows []mapserver.Row) []mapserver.Row { return append(flows, flows...) })},
		"refuse": {
			Store:  func(int, []mapserver.Row) []mapserver.Row { return nil },
			Answer: func(int) int { return 503 },
		},
	}[strings.Join(args, " ")]
	if neg || !ok {
		ts.Fatalf("usage: serve right|lose|double|refuse")
	}
	s, err := mapserver.Start(faults)
	ts.Check(err)
	ts.Defer(func() { ts.Check(s.Close()) })
	ts.Setenv("URL", s.URL)
}

func onThird(change func([]mapserver.Row) []mapserver.Row) func(int, []mapserver.Row) []mapserver.Row {
	return func(post int, flows []mapserver.Row) []mapserver.Row {
		if post == 3 {
			return change(flows)
		}
		return flows
	}
}

// A signal ends the load, not the report of it.
func TestSignalEndsTheLoad(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		s := startServer(t, mapserver.Faults{Answer: func(post int) int {
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
