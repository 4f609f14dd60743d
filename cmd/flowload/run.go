package main

import (
	"errors"
	"time"

	"flowd/loadtest"
)

// runCmd is `flowload run`.
type runCmd struct {
	loadFlags
	Rate     float64       `default:"0" placeholder:"POSTS/S" help:"Posts per second, sent when they are due whatever the server does. 0 is a closed loop: as fast as the answers come (${default})."`
	For      time.Duration `default:"10s" help:"How long to send (${default})."`
	NoVerify bool          `help:"Do not read the totals back and compare them."`
}

// Help is what --help says beyond the flags.
func (c *runCmd) Help() string {
	return `Requests are due at fixed times and wait for a free connection when all are busy; latency counts from when a
request was due. Nothing is sent twice: a request that fails is reported as failed.

Before and after, every hour is read, and the growth of each tuple is compared with the posts that were answered
with 200. A post that was refused (4xx, 503) must not count; one without an answer may. Who else writes to the same
hours meanwhile makes a difference too. It takes 16 bytes of memory for each tuple and hour.

An interrupt ends the load early; what was sent is still verified and reported. A second one ends at once.

Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 the totals differ.`
}

// Run puts the load on the server and prints the report.
func (c *runCmd) Run(e *env) error {
	o := c.options()
	o.Rate, o.For, o.Verify = c.Rate, c.For, !c.NoVerify
	o.Progress = e.progress()
	report, err := loadtest.Run(e.ctx, o)
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
