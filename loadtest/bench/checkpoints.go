package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"time"

	"flowd/flow/flowjson"
	"flowd/loadtest"
)

// blockSuite is a block written beside the plain writer of the library below it.
var blockSuite = goSuite{
	runs: []goRun{{pkg: "flowd/block", name: "Write", benchTime: "500ms"}},
	rows: []goRow{
		{what: "writing 1,000,000 tuples to a block", flowd: "Write/block", rival: "Write/plain", rivalName: "parquet-go", metric: "rows/s", unit: "rows/s", higher: true, goal: 0.4},
	},
}

// blocks measures how fast the block of an hour is written.
func blocks(ctx context.Context, b *bench, dir string) error {
	suite := blockSuite
	suite.tmp = dir
	if err := b.goBenchmarks(ctx, suite); err != nil {
		return err
	}
	b.table.note("Writing a block: to the disk with its sync, beside parquet-go's generic writer of a struct to memory; medians of %d runs.", b.Count)
	return nil
}

// The load beside checkpoints. There are so many tuples that a checkpoint, which leaves most of the
// processor to others, takes longer than the interval: one follows the other.
const (
	checkpointTuples = 800_000
	checkpointGoal   = 0.9
	// settleWithin is how long the checkpoint behind the last flow may take.
	settleWithin = 30 * time.Second
)

var (
	// What comes in before anything is measured has six in seven of the tuples.
	checkpointPreSize = size{flows: 1000, bodies: 1600}
	// The server looks once a second whether a checkpoint is due: it begins while the load warms up.
	checkpointSize = size{flows: 100, bodies: 160, warmUp: 1200 * time.Millisecond}
)

// checkpoints measures what the checkpoints of a large hour take from the rate at which flows come
// in, beside a server that writes the same log and no checkpoints. Neither is paused: a checkpoint
// sleeps by how long its work took, and would take the pause for work.
func checkpoints(ctx context.Context, b *bench, dir string) (err error) {
	var servers []*server
	defer func() { err = errors.Join(err, stopAll(servers)) }()
	start := func(name string, settings ...string) (*server, error) {
		s, err := b.startLogged(ctx, name, filepath.Join(dir, name), "fsync", settings...)
		if err == nil {
			servers = append(servers, s)
		}
		return s, err
	}
	without, err := start("without", unchecked...)
	if err != nil {
		return err
	}
	with, err := start("with", "--checkpoint-interval=1s", "--checkpoint-log=1TiB")
	if err != nil {
		return err
	}
	bodies, err := preload(ctx, servers)
	if err != nil {
		return err
	}
	if err := with.settle(ctx, bodies[0]); err != nil {
		return err
	}
	var plain, beside []speed
	var written []float64
	for round := range b.Rounds {
		v, err := b.measureRunning(ctx, without, checkpointSize, bodies)
		if err != nil {
			return err
		}
		w, rows, err := b.besideCheckpoints(ctx, with, bodies)
		if err != nil {
			return err
		}
		b.progress("taking flows beside checkpoints at %s, round %d of %d: %s, without %s",
			figure(rows, "rows/s"), round+1, b.Rounds, figure(w.flows, "flows/s"), figure(v.flows, "flows/s"))
		plain, beside, written = append(plain, v), append(beside, w), append(written, rows)
	}
	for _, s := range servers {
		if err := s.checkCount(ctx); err != nil {
			return err
		}
	}
	b.checkpointRows(plain, beside)
	b.table.note("While checkpoints are written: one after the other, of an hour with most of %d tuples, at %s; "+
		"fsync, %d connections, medians of %d rounds of %s.",
		checkpointTuples, figure(median(written), "rows/s"), b.Connections, b.Rounds, b.For)
	return nil
}

