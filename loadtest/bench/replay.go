package main

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// The load whose log is replayed.
var replaySize = size{flows: 1000, bodies: 16}

// replayGoal is how many times as fast as one core takes flows in they are to be back.
const replayGoal = 1.5

// unchecked are the settings of a server that writes no checkpoint while it is measured, so that
// the log has all that it took.
var unchecked = []string{"--checkpoint-interval=24h", "--checkpoint-log=1TiB"}

// replay measures how fast a killed server is back: in each turn it is loaded, killed, and started
// again with a log that has all flows of this turn and those before.
func replay(ctx context.Context, b *bench, dir string) (*setup, error) {
	start := func(ctx context.Context) (*server, error) {
		return b.startFlowd(ctx, flowdName, append([]string{"--data=" + dir, "--durability=fsync"}, unchecked...)...)
	}
	s, err := start(ctx)
	if err == nil {
		err = s.awaitSpares(ctx)
	}
	if err != nil {
		return nil, err
	}
	bodies, err := makeBodies(replaySize, []*server{s})
	if err != nil {
		return nil, err
	}
	perFlow := 0.0
	const replayedFigure, replayedByCore = "flows/s replayed", "flows/s replayed per core"
	measure := func(ctx context.Context) (figures, error) {
		v, err := b.measureRunning(ctx, s, replaySize, bodies[0])
		if err == nil && perFlow == 0 {
			perFlow, err = s.logBytes(ctx)
		}
		if err != nil {
			return nil, err
		}
		s.kill()
		posted := s.posted
		if s, err = start(ctx); err != nil {
			return nil, err
		}
		s.posted = posted
		cpu, err := s.cpu()
		if err != nil {
			return nil, err
		}
		r, err := parseReplayed(s.Output())
		if err == nil && r.flows != posted {
			err = fmt.Errorf("%s was answered for %d flows, and replayed %d", flowdName, posted, r.flows)
		}
		if err != nil {
			return nil, err
		}
		v[replayedFigure], v[replayedByCore] = float64(r.flows)/r.took.Seconds(), float64(r.flows)/cpu.Seconds()
		return v, checkCounts(ctx, []*server{s})
	}
	return &setup{sides: []side{{flowdName, measure}}, rows: func(f found) error {
		const rival = "taking flows, per server core"
		what := fmt.Sprintf("replaying the log, %d flows per POST", replaySize.flows)
		taken := f.median(flowdName, byCore)
		b.table.compare(comparison{what: what, rivalName: rival, flowd: f.median(flowdName, replayedFigure), rival: taken, unit: "flows/s", goal: replayGoal})
		b.table.compare(comparison{what: what + ", per core", rivalName: rival, flowd: f.median(flowdName, replayedByCore), rival: taken, unit: "flows/s"})
		b.table.limit(logBytesRow(replaySize), perFlow, logBytesMost, "B")
		b.table.note("Replaying the log: in each of %d rounds flowd with fsync takes flows for %s, is killed by SIGKILL and starts again; "+
			"by its own clock for the log, per core by all processor time from its start until it was ready. No flow was missing, nor one too many.",
			b.Rounds, b.WarmUp+b.For)
		return nil
	}}, nil
}

// replayed is what a server says of its recovery.
type replayed struct {
	flows uint64
	took  time.Duration
}

// replayedLine is what flowd logs:
//
//	time=... level=INFO msg="replayed the log" records=4000 flows=4000000 took=812ms
var replayedLine = regexp.MustCompile(`msg="replayed the log" .*\bflows=(\d+) took=(\S+)`)

func parseReplayed(output string) (replayed, error) {
	found := replayedLine.FindStringSubmatch(output)
	if found == nil {
		return replayed{}, fmt.Errorf("%s does not say that it replayed the log:\n%s", flowdName, output)
	}
	flows, err := strconv.ParseUint(found[1], 10, 64)
	if err != nil {
		return replayed{}, err
	}
	took, err := time.ParseDuration(found[2])
	if err == nil && took <= 0 {
		err = fmt.Errorf("the log was replayed in %v, which is too short to measure", took)
	}
	return replayed{flows: flows, took: took}, err
}
