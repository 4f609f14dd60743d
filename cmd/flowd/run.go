package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kong"

	"flowd/cmd/flowd/query"
	_ "flowd/cmd/flowd/quiet" // before the libraries
	"flowd/config"
)

// Exit codes of the program.
const (
	exitOK      = 0
	exitRuntime = 1 // something failed while it ran
	exitUsage   = 2 // the command line or the settings are wrong; nothing was started
)

// commands is the command line.
type commands struct {
	Serve   serveCommand    `cmd:"" help:"Serve the API until SIGTERM or SIGINT."`
	Config  settingsCommand `cmd:"" help:"Print the settings in force and where each comes from, or check a settings file."`
	Version versionCommand  `cmd:"" help:"Print the version."`
	Token   tokenCommand    `cmd:"" help:"Make a token that a server lets in, and its entry for the tokens file."`
	Query   query.Command   `cmd:"" help:"Ask a server for flows, changes, pairs, names, hours or its account."`
	Inspect inspectCommand  `cmd:"" help:"Print what a data folder holds, of a running server too."`
	Verify  verifyCommand   `cmd:"" help:"Read all of a data folder and compare every checksum and sum: exit 1 if anything is damaged."`
	Backup  backupCommand   `cmd:"" help:"Copy the data folder of a running or stopped server to another, from which a server starts."`

	Healthcheck healthcheckCommand `cmd:"" help:"Ask a server whether it is ready: exit 1 if it is not, and why."`
}

// process is what a command has of the process around it.
type process struct {
	ctx            context.Context // its end is a stop, as a signal is
	stdout, stderr io.Writer
	memory         memoryLimit
}

// run is the whole program: it returns the exit code, and ends nothing itself.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	loader := config.NewLoader(environ)
	memory := findMemory(environ)
	loader.SetMemory(memory.Memory)
	helped := false
	parser, err := kong.New(new(commands), append(loader.Options(),
		kong.Name("flowd"),
		kong.Description("flowd takes batches of network flows over HTTP, adds them up per application pair, VPC and hour, and answers hourly questions."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { helped = true }), // kong calls it after --help, and goes on
	)...)
	if err != nil {
		return fail(stderr, err, exitRuntime)
	}
	command, err := parser.Parse(args)
	switch {
	case helped:
		return exitOK
	case err != nil:
		return fail(stderr, err, exitUsage)
	}
	if err := command.Run(&process{ctx, stdout, stderr, memory}, &query.Process{Ctx: ctx, Stdout: stdout, Stderr: stderr}); err != nil {
		return fail(stderr, err, exitRuntime)
	}
	return exitOK
}

// fail says on stderr what went wrong, a line for each of several wrong settings.
func fail(stderr io.Writer, err error, code int) int {
	var settings *config.Error
	if errors.As(err, &settings) {
		for _, p := range settings.Problems {
			fmt.Fprintf(stderr, "flowd: %s: %s\n", p.Place, p.Text)
		}
		return code
	}
	fmt.Fprintf(stderr, "flowd: %v\n", err)
	if code == exitUsage {
		fmt.Fprintln(stderr, `Run "flowd --help" for the commands and flags.`)
	}
	return code
}