func (b *bench) checkpointRows(plain, beside []speed) {
	what := fmt.Sprintf("taking flows, %d per POST, while checkpoints are written", checkpointSize.flows)
	b.table.compare(comparison{what: what, rivalName: "without",
		flowd: median(each(beside, flowsOf)), rival: median(each(plain, flowsOf)), unit: "flows/s", goal: checkpointGoal})
	b.table.compare(comparison{what: what + ", per server core", rivalName: "without",
		flowd: median(each(beside, perCoreOf)), rival: median(each(plain, perCoreOf)), unit: "flows/s"})
}

// besideCheckpoints measures a server that writes checkpoints, and how many rows a second it wrote
// as long as it wrote one. It returns when none is under way any more.
func (b *bench) besideCheckpoints(ctx context.Context, s *server, bodies [][]byte) (speed, float64, error) {
	before, err := s.checkpointed(ctx)
	if err != nil {
		return speed{}, 0, err
	}
	v, err := b.measureRunning(ctx, s, checkpointSize, bodies)
	if err != nil {
		return speed{}, 0, err
	}
	if err := s.settle(ctx, bodies[0]); err != nil {
		return speed{}, 0, err
	}
	after, err := s.checkpointed(ctx)
	if err != nil {
		return speed{}, 0, err
	}
	rows, took := after.rows-before.rows, after.seconds-before.seconds
	if took < b.For.Seconds() {
		return speed{}, 0, fmt.Errorf("checkpoints of %.0f rows took %.1f s, which is not all of the %v measured", rows, took, b.For)
	}
	return v, rows / took, nil
}

// checkpointed is what all checkpoints of a server wrote, and how long they took.
type checkpointed struct{ rows, seconds float64 }

func (s *server) checkpointed(ctx context.Context) (c checkpointed, err error) {
	if c.rows, err = s.metric(ctx, "flowd_checkpoint_rows_total"); err != nil {
		return c, err
	}
	c.seconds, err = s.metric(ctx, "flowd_checkpoint_seconds_total")
	return c, err
}

// settle returns when the server has made a checkpoint of all that it took. It posts a batch itself:
// what there is to be told by is when a checkpoint began, and without more flows there may be none
// that began later than now.
func (s *server) settle(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	now := float64(time.Now().UnixMilli()) / 1e3
	if err := postAll(ctx, s, checkpointSize.flows, slices.Values([][]byte{body})); err != nil {
		return err
	}
	return s.await(ctx, "flowd_checkpoint_last_timestamp_seconds", func(began float64) bool { return began >= now })
}

// preload posts flows of most tuples to each server, and returns the bodies of the load, which is of
// the same tuples.
func preload(ctx context.Context, servers []*server) ([][]byte, error) {
	before, err := checkpointBodies(checkpointPreSize, checkpointTuples)
	if err != nil {
		return nil, err
	}
	for _, s := range servers {
		if err := postAll(ctx, s, checkpointPreSize.flows, before); err != nil {
			return nil, err
		}
	}
	load, err := checkpointBodies(checkpointSize, checkpointTuples)
	if err != nil {
		return nil, err
	}
	var bodies [][]byte
	for body := range load {
		bodies = append(bodies, bytes.Clone(body))
	}
	return bodies, nil
}

// checkpointBodies returns the bodies of a load of the same tuples, one by one; each is valid until
// the next.
func checkpointBodies(size size, tuples int) (iter.Seq[[]byte], error) {
	g, err := loadtest.NewGenerator(loadtest.Workload{
		Tuples: tuples, FirstHour: firstHour(), Hours: 1,
		Skew: loadtest.Uniform, FlowsPerPost: size.flows, Seed: uint64(size.flows),
	})
	if err != nil {
		return nil, err
	}
	return func(yield func([]byte) bool) {
		var samples []loadtest.Sample
		var body []byte
		for k := range size.bodies {
			samples = g.Draw(samples, uint64(k))
			body = g.Encode(body[:0], samples, flowjson.JSON)
			if !yield(body) {
				return
			}
		}
	}, nil
}
