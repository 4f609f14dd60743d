package main

import (
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"flowd/flow"
	"flowd/loadtest"
	"flowd/loadtest/load"
)

// size is a number of flows per POST, how they are sent, and the least ratios of flows per second
// and server core that are the goals; 0 for none.
type size struct {
	flows        int
	overCeiling  float64
	overVictoria float64
	bodies       int // different ones
	// connections, warmUp and turn, which is --for, are those of the command line where they are 0.
	connections  int
	warmUp, turn time.Duration
}

// sizes have 16,000 different flows each: so many that most tuples occur in them and no branch
// predictor learns them by heart, and so few, 2 MB, that a load generator on the server's machine
// does not push the server's memory out of the cache that they share.
var sizes = []size{
	{flows: 1, overCeiling: 0.85, bodies: 16_000},
	{flows: 100, overCeiling: 0.42, overVictoria: 7, bodies: 160},
	{flows: 1000, overCeiling: 0.16, overVictoria: 10, bodies: 16},
}

// The flows of the load.
const (
	ingestTuples = 10_000
	ingestHours  = 4
)

// The figures of POSTs: flows by second, and by second of the server's processor time.
const (
	bySecond = "flows/s"
	byCore   = "flows/s per core"
)

// firstHour is the first of the hours of the load, of which the last has just passed.
func firstHour() flow.Hour { return flow.Hour(time.Now().Unix()/3600) - ingestHours }

// makeBodies prepares the same flows for each server in its own form.
func makeBodies(size size, servers []*server) ([][][]byte, error) {
	g, err := loadtest.NewGenerator(loadtest.Workload{
		Tuples: ingestTuples, FirstHour: firstHour(), Hours: ingestHours,
		Skew: loadtest.Uniform, FlowsPerPost: size.flows, Seed: uint64(size.flows),
	})
	if err != nil {
		return nil, err
	}
	bodies := make([][][]byte, len(servers))
	var samples []loadtest.Sample
	for k := range uint64(size.bodies) {
		samples = g.Draw(samples, k)
		for i, s := range servers {
			bodies[i] = append(bodies[i], s.encode(nil, g, samples))
		}
	}
	return bodies, nil
}

// posts are sides that take flows. Each server is paused but for its turns.
func (b *bench) posts(size size, servers []*server, rows func(found) error) (*setup, error) {
	bodies, err := makeBodies(size, servers)
	if err != nil {
		return nil, err
	}
	set := &setup{rows: rows, check: func(ctx context.Context) error { return checkCounts(ctx, servers) }}
	for i, s := range servers {
		s.pause()
		set.sides = append(set.sides, side{s.name, func(ctx context.Context) (figures, error) { return b.measure(ctx, s, size, bodies[i]) }})
	}
	return set, nil
}

// measure loads one server, which is paused before and after.
func (b *bench) measure(ctx context.Context, s *server, size size, bodies [][]byte) (figures, error) {
	s.resume()
	defer s.pause()
	return b.measureRunning(ctx, s, size, bodies)
}

// measureRunning is measure for a server that is not paused, since it must see its time go by as
// it does for others.
func (b *bench) measureRunning(ctx context.Context, s *server, size size, bodies [][]byte) (figures, error) {
	if _, err := b.burst(ctx, s, size, bodies, cmp.Or(size.warmUp, b.WarmUp)); err != nil {
		return nil, err
	}
	before, err := s.cpu()
	if err != nil {
		return nil, err
	}
	result, err := b.burst(ctx, s, size, bodies, cmp.Or(size.turn, b.For))
	if err != nil {
		return nil, err
	}
	after, err := s.cpu()
	if err != nil {
		return nil, err
	}
	if after <= before {
		return nil, fmt.Errorf("the server used no processor time that could be seen in %v: measure for longer", cmp.Or(size.turn, b.For))
	}
	flows := float64(result.Requests) * float64(size.flows)
	return figures{bySecond: flows / result.Elapsed.Seconds(), byCore: flows / (after - before).Seconds()}, nil
}

