package main

import (
	"errors"
	"time"

	"flowd/loadtest/load"
)

// maxCmd is `flowload max`.
type maxCmd struct {
	loadFlags
	P99       time.Duration `default:"50ms" name:"p99" help:"The bound: 99 of 100 requests are answered within it (${default})."`
	Step      time.Duration `default:"3s" help:"How long each rate is tried (${default})."`
	Start     float64       `default:"500" placeholder:"POSTS/S" help:"The first rate (${default})."`
	Precision float64       `default:"0.05" placeholder:"SHARE" help:"How near the answer comes to a rate that fails (${default})."`
}

// Help is what --help says beyond the flags.
func (c *maxCmd) Help() string {
	return `Doubles the rate until it fails, narrows the gap, and tries the answer once more for three steps. Each step is an open
loop: requests are due at fixed times, and latency counts from then. A rate fails if p99 is over the bound, if any
request is not answered with 200, or if over 5% of the posts are missing.

The load needs processor time itself. On the server's own machine the answer is that of both together.

Exit codes: 0 an answer was found, 1 none was, 2 wrong usage.`
}

// Run searches, printing each step when it is over.
func (c *maxCmd) Run(e *env) error {
	var printing error
	o, err := c.options()
	if err != nil {
		return err
	}
	report, err := load.Max(e.ctx, load.MaxOptions{
		Options: o, P99: c.P99, Step: c.Step, Start: c.Start, Precision: c.Precision,
		Each: func(s *load.Step) {
			if !c.JSON && printing == nil {
				printing = s.WriteText(e.stdout)
			}
		},
	})
	if err != nil {
		return err
	}
	if printing != nil {
		return printing
	}
	if err := c.print(e.stdout, report); err != nil {
		return err
	}
	switch {
	case report.Interrupted:
		return errors.New("interrupted before an answer was found")
	case report.Best == nil:
		return errors.New("no rate held for long enough")
	}
	return nil
}
