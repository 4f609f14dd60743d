package main

import (
	"context"
	"errors"
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

// replay measures how fast a killed server is back: in each round it is loaded, killed, and started
// again with a log that has all flows of this round and those before.
func replay(ctx context.Context, b *bench, dir string) (err error) {
	s, err := b.startLogged(ctx, flowdName, dir, "fsync", unchecked...)
	if err != nil {
		return err
	}
	defer func() {
		if s != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	bodies, err := makeBodies(replaySize, firstHour(), []*server{s})
	if err != nil {
		return err
	}
	var perFlow float64
	var taken, replayed, perCore []float64
	for round := range b.Rounds {
		s.pause()
		v, err := b.measure(ctx, s, replaySize, bodies[0])
		if err != nil {
			return err
		}
		s.resume()
		if round == 0 {
			if perFlow, err = s.logBytes(ctx); err != nil {
				return err
			}
		}
		back, r, err := b.killAndReplay(ctx, s, dir)
		s = back
		if err != nil {
			return err
		}
		b.progress("replaying the log, round %d of %d: %s flows in %v, %s, %s per core; taken in by %s per core", round+1, b.Rounds,
			figure(float64(r.flows), ""), r.took, figure(r.perSecond(), "flows/s"), figure(r.perCore(), ""), figure(v.perCore, ""))
		taken, replayed, perCore = append(taken, v.perCore), append(replayed, r.perSecond()), append(perCore, r.perCore())
	}
	const rival = "taking flows, per server core"
	what := fmt.Sprintf("replaying the log, %d flows per POST", replaySize.flows)
	b.table.compare(comparison{what: what, rivalName: rival, flowd: median(replayed), rival: median(taken), unit: "flows/s", goal: replayGoal})
	b.table.compare(comparison{what: what + ", per core", rivalName: rival, flowd: median(perCore), rival: median(taken), unit: "flows/s"})
	b.table.limit(logBytesRow(replaySize), perFlow, logBytesMost, "B")
	b.table.note("Replaying the log: in each of %d rounds flowd with fsync takes flows for %s, is killed by SIGKILL and starts again; "+
		"by its own clock for the log, per core by all processor time from its start until it was ready. No flow was missing, nor one too many.",
		b.Rounds, b.WarmUp+b.For)
	return nil
}

// killAndReplay kills s and starts another server on its folder, which it returns unless there is
// none, also beside an error.
func (b *bench) killAndReplay(ctx context.Context, s *server, dir string) (*server, replayed, error) {
	s.Kill()
	back, err := b.startFlowd(ctx, flowdName, append([]string{"--data=" + dir, "--durability=fsync"}, unchecked...)...)
	if err != nil {
		return nil, replayed{}, err
	}
	cpu, err := back.cpu()
	if err != nil {
		return back, replayed{}, err
	}
	r, err := parseReplayed(back.Output())
	if err != nil {
		return back, replayed{}, err
	}
	r.cpu = cpu
	back.posted = s.posted
	if r.flows != s.posted {
		return back, replayed{}, fmt.Errorf("%s was answered for %d flows, and replayed %d", flowdName, s.posted, r.flows)
	}
	return back, r, back.checkCount(ctx)
}

// replayed is what a server says of its recovery.
type replayed struct {
	flows uint64
	took  time.Duration
	// cpu is the processor time of the server until it was ready.
	cpu time.Duration
}

func (r replayed) perSecond() float64 { return float64(r.flows) / r.took.Seconds() }
func (r replayed) perCore() float64   { return float64(r.flows) / r.cpu.Seconds() }

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