// burst sends bodies for a time, and returns an error unless all were taken.
func (b *bench) burst(ctx context.Context, s *server, size size, bodies [][]byte, d time.Duration) (load.BurstResult, error) {
	result, err := load.Burst(ctx, load.BurstOptions{
		URL: s.url + s.path, Token: s.token, Bodies: bodies, ContentType: s.contentType,
		Connections: cmp.Or(size.connections, b.Connections), For: d,
	})
	taken := result.Status[s.status]
	s.posted += taken * uint64(size.flows)
	switch {
	case err != nil:
		return result, err
	case ctx.Err() != nil:
		return result, ctx.Err()
	case result.Failed > 0:
		return result, fmt.Errorf("%d requests without an answer, the first: %w", result.Failed, result.FirstFailure)
	case taken != result.Requests || taken == 0:
		return result, fmt.Errorf("not all of %d answers have status %d: %v", result.Requests, s.status, result.Status)
	}
	return result, nil
}

// taking measures how fast the servers take flows of a size.
func taking(size size) func(context.Context, *bench, string) (*setup, error) {
	return func(ctx context.Context, b *bench, _ string) (*setup, error) {
		starts := []func(context.Context) (*server, error){b.startCeiling, b.startMemory}
		if _, err := exec.LookPath(victoriaBinary); err == nil {
			starts = append(starts, b.startVictoria)
		}
		var servers []*server
		for _, start := range starts {
			s, err := start(ctx)
			if err != nil {
				return nil, err
			}
			servers = append(servers, s)
		}
		return b.posts(size, servers, func(f found) error { b.takingRows(size, f); return nil })
	}
}

// takingRows adds the medians to the table.
func (b *bench) takingRows(size size, f found) {
	widest := spread(f[flowdName][byCore])
	for _, rival := range []struct {
		name string
		goal float64
	}{{ceilingName, size.overCeiling}, {victoriaName, size.overVictoria}} {
		what := fmt.Sprintf("taking flows, %d per POST", size.flows)
		if f[rival.name] == nil {
			b.table.miss(what+", beside "+rival.name, victoriaBinary+" is not on the path")
			continue
		}
		b.table.compareMedians(f, bySecond, comparison{what: what, ours: flowdName, rivalName: rival.name})
		b.table.compareMedians(f, byCore, comparison{what: what + ", per server core", ours: flowdName, rivalName: rival.name, goal: rival.goal})
		widest = max(widest, spread(f[rival.name][byCore]))
	}
	b.table.note("Taking flows, %d per POST: %d tuples in %d hours, %d connections, closed loop, the load on the same machine. "+
		"Medians of %d rounds of %s, in which the servers take turns; per server core they differ by up to %.0f%%. "+
		"Per server core is by the processor time of the server's process. The ceiling is a fasthttp server that "+
		"reads the body and answers.", size.flows, ingestTuples, ingestHours, b.Connections, b.Rounds, b.For, 100*widest)
}

// The load under which the kinds of durability are compared: so many connections that a group of
// the log holds the batches of many.
var syncsSize = size{flows: 100, bodies: 160, connections: 64}

// logBytesMost is the bound for the bytes of the log per flow.
const logBytesMost = 40

// syncs measures how fast flowd takes flows when each answer waits for the disk, beside a flowd that
// writes no log.
func syncs(ctx context.Context, b *bench, dir string) (*setup, error) {
	const fsync, interval, none = "fsync", "interval", "none"
	var servers []*server
	for _, durability := range []string{fsync, interval, none} {
		s, err := b.startFlowd(ctx, durability, "--data="+filepath.Join(dir, durability), "--durability="+durability)
		if err == nil && durability != none {
			err = s.awaitSpares(ctx)
		}
		if err != nil {
			return nil, err
		}
		servers = append(servers, s)
	}
	return b.posts(syncsSize, servers, func(f found) error {
		servers[0].resume()
		perFlow, err := servers[0].logBytes(ctx)
		if err != nil {
			return err
		}
		what := fmt.Sprintf("taking flows, %d per POST, %d connections, ", syncsSize.flows, syncsSize.connections)
		b.table.compareMedians(f, bySecond, comparison{what: what + fsync, ours: fsync, rivalName: none, goal: 0.60})
		b.table.compareMedians(f, bySecond, comparison{what: what + interval, ours: interval, rivalName: none})
		b.table.limit(logBytesRow(syncsSize), perFlow, logBytesMost, "B")
		b.table.note("Taking flows by durability: flowd with its defaults and a folder of data, closed loop, the load on the same "+
			"machine; medians of %d rounds of %s, in which fsync, interval and none take turns.", b.Rounds, b.For)
		return nil
	})
}

