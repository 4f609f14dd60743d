package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
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

// speed is what one measurement found.
type speed struct {
	flows   float64 // per second
	perCore float64 // per second of the server's processor time
}

func flowsOf(v speed) float64   { return v.flows }
func perCoreOf(v speed) float64 { return v.perCore }

// speeds are the measurements of all rounds by server and flows per POST.
type speeds map[string]map[int][]speed

// ingest measures how fast the servers take flows. They take turns, so that whatever else the
// machine does meets all of them.
func ingest(ctx context.Context, b *bench) (err error) {
	servers, err := b.startServers(ctx)
	defer func() { err = errors.Join(err, stopAll(servers)) }()
	if err != nil {
		return err
	}
	found := speeds{}
	for _, s := range servers {
		found[s.name] = map[int][]speed{}
		s.pause()
	}
	for _, size := range sizes {
		turns, err := b.measureInTurns(ctx, servers, size)
		if err != nil {
			return err
		}
		for name, all := range turns {
			found[name][size.flows] = all
		}
	}
	b.ingestRows(found)
	return nil
}

// firstHour is the first of the hours of the load, of which the last has just passed.
func firstHour() flow.Hour { return flow.Hour(time.Now().Unix()/3600) - ingestHours }

// measureInTurns measures how fast servers, which are paused, take flows of a size, and checks that they counted what
// they took. It returns the speeds by their names.
func (b *bench) measureInTurns(ctx context.Context, servers []*server, size size) (map[string][]speed, error) {
	bodies, err := makeBodies(size, firstHour(), servers)
	if err != nil {
		return nil, err
	}
	found := map[string][]speed{}
	_, err = b.turns(ctx, fmt.Sprintf("%d flows per POST", size.flows), b.Rounds, len(servers), func(i int) (float64, error) {
		s := servers[i]
		v, err := b.measure(ctx, s, size, bodies[i])
		if err != nil {
			return 0, fmt.Errorf("%s, %d flows per POST: %w", s.name, size.flows, err)
		}
		b.progress("%s %s, %s per server core", s.name, figure(v.flows, "flows/s"), figure(v.perCore, ""))
		found[s.name] = append(found[s.name], v)
		return v.perCore, nil
	})
	if err != nil {
		return nil, err
	}
	for _, s := range servers {
		if err := s.checkCount(ctx); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// startServers starts those that there are. Those started are returned beside an error, too.
func (b *bench) startServers(ctx context.Context) ([]*server, error) {
	starts := []func(context.Context) (*server, error){b.startCeiling, b.startMemory}
	if _, err := exec.LookPath(victoriaBinary); err == nil {
		starts = append(starts, b.startVictoria)
	}
	var servers []*server
	for _, start := range starts {
		s, err := start(ctx)
		if err != nil {
			return servers, err
		}
		servers = append(servers, s)
	}
	return servers, nil
}

// makeBodies prepares the same flows for each server in its own form.
func makeBodies(size size, first flow.Hour, servers []*server) ([][][]byte, error) {
	g, err := loadtest.NewGenerator(loadtest.Workload{
		Tuples: ingestTuples, FirstHour: first, Hours: ingestHours,
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

// measure loads one server, which is paused before and after.
func (b *bench) measure(ctx context.Context, s *server, size size, bodies [][]byte) (speed, error) {
	s.resume()
	defer s.pause()
	return b.measureRunning(ctx, s, size, bodies)
}

// measureRunning is measure for a server that is not paused, since it must see its time go by as
// it does for others.
func (b *bench) measureRunning(ctx context.Context, s *server, size size, bodies [][]byte) (speed, error) {
	if _, err := b.blast(ctx, s, size, bodies, cmp.Or(size.warmUp, b.WarmUp)); err != nil {
		return speed{}, err
	}
	before, err := s.cpu()
	if err != nil {
		return speed{}, err
	}
	result, err := b.blast(ctx, s, size, bodies, cmp.Or(size.turn, b.For))
	if err != nil {
		return speed{}, err
	}
	after, err := s.cpu()
	if err != nil {
		return speed{}, err
	}
	if after <= before {
		return speed{}, fmt.Errorf("the server used no processor time that could be seen in %v: measure for longer", cmp.Or(size.turn, b.For))
	}
	flows := float64(result.Requests) * float64(size.flows)
	return speed{flows / result.Elapsed.Seconds(), flows / (after - before).Seconds()}, nil
}

// blast sends bodies for a time, and returns an error unless all were taken.
func (b *bench) blast(ctx context.Context, s *server, size size, bodies [][]byte, d time.Duration) (load.BurstResult, error) {
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

// checkCount holds that the server counted what it took: a figure for flows that were dropped
// would be worth nothing.
func (s *server) checkCount(ctx context.Context) error {
	if s.counted == nil {
		return nil
	}
	s.resume()
	counted, err := s.counted(ctx)
	if err != nil {
		return err
	}
	if counted != s.posted {
		return fmt.Errorf("%s took %d flows, but counted %d", s.name, s.posted, counted)
	}
	return nil
}

// ingestRows adds the medians to the table.
func (b *bench) ingestRows(found speeds) {
	widest := 0.0
	for _, size := range sizes {
		for _, rival := range []struct {
			name string
			goal float64
		}{{ceilingName, size.overCeiling}, {victoriaName, size.overVictoria}} {
			what := fmt.Sprintf("taking flows, %d per POST", size.flows)
			if found[rival.name] == nil {
				b.table.miss(what+", beside "+rival.name, victoriaBinary+" is not on the path")
				continue
			}
			ours, theirs := found[flowdName][size.flows], found[rival.name][size.flows]
			b.table.compare(comparison{what: what, rivalName: rival.name,
				flowd: median(each(ours, flowsOf)), rival: median(each(theirs, flowsOf)), unit: "flows/s"})
			b.table.compare(comparison{what: what + ", per server core", rivalName: rival.name,
				flowd: median(each(ours, perCoreOf)), rival: median(each(theirs, perCoreOf)), unit: "flows/s", goal: rival.goal})
			widest = max(widest, spread(each(ours, perCoreOf)), spread(each(theirs, perCoreOf)))
		}
	}
	b.table.note("Taking flows: %d tuples in %d hours, %d connections, closed loop, the load on the same machine. "+
		"Medians of %d rounds of %s, in which the servers take turns; per server core they differ by up to %.0f%%. "+
		"Per server core is by the processor time of the server's process. The ceiling is a fasthttp server that "+
		"reads the body and answers.", ingestTuples, ingestHours, b.Connections, b.Rounds, b.For, 100*widest)
}

func each(all []speed, figure func(speed) float64) []float64 {
	var out []float64
	for _, v := range all {
		out = append(out, figure(v))
	}
	return out
}
