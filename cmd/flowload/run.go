package main

import (
	"errors"
	"time"

	"flowd/loadtest/load"

	"github.com/alecthomas/kong"
)

// runCmd is `flowload run`.
type runCmd struct {
	loadFlags
	Rate       float64       `default:"0" placeholder:"POSTS/S" help:"Posts per second, sent when they are due whatever the server does. 0 is a closed loop: as fast as the answers come (${default})."`
	For        time.Duration `default:"10s" help:"How long to send (${default})."`
	HourEvery  time.Duration `default:"0" placeholder:"TIME" help:"After what time the hours move on by one; 0 is never (${default})."`
	NoVerify   bool          `help:"Do not read the totals back and compare them."`
	ServerData string        `placeholder:"DIR" help:"The folder of the server's data on this machine, to report how it and the server's memory grow."`
	crashFlags
}

// Help is what --help says beyond the flags.
func (c *runCmd) Help() string {
	return `Requests are due at fixed times and wait for a free connection when all are busy; latency counts from when a
request was due. Nothing is sent twice: a request that fails is reported as failed.

Before and after, every hour is read, and the growth of each tuple is compared with the posts that were answered
with 200. A post that was refused (4xx, 503) must not count; one without an answer may. Who else writes to the same
hours meanwhile makes a difference too. It takes 16 bytes of memory for each tuple and hour. Where the server keeps a
ledger, it is compared as well, and hours may be gone if they are what the ledger says has expired.

With --crash the server is started here, on this machine, and killed by SIGKILL at random moments. Half of the agents
number their batches, the others name them by a key. A batch without an answer is sent again under its name until it
is answered with 200, so in the end each must count exactly once. Last, the server is stopped by SIGTERM, started and
compared once more. Give it a folder of its own:

  flowload run --crash --tuples 1000 --server 'flowd serve --data DIR --listen 127.0.0.1:0'

An interrupt ends the load early; what was sent is still verified and reported. A second one ends at once.

A server with tokens must know this program by one with the scopes ingest and query, and for --crash or where there is
a ledger, without vpcs.

Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 the totals differ.`
}

// Run puts the load on the server and prints the report.
func (c *runCmd) Run(e *env, parsed *kong.Context) error {
	if err := c.checkFlags(parsed); err != nil {
		return err
	}
	if c.Crash {
		return c.runCrash(e)
	}
	o, err := c.options()
	if err != nil {
		return err
	}
	o.Rate, o.For, o.HourEvery, o.Verify = c.Rate, c.For, c.HourEvery, !c.NoVerify
	o.ServerData = c.ServerData
	o.Progress = e.progress()
	report, err := load.Run(e.ctx, o)
	if report == nil {
		return err
	}
	if err := errors.Join(err, c.print(e.stdout, report)); err != nil {
		return err
	}
	if v := report.Verification; v != nil && !v.OK {
		return errDiffers
	}
	return nil
}
