package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// compareDir is where the other commit is checked out and built, within the folder of --dir.
const compareDir = "compare"

// The programs of a comparison. The base runs twice: what the two differ by is what the machine makes of
// the same program.
const (
	baseSide = iota
	treeSide
	againSide
)

var sideNames = [...]string{baseSide: "base", treeSide: "tree", againSide: "base again"}

// program is one of those that are compared, with a server of it while one is measured.
type program struct {
	*bench
	*server
	dir string // for data, of its own
	// settings are those that the server was started with.
	settings []string
}

// compared is one run that compares the working tree with a commit.
type compared struct {
	*bench
	dir      string // on the disk
	programs []*program
	rows     []ratioRow
	// tuples are those of the hours, batches those of the log that is replayed.
	tuples, batches int
}

// compare builds the commit of --base and the tree, measures them in turns and prints the ratios.
func (b *bench) compare(ctx context.Context, stdout io.Writer) (err error) {
	began := time.Now()
	c := &compared{bench: b, dir: filepath.Join(b.Dir, compareDir), tuples: comparedTuples, batches: comparedReplay}
	if err := os.MkdirAll(b.Dir, 0o777); err != nil {
		return err
	}
	if err := os.Mkdir(c.dir, 0o777); err != nil {
		return fmt.Errorf("%w: if no other comparison runs, it is left of one that was killed: rm -r it, and git worktree prune", err)
	}
	defer func() { err = errors.Join(err, c.remove(ctx)) }()
	commit, err := c.build(ctx)
	if err != nil {
		return err
	}
	kind, err := fileSystem(c.dir)
	if err != nil {
		return err
	}
	err = c.measureAll(ctx, comparisons)
	if len(c.rows) > 0 {
		writeRatios(stdout, c.rows)
		fmt.Fprintf(stdout, "\nThe tree beside commit %s; above 1 the tree is better. Medians and quartiles of %d turns, of POSTs %d, in which "+
			"they are measured in changing order and compared with each other. Base again is the same commit once more: a ratio "+
			"within its range is noise.\nPOSTs are flows by second of the server's processor time, %v each turn; in memory with %d connections, "+
			"with fsync %d; wall is how long it took. The data is on %s.\n%s. Measured in %v.\n",
			commit, b.Rounds, b.postTurns(), postTurn, b.Connections, syncConnections, kind, machine(), time.Since(began).Round(time.Second))
	}
	return err
}

// build checks out the commit and builds both programs. It returns the commit's short hash.
func (c *compared) build(ctx context.Context) (string, error) {
	out, err := command(ctx, "", "git", "rev-parse", "--verify", "--short", c.Base+"^{commit}")
	if err != nil {
		return "", err
	}
	commit := strings.TrimSpace(out)
	checkout, err := filepath.Abs(filepath.Join(c.dir, "base"))
	if err != nil {
		return "", err
	}
	if _, err := command(ctx, "", "git", "worktree", "add", "--detach", checkout, commit); err != nil {
		return "", err
	}
	folders := []string{baseSide: checkout, treeSide: "", againSide: checkout}
	for i, name := range sideNames {
		data := filepath.Join(c.dir, fmt.Sprint("data", i))
		own := *c.bench // with a program of its own
		own.flowd, err = filepath.Abs(filepath.Join(c.dir, fmt.Sprint("flowd", i)))
		if err != nil {
			return "", err
		}
		c.progress("building %s", name)
		// The file name is not part of the build, so the base and the base again are the same program.
		if _, err := command(ctx, folders[i], "go", "build", "-buildvcs=false", "-o", own.flowd, "./cmd/flowd"); err != nil {
			return "", err
		}
		help, err := command(ctx, "", own.flowd, "serve", "--help")
		if err != nil {
			return "", err
		}
		own.flags = flagsOf(help)
		c.programs = append(c.programs, &program{bench: &own, dir: data})
	}
	return commit, nil
}

// remove removes what build made, also after an interrupt.
func (c *compared) remove(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	checkout := filepath.Join(c.dir, "base")
	var err error
	if _, none := os.Stat(checkout); none == nil {
		_, err = command(ctx, "", "git", "worktree", "remove", "--force", checkout)
	}
	return errors.Join(err, os.RemoveAll(c.dir))
}

// command runs one without a shell and returns what it prints.
func command(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(append([]string{name}, args...), " "), err, out)
	}
	return string(out), nil
}

// flagLine is where a help text explains a flag: "  -h, --help", "      --[no-]insecure".
var flagLine = regexp.MustCompile(`(?m)^\s+(?:-\w, )?--(?:\[no-\])?([a-z][a-z0-9-]*)`)

func flagsOf(help string) map[string]bool {
	flags := map[string]bool{}
	for _, found := range flagLine.FindAllStringSubmatch(help, -1) {
		flags[found[1]] = true
	}
	return flags
}

// settingName returns "data" of "--data=folder".
func settingName(setting string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(setting, "--"), "=")
	return name
}

// known returns the settings that the program has flags for; all if its flags were not looked at. One that
// makes no checkpoints keeps nothing, and such commits refuse that the folder is empty.
func (b *bench) known(settings []string) []string {
	if b.flags == nil {
		return settings
	}
	return slices.DeleteFunc(slices.Clone(settings), func(s string) bool {
		return !b.flags[settingName(s)] || s == "--data=" && !b.flags["checkpoint-interval"]
	})
}

// lacks returns an error if the program has no flag for one of the settings, without which what it
// does would be something else.
func (b *bench) lacks(needed []string) error {
	for _, s := range needed {
		if b.flags != nil && !b.flags[settingName(s)] {
			return fmt.Errorf("it has no --%s", settingName(s))
		}
	}
	return nil
}
