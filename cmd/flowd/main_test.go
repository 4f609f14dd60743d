package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"flowd/httpapi"
	"flowd/local"
)

// TestMain makes the test binary the command flowd as well: run under that name it is main, so
// that the processes that the tests start run what was compiled for the tests, race detector and
// all.
func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){
		"flowd":               main,
		"flowd-forgets-names": sabotaged(func(e *local.Engine) httpapi.Engine { return forgetsNames{e} }),
		"flowd-answers-early": sabotaged(func(e *local.Engine) httpapi.Engine { return &answersEarly{Engine: e} }),
	})
}

// leakChecked runs the tests and fails if one of them left a goroutine behind.
type leakChecked struct{ m *testing.M }

func (l leakChecked) Run() int {
	code := l.m.Run()
	// fasthttp's cleaner of idle workers looks every ten seconds whether its server has ended.
	cleaner := goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2")
	if err := goleak.Find(cleaner); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func TestCommandLine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "filled": filled, "flip": flip,
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("TAKEN", taken.Addr().String())
			env.Setenv("GORACE", raceOption)
			return nil
		},
	})
}

// raceOption keeps the race detector from sleeping a second at the end of each process.
const raceOption = "atexit_sleep_ms=0"

// exits runs a program and holds its exit code: exits 2 flowd serve --shards 3.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code program arg...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got, err := 0, ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}
