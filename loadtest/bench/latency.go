package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"flowd/flow"
	"flowd/loadtest"
	"flowd/loadtest/load"
)

// The load under which the answers are timed: flowload's defaults, on an hour of so many
// tuples, with reads beside the posts.
const (
	answerTuples       = 1000
	answerFlowsPerPost = 100
	answerBound        = 50 * time.Millisecond // of the search, flowload's default
	answerReads        = 250                   // per second
	answerGoal         = 5 * time.Millisecond
	answerFor          = 4 * time.Second // for each round
)

// latency measures how long a reader waits for an hour while flows come in at half of the rate
// that the server holds.
func latency(ctx context.Context, b *bench) (err error) {
	s, err := b.startMemory(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	what := fmt.Sprintf("p99 of GET /flows?hour=N, %d tuples, at half of the highest load", answerTuples)
	o := load.Options{
		Target: s.url, Connections: b.Connections, Timeout: 10 * time.Second, Encoding: loadtest.Plain,
		ServerPID: s.PID(),
		Workload: loadtest.Workload{
			Tuples: answerTuples, FirstHour: flow.Hour(time.Now().Unix() / 3600), Hours: 1,
			Skew: loadtest.Uniform, FlowsPerPost: answerFlowsPerPost, Seed: 1,
		},
	}
	best, err := b.highest(ctx, o)
	if err != nil {
		return err
	}
	if best == nil {
		b.table.miss(what, "no rate held")
		return nil
	}
	o.Rate = best.Rate / 2
	o.Reads = answerReads / (answerReads + o.Rate)
	o.For = answerFor
	o.Verify = true
	var p99s []float64
	for round := range b.Rounds {
		report, err := load.Run(ctx, o)
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case !report.Verification.OK || len(report.Writes.Errors) > 0 || len(report.Reads.Errors) > 0:
			b.table.miss(what, "requests failed, or the totals are wrong")
			return report.WriteText(b.log)
		}
		p99s = append(p99s, report.Reads.Latency.P99*1000)
		b.progress("reads under load, round %d of %d: p99 %s at %s beside %.0f reads/s", round+1, b.Rounds,
			figure(p99s[round], "ms"), figure(report.Writes.FlowsPerSecond, "flows/s"), report.Reads.PerSecond)
	}
	b.table.limit(what, median(p99s), float64(answerGoal.Milliseconds()), "ms")
	b.table.note("The highest load: flowload max found %s in POSTs of %d with p99 within %v; half of it came in beside "+
		"%d reads per second, each timed from when it was due. All totals were read back and compared.",
		figure(best.FlowsPerSecond, "flows/s"), answerFlowsPerPost, answerBound, answerReads)
	return nil
}

// highest finds the highest rate that the server holds; nil if none.
func (b *bench) highest(ctx context.Context, o load.Options) (*load.Step, error) {
	b.progress("searching the highest rate of posts")
	report, err := load.Max(ctx, load.MaxOptions{
		Options: o, P99: answerBound, Step: 2 * time.Second, Start: 4000, Precision: 0.1,
		Each: func(step *load.Step) { _ = step.WriteText(b.log) }, // as with progress
	})
	if err != nil {
		return nil, err
	}
	return report.Best, ctx.Err()
}