func logBytesRow(s size) string { return fmt.Sprintf("log, bytes of a flow, %d per POST", s.flows) }

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

// reads measures how long a reader waits for an hour while flows come in at half of the rate
// that the server holds.
func reads(ctx context.Context, b *bench, _ string) (*setup, error) {
	s, err := b.startMemory(ctx)
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("p99 of GET /flows?hour=N, %d tuples, at half of the highest load", answerTuples)
	o := s.load(b.Connections, answerTuples, answerFlowsPerPost)
	report, err := load.Max(ctx, load.MaxOptions{
		Options: o, P99: answerBound, Step: 2 * time.Second, Start: 4000, Precision: 0.1,
		Each: func(step *load.Step) { _ = step.WriteText(b.log) }, // as with progress
	})
	if err != nil || ctx.Err() != nil {
		return nil, cmp.Or(err, ctx.Err())
	}
	best := report.Best
	if best == nil {
		return nil, &missing{what, "no rate held"}
	}
	o.Rate, o.For, o.Verify = best.Rate/2, answerFor, true
	o.Reads = answerReads / (answerReads + o.Rate)
	const p99 = "ms p99 of reads"
	measure := func(ctx context.Context) (figures, error) {
		report, err := load.Run(ctx, o)
		switch {
		case err != nil:
			return nil, err
		case ctx.Err() == nil && (!report.Verification.OK || len(report.Writes.Errors) > 0 || len(report.Reads.Errors) > 0):
			_ = report.WriteText(b.log) // as with progress
			return nil, &missing{what, "requests failed, or the totals are wrong"}
		}
		return figures{p99: report.Reads.Latency.P99 * 1000, bySecond: report.Writes.FlowsPerSecond}, nil
	}
	return &setup{sides: []side{{flowdName, measure}}, rows: func(f found) error {
		b.table.limit(what, f.median(flowdName, p99), float64(answerGoal.Milliseconds()), "ms")
		b.table.note("The highest load: flowload max found %s in POSTs of %d with p99 within %v; half of it came in beside "+
			"%d reads per second, each timed from when it was due. All totals were read back and compared.",
			figure(best.FlowsPerSecond, "flows/s"), answerFlowsPerPost, answerBound, answerReads)
		return nil
	}}, nil
}

// load is a load of one hour on s.
func (s *server) load(connections, tuples, flows int) load.Options {
	return load.Options{
		Target: s.url, Token: s.token, Connections: connections, Timeout: answerWithin, Encoding: loadtest.Plain, ServerPID: s.PID(),
		Workload: loadtest.Workload{
			Tuples: tuples, FirstHour: flow.Hour(time.Now().Unix() / 3600), Hours: 1,
			Skew: loadtest.Uniform, FlowsPerPost: flows, Seed: 1,
		},
	}
}

// checkCounts holds that the servers counted what they took: a figure for flows that were dropped
// would be worth nothing.
func checkCounts(ctx context.Context, servers []*server) error {
	for _, s := range slices.DeleteFunc(slices.Clone(servers), func(s *server) bool { return s.counted == nil }) {
		s.resume()
		counted, err := s.counted(ctx)
		if err == nil && counted != s.posted {
			err = fmt.Errorf("%s took %d flows, but counted %d", s.name, s.posted, counted)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
