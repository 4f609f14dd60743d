package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// access measures what it costs to know who sends, and to bound it; and what a flood leaves to others.
func access(ctx context.Context, b *bench) error {
	if err := guards(ctx, b); err != nil {
		return err
	}
	return flood(ctx, b)
}

const (
	openName    = "without tokens"
	guardedName = "with tokens and rates"
	// guardedKept is what is to be left of the speed of taking flows.
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
	for _, of := range []struct {
		name     string
		settings []string
	}{
		{openName, nil},
		{guardedName, []string{"--tokens-file=" + tokens, "--rate-flows=1000000000", "--rate-bytes=1TiB"}},
	} {
		s, err := b.startFlowd(ctx, of.name, append([]string{"--data=", "--durability=none"}, of.settings...)...)
		if err != nil {
			return err
		}
		if of.settings != nil {
			s.token = tokenOf(7)
		}
		servers = append(servers, s)
		s.pause()
	}
	size := size{flows: 100, bodies: 160}
	bodies, err := makeBodies(size, firstHour(), servers)
	if err != nil {
		return err
	}
	found, err := b.takeTurns(ctx, servers, size, bodies)
	if err != nil {
		return err
	}
	for _, s := range servers {
		if err := s.checkCount(ctx); err != nil {
			return err
		}
	}
	b.table.compare(comparison{what: "taking flows with tokens and rates, 100 per POST, per server core", rivalName: openName, unit: "flows/s",
		flowd: median(each(found[guardedName], perCoreOf)), rival: median(each(found[openName], perCoreOf)), goal: guardedKept})
	return nil
}

// The flood: one client that sends ten times what each of the others sends, and more than is taken.
const (
	floodAgents      = 20
	floodRate        = 25 // POSTs of an agent in a second
	floodConnections = 256
	floodRefused     = 1 // in a hundred, of the agents' POSTs
)

// fates count what became of POSTs.
type fates struct{ taken, refused atomic.Int64 }

// sender posts batches, and counts what became of them.
type sender struct {
	*connection
	head  string
	fates *fates
}

func newSender(s *server, token string, f *fates) (*sender, error) {
	c, err := connect(s.instance)
	if err != nil {
		return nil, err
	}
	return &sender{connection: c, fates: f, head: fmt.Sprintf(
		"POST /flows HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: ", c.host, token)}, nil
}

// send posts body. An answer that is neither 200 nor 503 is an error.
func (s *sender) send(body []byte) error {
	s.request = append(s.request[:0], s.head...)
	s.request = strconv.AppendInt(s.request, int64(len(body)), 10)
	s.request = append(s.request, "\r\n\r\n"...)
	s.request = append(s.request, body...)
	_, err := s.exchange(http.StatusOK)
	var other *statusError
	switch {
	case err == nil:
		s.fates.taken.Add(1)
	case errors.As(err, &other) && other.status == http.StatusServiceUnavailable:
		s.fates.refused.Add(1)
		return nil
	}
	return err
}

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
	c := &crowd{server: s, bodies: bodies[0]}
	if err := c.run(ctx, b.For+b.WarmUp); err != nil {
		return err
	}
	agents, flood := &c.agents, &c.flood
	share := 100 * float64(agents.refused.Load()) / float64(agents.refused.Load()+agents.taken.Load())
	b.table.limit("POSTs of 20 agents refused beside a flood", share, floodRefused, "%")
	b.table.note("A flood: %d agents with a token each send %d POSTs a second each, and one more token sends on %d connections as fast "+
		"as it is answered; 100 flows per POST, to the disk. The agents had %d POSTs taken and %d refused, the flood %d and %d.",
		floodAgents, floodRate, floodConnections, agents.taken.Load(), agents.refused.Load(), flood.taken.Load(), flood.refused.Load())
	return nil
}

// crowd is all who send to one server.
type crowd struct {
	server        *server
	bodies        [][]byte
	agents, flood fates
}

// run has all of them send for a time.
func (c *crowd) run(ctx context.Context, d time.Duration) (err error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var all sync.WaitGroup
	errs := make(chan error, floodConnections+floodAgents)
	for i := range floodConnections {
		all.Go(func() { errs <- c.send(ctx, i, tokenOf(floodAgents), &c.flood, 0) })
	}
	for i := range floodAgents {
		all.Go(func() { errs <- c.send(ctx, i, tokenOf(i), &c.agents, time.Second/floodRate) })
	}
	all.Wait()
	close(errs)
	for e := range errs {
		err = errors.Join(err, e)
	}
	return err
}

// send posts bodies from number i on, one in every, or as fast as they are answered if that is 0.
func (c *crowd) send(ctx context.Context, i int, token string, f *fates, every time.Duration) error {
	s, err := newSender(c.server, token, f)
	if err != nil {
		return err
	}
	ticker := time.NewTicker(max(every, 1))
	defer ticker.Stop()
	for ; ctx.Err() == nil && err == nil; i++ {
		err = s.send(c.bodies[i%len(c.bodies)])
		if every > 0 {
			select {
			case <-ticker.C:
			case <-ctx.Done():
			}
		}
	}
	return errors.Join(err, s.close())
}
