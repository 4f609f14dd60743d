package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

const (
	// comparedTuples are those of the hours that are written and asked about.
	comparedTuples = 300_000
	// comparedReplay is how many batches of replaySize the replayed log has.
	comparedReplay = 3000
)

// comparing is one kind of comparison.
type comparing struct {
	name string
	// settings are those of its servers, of which needed ones must be known to a program.
	settings, needed []string
	data             bool // each server has a folder
	// rows are what its rows measure, for those of a base that cannot do it.
	rows    []string
	by      string
	measure func(c *compared, ctx context.Context) error
}

// comparisons are all kinds, in the order of the table.
func comparisons() []comparing {
	posts := func(durability string) (rows []string) {
		for _, s := range sizes {
			rows = append(rows, postsRow(s, durability))
		}
		return rows
	}
	return []comparing{
		{name: "memory", settings: []string{"--data=", "--durability=none"}, rows: posts("memory"), by: byProcessor,
			measure: func(c *compared, ctx context.Context) error { return c.posts(ctx, "memory") }},
		{name: "fsync", settings: []string{"--durability=fsync"}, needed: []string{"--data", "--durability"}, data: true,
			rows: posts("fsync"), by: byProcessor,
			measure: func(c *compared, ctx context.Context) error { return c.posts(ctx, "fsync") }},
		{name: "replay", settings: append([]string{"--durability=fsync"}, unchecked...), needed: []string{"--data", "--durability"}, data: true,
			rows: []string{replayRow}, by: byWall, measure: (*compared).replays},
		{name: "checkpoint", settings: []string{"--durability=fsync", "--checkpoint-interval=1s", "--checkpoint-log=1TiB"},
			needed: []string{"--data", "--durability", "--checkpoint-interval"}, data: true,
			rows: []string{checkpointRow}, by: byWall, measure: (*compared).checkpoints},
		{name: "questions", settings: []string{"--data=", "--durability=none"},
			rows: []string{wholeRow, topRow}, by: byWall, measure: (*compared).questions},
	}
}

func postsRow(s size, durability string) string {
	return fmt.Sprintf("taking flows, %d per POST, %s", s.flows, durability)
}

const (
	replayRow     = "start with a log to replay"
	checkpointRow = "checkpoint of an hour"
	topRow        = "the first 10 of an hour"
	wholeRow      = "a whole hour as JSON"
)

// measureAll adds the rows of all kinds. What the base cannot do is said in its rows; what the tree cannot
// do is an error.
func (c *compared) measureAll(ctx context.Context, kinds []comparing) error {
	for _, kind := range kinds {
		before := len(c.rows)
		err := c.measureKind(ctx, kind)
		var failed *sideError
		if ctx.Err() != nil || err != nil && (!errors.As(err, &failed) || failed.side == treeSide) {
			return errors.Join(ctx.Err(), err)
		}
		if err != nil {
			c.progress("%s: %v", kind.name, err)
			for _, what := range kind.rows[len(c.rows)-before:] {
				c.rows = append(c.rows, ratioRow{what: what, by: kind.by, why: failed.short()})
			}
		}
	}
	return nil
}

// measureKind starts the servers of a kind, measures them and stops them.
func (c *compared) measureKind(ctx context.Context, kind comparing) (err error) {
	defer func() { err = errors.Join(err, c.stopServers()) }()
	for _, i := range []int{treeSide, baseSide, againSide} { // what the tree cannot do must not go unseen
		s := c.sides[i]
		if err := s.lacks(kind.needed); err != nil {
			return &sideError{i, err}
		}
		settings := kind.settings
		if kind.data {
			data := filepath.Join(s.dir, kind.name)
			if err := os.MkdirAll(data, 0o777); err != nil {
				return err
			}
			settings = append([]string{"--data=" + data}, settings...)
		}
		s.settings = settings
		if s.server, err = s.startFlowd(ctx, sideNames[i], settings...); err != nil {
			s.server = nil
			return &sideError{i, err}
		}
	}
	return kind.measure(c, ctx)
}

// stopServers ends what runs. A server of a base may end as it likes: what it has is thrown away.
func (c *compared) stopServers() error {
	for _, s := range c.sides {
		if s.server != nil {
			s.Kill()
			s.server = nil
		}
		if err := os.RemoveAll(s.dir); err != nil {
			return err
		}
	}
	return nil
}

const (
	// postTurn is how long POSTs are measured at a time, after postWarmUp. A machine that is shared becomes
	// slower and faster by a third within a second, so that many short turns beside each other tell what a
	// few long ones do not.
	postTurn   = 250 * time.Millisecond
	postWarmUp = 20 * time.Millisecond
	// syncConnections is the load with fsync: a sync is shared by the batches that come meanwhile.
	syncConnections = 64
)

// postTurns is in how many turns each side has POSTs for --for in each of the rounds.
func (b *bench) postTurns() int { return b.Rounds * int(max(b.For/postTurn, 1)) }

