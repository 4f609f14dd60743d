package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"flowd/flow"
	"flowd/loadtest"
	"flowd/loadtest/demo"
)

// demoCmd is `flowload demo`.
type demoCmd struct {
	Target string `default:"http://127.0.0.1:8080" placeholder:"URL" help:"The server (${default})."`
	tokenFlags
	Seed     uint64        `default:"1" help:"The same seed makes the same flows (${default})."`
	LastHour *uint32       `placeholder:"HOUR" help:"The last of the 48 hours (the current hour since the Unix epoch)."`
	Live     bool          `help:"Go on with flows of the present hour until interrupted."`
	Rate     float64       `default:"100" placeholder:"FLOWS/S" help:"How many of those, about (${default})."`
	Timeout  time.Duration `default:"30s" help:"How long a request may take (${default})."`
}

// Help is what --help says beyond the flags.
func (c *demoCmd) Help() string {
	return fmt.Sprintf(`Posts the traffic of a shop that does not exist: 200 apps in 3 VPCs, 48 hours with days, nights and weekends, some
5,000 tuples in each. Both ends report what they sent and received, and not all of them agree. %d hours before the
last one there is an incident: for %d hours %s has %d times its traffic, %s falls silent, and
%s appears.

Each hour is one batch, named by seed and hour (Idempotency-Key). To run it twice, or again in the next hour, counts
each hour once, as long as the server remembers the names: 24 hours by default, and not with --data= after a restart.
Another seed is other traffic, on top.

With --live the present hour, and those after it, grow until an interrupt. In an hour they grow by about what it is
worth. A batch that is not answered is sent again until it is, and counts once.

Exit codes: 0 all was stored, now or before, 1 it was not, 2 wrong usage.`,
		demo.IncidentBefore, demo.SurgeHours, demo.SurgingApp, demo.SurgeFactor, demo.SilentApp, demo.NewApp)
}

// Run posts the hours, prints what came of it, and goes on if that is asked for.
func (c *demoCmd) Run(e *env) error {
	last := flow.Hour(time.Now().Unix() / 3600)
	if c.LastHour != nil {
		last = flow.Hour(*c.LastHour)
	}
	if !(c.Rate >= 1 && c.Rate <= demo.MaxLiveRate) {
		return &usageError{fmt.Errorf("--rate must be 1 to %d, not %v", demo.MaxLiveRate, c.Rate)}
	}
	token, err := c.token()
	if err != nil {
		return err
	}
	o := demo.PostOptions{
		Target: c.Target, Token: token, Traffic: demo.Options{Seed: c.Seed, LastHour: last}, Timeout: c.Timeout,
		Trouble: func(reason string) { fmt.Fprintf(e.stderr, "flowload: %s; trying again\n", reason) },
	}
	began := time.Now()
	result, err := demo.Post(e.ctx, o)
	var invalid *loadtest.InvalidError
	if errors.As(err, &invalid) {
		return err
	}
	if err == nil || result.Posted() > 0 {
		if printed := printDemo(e.stdout, &o, &result, time.Since(began)); printed != nil {
			return printed
		}
	}
	switch {
	case err != nil && e.ctx.Err() != nil && errors.Is(err, e.ctx.Err()):
		return errors.New("interrupted")
	case err != nil || !c.Live:
		return err
	}
	return c.goOn(e, o)
}

// goOn posts live flows until an interrupt.
func (c *demoCmd) goOn(e *env, o demo.PostOptions) error {
	if err := loadtest.WriteColumns(e.stdout, fmt.Sprintf("live\tabout %v flows/s, until interrupted\n", c.Rate)); err != nil {
		return err
	}
	flows, err := demo.PostLive(e.ctx, o, c.Rate)
	return errors.Join(err, loadtest.WriteColumns(e.stdout, fmt.Sprintf("stored\t%d\n", flows)))
}

// printDemo prints the account in flows. Zeros are left out, but for those that every reader looks for.
func printDemo(w io.Writer, o *demo.PostOptions, r *demo.PostResult, took time.Duration) error {
	var b strings.Builder
	first := o.Traffic.LastHour - demo.Hours + 1
	fmt.Fprintf(&b, "hours\t%d to %d, seed %d\n", first, o.Traffic.LastHour, o.Traffic.Seed)
	fmt.Fprintf(&b, "posted\t%d flows in %v\n", r.Posted(), took.Round(time.Millisecond))
	fmt.Fprintf(&b, "stored\t%d\n", r.Stored)
	if r.Repeated > 0 {
		fmt.Fprintf(&b, "repeated\t%d  counted already\n", r.Repeated)
	}
	if r.Differing > 0 {
		fmt.Fprintf(&b, "left out\t%d  of hours that a demo with another last hour posted\n", r.Differing)
	}
	return loadtest.WriteColumns(w, b.String())
}
