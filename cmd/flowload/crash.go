package main

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"flowd/loadtest/crash"

	"github.com/alecthomas/kong"
)

// crashFlags are those of `flowload run --crash`.
type crashFlags struct {
	Crash       bool          `group:"crash" help:"Start a server, kill it again and again while agents send batches, and compare every total in the end."`
	Server      string        `group:"crash" placeholder:"COMMAND" help:"What starts it: a program and its arguments, parted by spaces. In it 127.0.0.1:0 becomes an address that is free, the same at each start."`
	Agents      int           `group:"crash" default:"4" help:"Senders, each with one batch under way (${default})."`
	Kills       int           `group:"crash" default:"20" help:"How often the server is killed by SIGKILL (${default})."`
	KillEvery   time.Duration `group:"crash" default:"300ms" help:"How long it serves before that, on average (${default})."`
	MinBatches  int           `group:"crash" default:"100" help:"Batches that are answered at least before the last kill (${default})."`
	Duplicates  float64       `group:"crash" default:"0.2" placeholder:"SHARE" help:"Share of the batches that are sent once more on purpose (${default})."`
	HourPosts   int           `group:"crash" default:"500" help:"After how many batches the hours move on by one; 0 is never (${default})."`
	StartWithin time.Duration `group:"crash" default:"30s" help:"How long the server may take to be ready, and to stop (${default})."`
}

const (
	crashGroup = "crash"
	// anyAddr is what the command of the server has where the address belongs.
	anyAddr = "127.0.0.1:0"
)

// loadOnly are the flags that a crash test has no use for.
var loadOnly = []string{
	"target", "connections", "rate", "for", "hour-every", "reads", "no-verify", "server-pid", "server-data",
}

// checkFlags refuses flags that would have no effect.
func (c *crashFlags) checkFlags(parsed *kong.Context) error {
	for _, word := range parsed.Path {
		f := word.Flag
		switch {
		case f == nil:
		case c.Crash && slices.Contains(loadOnly, f.Name):
			return &usageError{fmt.Errorf("--%s cannot be used with --crash", f.Name)}
		case !c.Crash && f.Group != nil && f.Group.Key == crashGroup:
			return &usageError{fmt.Errorf("--%s needs --crash", f.Name)}
		}
	}
	return nil
}

// command returns what starts the server on an address.
func (c *crashFlags) command() (func(addr string) *exec.Cmd, error) {
	if !strings.Contains(c.Server+" ", anyAddr+" ") {
		return nil, &usageError{fmt.Errorf("--server must be a command that listens on %s, as in %q, not %q",
			anyAddr, "flowd serve --data DIR --listen "+anyAddr, c.Server)}
	}
	words := strings.Fields(c.Server)
	return func(addr string) *exec.Cmd {
		words := slices.Clone(words)
		for i, word := range words {
			if before, found := strings.CutSuffix(word, anyAddr); found {
				words[i] = before + addr
			}
		}
		return exec.Command(words[0], words[1:]...)
	}, nil
}

// runCrash makes the crash test and prints the report.
func (c *runCmd) runCrash(e *env) error {
	command, err := c.command()
	if err != nil {
		return err
	}
	load, err := c.options()
	if err != nil {
		return err
	}
	report, err := crash.Run(e.ctx, crash.Options{
		Server: command, Token: load.Token, Agents: c.Agents, Workload: load.Workload, HourPosts: c.HourPosts,
		Format: load.Format, Encoding: load.Encoding, Duplicates: c.Duplicates,
		Kills: c.Kills, KillEvery: c.KillEvery, MinBatches: c.MinBatches,
		Timeout: c.Timeout, StartWithin: c.StartWithin, Progress: e.progress(),
	})
	if err != nil {
		return err
	}
	if err := c.print(e.stdout, report); err != nil {
		return err
	}
	if !report.OK {
		return errDiffers
	}
	return nil
}
