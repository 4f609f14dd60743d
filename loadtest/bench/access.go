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

	"flowd/loadtest/load"
)

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
func guards(ctx context.Context, b *bench, dir string) (*setup, error) {
	tokens, err := writeTokens(dir, 1000)
	if err != nil {
		return nil, err
	}
	open, err := b.startMemory(ctx)
	if err != nil {
		return nil, err
	}
	guarded, err := b.startFlowd(ctx, guardedName, "--data=", "--durability=none", "--tokens-file="+tokens, "--rate-flows=1000000000", "--rate-bytes=1TiB")
	if err != nil {
		return nil, err
	}
	open.name, guarded.token = openName, tokenOf(7)
	return b.posts(size{flows: 100, bodies: 160}, []*server{open, guarded}, func(f found) error {
		b.table.compareMedians(f, byCore, comparison{what: "taking flows with tokens and rates, 100 per POST, per server core",
			ours: guardedName, rivalName: openName, goal: guardedKept})
		return nil
	})
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
func flood(ctx context.Context, b *bench, dir string) (*setup, error) {
	tokens, err := writeTokens(dir, floodAgents+1)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(b.Dir, 0o777); err != nil {
		return nil, err
	}
	data, err := os.MkdirTemp(b.Dir, "flowd-flood-")
	if err != nil {
		return nil, err
	}
	b.later(func() error { return os.RemoveAll(data) })
	s, err := b.startFlowd(ctx, flowdName, "--data="+data, "--tokens-file="+tokens, "--log-level=error")
	if err != nil {
		return nil, err
	}
	bodies, err := makeBodies(size{flows: 100, bodies: 160}, []*server{s})
	if err != nil {
		return nil, err
	}
	return &setup{rows: func(found) error { return b.measureFlood(ctx, s, bodies[0]) }}, nil
}

// measureFlood sends everything once, and adds the row.
func (b *bench) measureFlood(ctx context.Context, s *server, bodies [][]byte) error {
	var flooded load.BurstResult
	var agents [floodAgents]*load.Report
	errs := make([]error, floodAgents+1)
	var all sync.WaitGroup
	all.Go(func() {
		flooded, errs[floodAgents] = load.Burst(ctx, load.BurstOptions{URL: s.url + s.path, Token: tokenOf(floodAgents), Bodies: bodies,
			ContentType: s.contentType, Connections: floodConnections, For: b.For + b.WarmUp})
	})
	for i := range agents {
		o := s.load(1, ingestTuples, 100)
		o.Token, o.Seed, o.Rate, o.For = tokenOf(i), uint64(i), floodRate, b.For+b.WarmUp
		all.Go(func() { agents[i], errs[i] = load.Run(ctx, o) })
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
