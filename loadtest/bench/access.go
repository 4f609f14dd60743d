package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"flowd/loadtest"
	"flowd/loadtest/load"
)

// access measures the cost of tokens and rates, and what a flood leaves to others.
func access(ctx context.Context, b *bench) error {
	if err := guards(ctx, b); err != nil {
		return err
	}
	return flood(ctx, b)
}

const (
	openName    = "without tokens"
	guardedName = "with tokens and rates"
	// guardedKept is the share of the speed of taking flows that must remain.
	guardedKept = 0.95
)

// tokenOf is the token of client i. It need not be secret.
func tokenOf(i int) string { return fmt.Sprintf("flowd_bench_%d", i) }

// writeTokens makes a tokens file for n clients.
func writeTokens(dir string, n int) (string, error) {
	var text strings.Builder
	text.WriteString("tokens:\n")
	for i := range n {
		fmt.Fprintf(&text, "  - name: client-%d\n    sha256: %x\n    scopes: [ingest, query, metrics]\n", i, sha256.Sum256([]byte(tokenOf(i))))
	}
	file := filepath.Join(dir, "tokens.yaml")
	return file, os.WriteFile(file, []byte(text.String()), 0o600)
}

// guards measures a server with a thousand tokens, and rates that no client reaches, beside one without.
func guards(ctx context.Context, b *bench) (err error) {
	tokens, err := writeTokens(b.dir, 1000)
	if err != nil {
		return err
	}
	var servers []*server
	defer func() { err = errors.Join(err, stopAll(servers)) }()
	for name, settings := range map[string][]string{
		openName: nil, guardedName: {"--tokens-file=" + tokens, "--rate-flows=1000000000", "--rate-bytes=1TiB"},
	} {
		s, err := b.startFlowd(ctx, name, append([]string{"--data=", "--durability=none"}, settings...)...)
		if err != nil {
			return err
		}
		if name == guardedName {
			s.token = tokenOf(7)
		}
		servers = append(servers, s)
		s.pause()
	}
	found, err := b.measureInTurns(ctx, servers, size{flows: 100, bodies: 160})
	if err != nil {
		return err
	}
	b.table.compare(comparison{what: "taking flows with tokens and rates, 100 per POST, per server core", rivalName: openName, unit: "flows/s",
		flowd: median(each(found[guardedName], perCoreOf)), rival: median(each(found[openName], perCoreOf)), goal: guardedKept})
	return nil
}

// The flood: one client that sends ten times as much as each of the others, and more than the server accepts.
const (
	floodAgents      = 20
	floodRate        = 25 // POSTs of an agent in a second
	floodConnections = 256
	floodRefused     = 1 // in a hundred, of the agents' POSTs
)

// flood has one client send on many connections as fast as it can, and others at their pace, to a server
// that writes every batch to the disk.
func flood(ctx context.Context, b *bench) (err error) {
	tokens, err := writeTokens(b.dir, floodAgents+1)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(b.Dir, 0o777); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(b.Dir, "flowd-flood-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := b.startFlowd(ctx, flowdName, "--data="+dir, "--tokens-file="+tokens, "--log-level=error")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	bodies, err := makeBodies(size{flows: 100, bodies: 160}, firstHour(), []*server{s})
	if err != nil {
		return err
	}
	var flooded load.BurstResult
	var agents [floodAgents]*load.Report
	errs := make([]error, floodAgents+1)
	var all sync.WaitGroup
	all.Go(func() {
		flooded, errs[floodAgents] = load.Burst(ctx, load.BurstOptions{URL: s.url + s.path, Token: tokenOf(floodAgents), Bodies: bodies[0],
			ContentType: s.contentType, Connections: floodConnections, For: b.For + b.WarmUp})
	})
	for i := range agents {
		all.Go(func() { agents[i], errs[i] = load.Run(ctx, b.floodAgent(s, i)) })
	}
	all.Wait()
	if err := errors.Join(append(errs, ctx.Err())...); err != nil {
		return err
	}
	var taken, refused uint64
	for _, r := range agents {
		taken, refused = taken+r.Writes.OK, refused+r.Writes.Requests-r.Writes.OK
		for _, e := range r.Writes.Errors {
			if e.Status != http.StatusServiceUnavailable {
				return fmt.Errorf("POSTs of an agent beside a flood: %s: %s", e.Name(), e.Example)
			}
		}
	}
	floodTaken, floodRefusals := flooded.Status[http.StatusOK], flooded.Status[http.StatusServiceUnavailable]
	if flooded.Failed > 0 || floodTaken+floodRefusals != flooded.Requests {
		return fmt.Errorf("POSTs of a flood: %v, and %d without an answer: %w", flooded.Status, flooded.Failed, flooded.FirstFailure)
	}
	b.table.limit("POSTs of 20 agents refused beside a flood", 100*float64(refused)/float64(refused+taken), floodRefused, "%")
	b.table.note("A flood: %d agents with a token each send %d POSTs a second each, and one more token sends on %d connections as fast "+
		"as it is answered; 100 flows per POST, to the disk. The agents had %d POSTs taken and %d refused, the flood %d and %d.",
		floodAgents, floodRate, floodConnections, taken, refused, floodTaken, floodRefusals)
	return nil
}

// floodAgent is the load of agent i beside the flood.
func (b *bench) floodAgent(s *server, i int) load.Options {
	return load.Options{
		Target: s.url, Token: tokenOf(i), Connections: 1, Encoding: loadtest.Plain, ServerPID: s.PID(),
		Workload: loadtest.Workload{Tuples: ingestTuples, FirstHour: firstHour(), Hours: ingestHours, Skew: loadtest.Uniform, FlowsPerPost: 100, Seed: uint64(i)},
		Rate:     floodRate, For: b.For + b.WarmUp, Timeout: answerWithin,
	}
}
