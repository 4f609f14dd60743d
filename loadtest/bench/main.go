// Command bench measures flowd beside its rivals on one machine in one run, and prints one
// table: taking flows in over HTTP, answering under load, the Go benchmarks that stand beside
// the code, questions of a large hour, what tokens cost, what floods and slow connections leave to
// others, and what it costs to keep flows on a disk. Figures of different machines or different runs
// say little about each other; the ratios within one run do.
//
// It is run from the project's folder by "make bench", or go run ./loadtest/bench. It needs
// Linux, to see what its servers use.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == ceilingMode {
		os.Exit(serveCeiling(os.Args[2], os.Stderr))
	}
	// The servers are started by this goroutine and end with the thread that started them, so
	// the thread must not end before the program does.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// options is the command line.
type options struct {
	Rounds      int           `default:"3" help:"How often each server is measured; the table has the medians."`
	For         time.Duration `default:"2s" help:"How long one measurement takes."`
	WarmUp      time.Duration `default:"300ms" help:"How long the server is loaded before each measurement."`
	Connections int           `default:"16" help:"Connections of the load."`
	Count       int           `default:"3" help:"How often each Go benchmark runs."`
	Parts       []string      `default:"ingest,latency,go,questions,access,durability,slowloris" enum:"ingest,latency,go,questions,access,durability,slowloris" help:"What to measure: ${enum}."`
	Dir         string        `type:"path" default:"bin" placeholder:"FOLDER" help:"Folder on the disk that durability is measured on, which needs 3 GB for the time (default: bin)."`
	Base        string        `placeholder:"COMMIT" help:"Compare the working tree with COMMIT, in place of all else: taking flows in memory and with fsync, replaying, checkpoints, questions."`
	Markdown    string        `type:"path" placeholder:"FILE" help:"Write the table to FILE in Markdown, too."`
}

// Validate is called by kong.
func (o *options) Validate() error {
	if o.Rounds < 1 || o.Count < 1 || o.Connections < 1 || o.For <= 0 || o.WarmUp <= 0 {
		return errors.New("--rounds, --count, --connections, --for and --warm-up must be over 0")
	}
	return nil
}

// bench is one run.
type bench struct {
	options
	dir    string // temporary
	onDisk string // for scenarios that need a disk, once one has run
	// cleanups undo what a scenario did.
	cleanups []func() error
	flowd    string          // the binary
	flags    map[string]bool // that it has; nil for all
	log      io.Writer
	table    table
}

// run is the whole program but for its exit.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	b := &bench{log: stderr}
	helped := false
	parser, err := kong.New(&b.options, kong.Name("bench"), kong.Writers(stdout, stderr),
		kong.Description("Measures flowd beside its rivals and prints one table."),
		kong.Exit(func(int) { helped = true }))
	if err == nil {
		_, err = parser.Parse(args)
	}
	switch {
	case helped:
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return 2
	}
	err = b.run(ctx, stdout)
	if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	if err != nil {
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return 1
	}
	return 0
}

func (b *bench) run(ctx context.Context, stdout io.Writer) (err error) {
	b.dir, err = os.MkdirTemp("", "flowd-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if b.Base != "" {
		return b.compare(ctx, stdout)
	}
	begin := time.Now()
	if err := b.build(ctx); err != nil {
		return err
	}
	err = b.measureParts(ctx)
	if len(b.table.rows) == 0 {
		return err
	}
	b.table.note("%s. Measured in one run of %s.", machine(), time.Since(begin).Round(time.Second))
	b.table.text(stdout)
	if err != nil {
		return err // what was measured before it stands above
	}
	if b.Markdown != "" {
		if err := b.writeMarkdown(); err != nil {
			return err
		}
	}
	if n := b.table.missing(); n > 0 {
		return fmt.Errorf("%d rows of the table are missing", n)
	}
	return nil
}

// measureParts runs the scenarios of --parts, in the order of these.
func (b *bench) measureParts(ctx context.Context) (err error) {
	defer func() {
		if b.onDisk != "" {
			err = errors.Join(err, os.RemoveAll(b.onDisk))
		}
	}()
	for _, part := range b.Parts {
		for _, s := range scenarios {
			if s.part == part {
				if err := b.runScenario(ctx, s); err != nil {
					return fmt.Errorf("%s: %w", s.name, err)
				}
			}
		}
	}
	if b.onDisk != "" {
		kind, err := fileSystem(b.onDisk)
		b.table.note("Durability: the data is on %s; what is read from it is in the page cache.", kind)
		return err
	}
	return nil
}

func (b *bench) writeMarkdown() (err error) {
	file, err := os.Create(b.Markdown)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	b.table.markdown(file)
	return nil
}

// progress tells the user what is going on, apart from the table.
func (b *bench) progress(format string, args ...any) {
	fmt.Fprintf(b.log, "bench: "+format+"\n", args...)
}

// machine describes what the figures were measured on.
func machine() string {
	model := runtime.GOARCH
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d CPUs (%s), %s, %s", runtime.NumCPU(), model, runtime.GOOS, runtime.Version())
}
