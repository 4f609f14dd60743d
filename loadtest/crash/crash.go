// Package crash kills a server again and again while agents send it batches, and compares every total in the end with
// the batches that were answered.
package crash

import (
	"cmp"
	"context"
	"io"
	"os/exec"
	"time"

	"flowd/flow"
	"flowd/flow/flowjson"
	"flowd/loadtest"
)

// Options says how a server is to be killed, and what it is sent meanwhile.
type Options struct {
	// Server returns a command that serves on addr, a host:port, with the same data each time. Its
	// output is kept for errors where the command has no other place for it.
	Server func(addr string) *exec.Cmd
	// Token is what the server knows the sender by, empty for nothing.
	Token string
	// Agents is how many senders there are, each with one batch under way. Half of them number
	// their batches by Flowd-Agent and Flowd-Seq, the others name them by Idempotency-Key.
	Agents int
	// Workload is the flows; its Moves follow from HourPosts.
	loadtest.Workload
	// HourPosts is after how many batches the hours move on by one, 0 for hours that stay.
	HourPosts int
	// Format and Encoding are the form of the bodies.
	Format   flowjson.Format
	Encoding loadtest.Encoding
	// Duplicates is the share of the batches that are sent once more on purpose, from 0 to 1: at
	// once, some batches later, or on a second connection while the first one is under way.
	Duplicates float64
	// Kills is how often the server is killed by SIGKILL, and KillEvery how long it serves before
	// that on average. A quarter of the kills come before the server is ready.
	Kills     int
	KillEvery time.Duration
	// MinBatches is how many batches are answered at least before the last kill or, without any,
	// before the stop.
	MinBatches int
	// Timeout is how long one request may take, and StartWithin how long the server may take to be
	// ready, to stop, and to answer what is under way at the end.
	Timeout, StartWithin time.Duration
	// Progress is where a bar is drawn, nil for nowhere.
	Progress io.Writer
}

const (
	// MaxAgents and MaxKills bound a crash test.
	MaxAgents = 1000
	MaxKills  = 1_000_000
	// maxMoves bounds how far the hours move, and maxCells the memory of the account; the
	// hours stay where the first of the two is reached.
	maxMoves = 10_000
	maxCells = 1 << 25
)

// check returns what is wrong with o, or completes its Workload.
func (o *Options) check() error {
	o.Moves = 0
	if o.HourPosts > 0 && o.Tuples > 0 {
		o.Moves = max(0, min(maxMoves, maxCells/o.Tuples-o.Hours, flow.MaxHour+1-int(o.FirstHour)-o.Hours))
	}
	switch {
	case o.Server == nil:
		return loadtest.Invalid("server", "must be the command that starts the server")
	case o.Agents < 1 || o.Agents > MaxAgents:
		return loadtest.Invalid("agents", "must be 1 to %d, not %d", MaxAgents, o.Agents)
	case !(o.Duplicates >= 0 && o.Duplicates <= 1):
		return loadtest.Invalid("duplicates", "must be 0 to 1, not %v", o.Duplicates)
	case o.Kills < 0 || o.Kills > MaxKills:
		return loadtest.Invalid("kills", "must be 0 to %d, not %d", MaxKills, o.Kills)
	case o.KillEvery <= 0:
		return loadtest.Invalid("kill-every", "must be over 0, not %v", o.KillEvery)
	case o.MinBatches < 0:
		return loadtest.Invalid("min-batches", "must be 0 or more, not %d", o.MinBatches)
	case o.HourPosts < 0:
		return loadtest.Invalid("hour-posts", "must be 0 or more, not %d", o.HourPosts)
	case o.Timeout <= 0:
		return loadtest.Invalid("timeout", "must be over 0, not %v", o.Timeout)
	case o.StartWithin <= 0:
		return loadtest.Invalid("start-within", "must be over 0, not %v", o.StartWithin)
	}
	return cmp.Or(new(loadtest.Target).SetToken(o.Token), loadtest.CheckForm(o.Format, o.Encoding), o.Workload.Check())
}

// Run starts a server, kills it again and again while agents send it batches, starts it again
// each time, and compares every total at the end with the batches that were answered with 200. A batch without
// an answer is sent again under the same name until it has one, so in the end each counts once.
// Then the server is stopped by SIGTERM, started and compared once more.
//
// It returns a *loadtest.InvalidError for options that cannot be used, and an error if the server does not
// start, ends by itself or cannot be read. What it counts wrong is no error but in the report. No
// process is left behind in any case.
//
// When ctx ends, the server is not killed any more; what was sent is verified as ever.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	gen, err := loadtest.NewGenerator(o.Workload)
	if err != nil {
		return nil, err
	}
	run, err := newTestRun(o, gen)
	if err != nil {
		return nil, err
	}
	return run.run(ctx)
}
