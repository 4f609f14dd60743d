// Command flowload puts load on a flowd server: to see what it does under it, to find how
// much of it the machine holds, or to send it the flows of files.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"flowd/loadtest"
)

// The exit codes.
const (
	exitOK       = 0
	exitRuntime  = 1
	exitUsage    = 2
	exitDiffers  = 3
	exitUnusable = 3
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

type cli struct {
	Run    runCmd    `cmd:"" help:"Put a load on a server, then check its totals."`
	Max    maxCmd    `cmd:"" help:"Find the highest load that a server holds."`
	Replay replayCmd `cmd:"" help:"Send the flows of files to a server."`
	Demo   demoCmd   `cmd:"" help:"Send two days of made-up traffic to a server, to look at."`
}

// env is the environment of a command.
type env struct {
	// ctx ends at the first interrupt; a second one ends the process.
	ctx            context.Context
	stdout, stderr io.Writer
	// isTerminal tells whether stderr is one, where progress can be shown.
	isTerminal bool
}

// progress is where to draw a bar, nil for nowhere.
func (e *env) progress() io.Writer {
	if e.isTerminal {
		return e.stderr
	}
	return nil
}

// run runs one command line and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	// From the first signal on, the next one has its usual effect.
	context.AfterFunc(ctx, stop)

	helped := false
	parser, err := kong.New(&cli{}, kong.Name("flowload"), kong.Description("Load for a flowd server."),
		kong.ExplicitGroups([]kong.Group{{Key: crashGroup, Title: "Crash test:"}}),
		kong.Writers(stdout, stderr), kong.Exit(func(int) { helped = true }))
	if err != nil {
		return fail(stderr, err)
	}
	command, err := parser.Parse(args)
	if helped {
		return exitOK
	}
	if err != nil {
		return fail(stderr, &usageError{err})
	}
	return fail(stderr, command.Run(&env{ctx, stdout, stderr, isTerminal(stderr)}))
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// usageError is a command line that cannot be run.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// errDiffers ends a command whose report already says what differs.
var errDiffers = errors.New("the server's totals are not what it was given")

// fail prints err, unless it is nil, and returns its exit code.
func fail(stderr io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(stderr, "flowload:", err)
	var usage *usageError
	var invalid *loadtest.InvalidError
	var unusable *unusableError
	switch {
	case errors.As(err, &unusable):
		return exitUnusable
	case errors.As(err, &usage), errors.As(err, &invalid):
		fmt.Fprintln(stderr, "Try: flowload --help")
		return exitUsage
	case errors.Is(err, errDiffers):
		return exitDiffers
	}
	return exitRuntime
}