func (c *compared) posts(ctx context.Context, durability string) error {
	for _, s := range c.sides {
		if durability != "memory" {
			if err := s.awaitSpares(ctx); err != nil {
				return err
			}
		}
		s.pause()
	}
	for _, size := range sizes {
		bodies, err := makeBodies(size, firstHour(), []*server{c.sides[treeSide].server})
		if err != nil {
			return err
		}
		size.turn, size.warmUp = postTurn, postWarmUp
		if durability != "memory" {
			size.connections = syncConnections
		}
		what := postsRow(size, durability)
		found, err := c.turns(ctx, what, c.postTurns(), func(s *side) (float64, error) {
			v, err := s.measure(ctx, s.server, size, bodies[0])
			return v.perCore, err
		})
		if err != nil {
			return err
		}
		c.rows = append(c.rows, newRatioRow(what, byProcessor, "flows/s", 1, found))
	}
	return c.checkCounts(ctx)
}

// checkCounts holds that each side counted what it took.
func (c *compared) checkCounts(ctx context.Context) error {
	for i, s := range c.sides {
		if err := s.checkCount(ctx); err != nil {
			return &sideError{i, err}
		}
	}
	return nil
}

// postsInTurn posts so many batches to each side.
func (c *compared) postsInTurn(ctx context.Context, size size) error {
	bodies, err := checkpointBodies(size, c.tuples)
	if err != nil {
		return err
	}
	for i, s := range c.sides {
		if err := postAll(ctx, s.server, size.flows, bodies); err != nil {
			return &sideError{i, err}
		}
	}
	return nil
}

// replays kills the servers again and again, which start with the same log.
func (c *compared) replays(ctx context.Context) error {
	if err := c.postsInTurn(ctx, size{flows: replaySize.flows, bodies: c.batches}); err != nil {
		return err
	}
	found, err := c.turns(ctx, replayRow, c.Rounds, func(s *side) (float64, error) {
		posted, name := s.posted, s.server.name
		s.Kill()
		began := time.Now()
		back, err := s.startFlowd(ctx, name, s.settings...)
		if err != nil {
			s.server = nil
			return 0, err
		}
		took := time.Since(began)
		s.server, back.posted = back, posted
		return took.Seconds(), s.checkCount(ctx)
	})
	if err == nil {
		c.rows = append(c.rows, newRatioRow(replayRow, byWall, "ms", 1e3, found))
	}
	return err
}

// checkpoints has each side write the same hour again and again, since some flows of it came.
func (c *compared) checkpoints(ctx context.Context) error {
	if err := c.postsInTurn(ctx, size{flows: 1000, bodies: 2 * c.tuples / 1000}); err != nil {
		return err
	}
	load, err := checkpointBodies(checkpointSize, c.tuples)
	if err != nil {
		return err
	}
	var body []byte
	for some := range load {
		body = append(body, some...)
		break
	}
	for i, s := range c.sides {
		if err := s.settle(ctx, body); err != nil {
			return &sideError{i, err}
		}
	}
	found, err := c.turns(ctx, checkpointRow, c.Rounds, func(s *side) (float64, error) {
		before, err := s.checkpointed(ctx)
		if err != nil {
			return 0, err
		}
		if err := s.settle(ctx, body); err != nil {
			return 0, err
		}
		after, err := s.checkpointed(ctx)
		if err != nil {
			return 0, err
		}
		rows, took := after.rows-before.rows, after.seconds-before.seconds
		if rows <= 0 || took <= 0 {
			return 0, fmt.Errorf("a checkpoint of %.0f rows in %.3f s", rows, took)
		}
		return took / rows, nil
	})
	if err == nil {
		c.rows = append(c.rows, newRatioRow(checkpointRow, byWall, "ns a row", 1e9, found))
	}
	return err
}

// questions asks each side about an hour in memory.
func (c *compared) questions(ctx context.Context) error {
	rows, err := startRows(c.tuples)
	if err != nil {
		return err
	}
	hour := firstHour()
	for i, s := range c.sides {
		if err := postHour(ctx, s.server, rows, hour); err != nil {
			return &sideError{i, err}
		}
	}
	for _, q := range []struct {
		what, question string
		times          int
	}{{wholeRow, "", 5}, {topRow, "&" + topTen, 50}} {
		path := fmt.Sprintf("/flows?hour=%d%s", hour, q.question)
		found, err := c.turns(ctx, q.what, c.Rounds, func(s *side) (float64, error) { return askTimes(ctx, s.instance, path, q.times) })
		if err != nil {
			return err
		}
		c.rows = append(c.rows, newRatioRow(q.what, byWall, "ms", 1e3, found))
	}
	return nil
}

// askTimes returns the median time of a question, in seconds.
func askTimes(ctx context.Context, p *instance, path string, times int) (float64, error) {
	conn, err := connect(p)
	if err != nil {
		return 0, err
	}
	defer conn.close()
	var all []float64
	for range times {
		r, err := conn.ask(path, "", http.StatusOK)
		if err = errors.Join(err, ctx.Err()); err != nil {
			return 0, err
		}
		all = append(all, r.took.Seconds())
	}
	return median(all), nil
}
