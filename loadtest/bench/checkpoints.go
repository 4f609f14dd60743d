package main

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"time"

	"flowd/flow/flowjson"
	"flowd/loadtest"
)

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
func checkpoints(ctx context.Context, b *bench, dir string) (*setup, error) {
	const without, with, written = "without", "with", "rows/s written"
	var servers []*server
	for name, settings := range sorted(map[string][]string{without: unchecked, with: {"--checkpoint-interval=1s", "--checkpoint-log=1TiB"}}) {
		s, err := b.startFlowd(ctx, name, append([]string{"--data=" + filepath.Join(dir, name), "--durability=fsync"}, settings...)...)
		if err == nil {
			err = s.awaitSpares(ctx)
		}
		if err != nil {
			return nil, err
		}
		servers = append(servers, s)
	}
	bodies, err := preload(ctx, servers)
	if err != nil {
		return nil, err
	}
	if err := servers[0].settle(ctx, bodies[0]); err != nil {
		return nil, err
	}
	return &setup{
		sides: []side{
			{with, func(ctx context.Context) (figures, error) {
				var v figures
				rows, took, err := servers[0].writtenDuring(ctx, func() (err error) {
					if v, err = b.measureRunning(ctx, servers[0], checkpointSize, bodies); err == nil {
						err = servers[0].settle(ctx, bodies[0])
					}
					return err
				})
				if err == nil && took < b.For.Seconds() {
					err = fmt.Errorf("checkpoints of %.0f rows took %.1f s, which is not all of the %v measured", rows, took, b.For)
				}
				if err == nil {
					v[written] = rows / took
				}
				return v, err
			}},
			{without, func(ctx context.Context) (figures, error) {
				return b.measureRunning(ctx, servers[1], checkpointSize, bodies)
			}},
		},
		check: func(ctx context.Context) error { return checkCounts(ctx, servers) },
		rows: func(f found) error {
			what := fmt.Sprintf("taking flows, %d per POST, while checkpoints are written", checkpointSize.flows)
			b.table.compareMedians(f, bySecond, comparison{what: what, ours: with, rivalName: without, goal: checkpointGoal})
			b.table.compareMedians(f, byCore, comparison{what: what + ", per server core", ours: with, rivalName: without})
			b.table.note("While checkpoints are written: one after the other, of an hour with most of %d tuples, at %s; "+
				"fsync, %d connections, medians of %d rounds of %s.",
				checkpointTuples, figure(f.median(with, written), "rows/s"), b.Connections, b.Rounds, b.For)
			return nil
		},
	}, nil
}

// writtenDuring returns how many rows the checkpoints of s wrote while f ran, and how many seconds they took.
func (s *server) writtenDuring(ctx context.Context, f func() error) (rows, seconds float64, err error) {
	const ofRows, ofSeconds = "flowd_checkpoint_rows_total", "flowd_checkpoint_seconds_total"
	rowsBefore, err := s.metric(ctx, ofRows)
	if err != nil {
		return 0, 0, err
	}
	secondsBefore, err := s.metric(ctx, ofSeconds)
	if err == nil {
		err = f()
	}
	if err == nil {
		rows, err = s.metric(ctx, ofRows)
	}
	if err == nil {
		seconds, err = s.metric(ctx, ofSeconds)
	}
	return rows - rowsBefore, seconds - secondsBefore, err
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
