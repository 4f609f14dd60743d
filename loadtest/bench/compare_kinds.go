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
	// postTurn is how long POSTs are measured at a time, after postWarmUp. A machine that is shared becomes
	// slower and faster by a third within a second, so that many short turns beside each other tell what a
	// few long ones do not.
	postTurn   = 250 * time.Millisecond
	postWarmUp = 20 * time.Millisecond
	// syncConnections is the load with fsync: a sync is shared by the batches that come meanwhile.
	syncConnections = 64
)

// comparing is one kind of comparison: servers with the same settings, of which the same is measured in turn.
type comparing struct {
	name string
	// settings are those of its servers, of which needed ones must be known to a program.
	settings, needed []string
	data             bool // each server has a folder
	// rows are what its rows measure, for those of a base that cannot do it.
	rows []string
	by   string
	// prepare returns the measurements of the servers, which run.
	prepare func(c *compared, ctx context.Context) ([]measurement, error)
}

// measurement is one row: what is measured of each program in each of some turns.
type measurement struct {
	what, unit string
	scale      float64
	turns      int
	measure    func(ctx context.Context, p *program) (float64, error)
}

const (
	replayRow     = "start with a log to replay"
	checkpointRow = "checkpoint of an hour"
	topRow        = "the first 10 of an hour"
	wholeRow      = "a whole hour as JSON"
)

// comparisons are all kinds, in the order of the table.
var comparisons = []comparing{
	{name: "memory", settings: []string{"--data=", "--durability=none"}, rows: postRows("memory"), by: byProcessor,
		prepare: func(c *compared, ctx context.Context) ([]measurement, error) { return c.posts(ctx, "memory", 0) }},
	{name: "fsync", settings: []string{"--durability=fsync"}, needed: []string{"--data", "--durability"}, data: true, rows: postRows("fsync"), by: byProcessor,
		prepare: func(c *compared, ctx context.Context) ([]measurement, error) {
			return c.posts(ctx, "fsync", syncConnections)
		}},
	{name: "replay", settings: append([]string{"--durability=fsync"}, unchecked...), needed: []string{"--data", "--durability"}, data: true,
		rows: []string{replayRow}, by: byWall, prepare: (*compared).replays},
	{name: "checkpoint", settings: []string{"--durability=fsync", "--checkpoint-interval=1s", "--checkpoint-log=1TiB"},
		needed: []string{"--data", "--durability", "--checkpoint-interval"}, data: true, rows: []string{checkpointRow}, by: byWall,
		prepare: (*compared).checkpoints},
	{name: "questions", settings: []string{"--data=", "--durability=none"}, rows: []string{wholeRow, topRow}, by: byWall,
		prepare: (*compared).questions},
}

func postRows(durability string) (rows []string) {
	for _, s := range sizes {
		rows = append(rows, fmt.Sprintf("taking flows, %d per POST, %s", s.flows, durability))
	}
	return rows
}

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
		p := c.programs[i]
		if err := p.start(ctx, i, kind); err != nil {
			return &sideError{i, sideNames[i], err}
		}
	}
	all, err := kind.prepare(c, ctx)
	if err != nil {
		return err
	}
	for _, m := range all {
		var sides []side
		for i, p := range c.programs {
			sides = append(sides, side{sideNames[i], func(ctx context.Context) (figures, error) {
				v, err := m.measure(ctx, p)
				return figures{m.unit: m.scale * v}, err
			}})
		}
		f, err := c.turns(ctx, m.what, m.turns, sides)
		if err != nil {
			return err
		}
		c.rows = append(c.rows, newRatioRow(m, kind.by, f))
	}
	return c.each(func(p *program) error { return checkCounts(ctx, []*server{p.server}) })
}

// start starts the server of a program for a kind.
func (p *program) start(ctx context.Context, i int, kind comparing) (err error) {
	if err := p.lacks(kind.needed); err != nil {
		return err
	}
	p.settings = kind.settings
	if kind.data {
		data := filepath.Join(p.dir, kind.name)
		if err := os.MkdirAll(data, 0o777); err != nil {
			return err
		}
		p.settings = append([]string{"--data=" + data}, kind.settings...)
	}
	p.server, err = p.startFlowd(ctx, sideNames[i], p.settings...)
	return err
}

// each calls f for each program.
func (c *compared) each(f func(*program) error) error {
	for i, p := range c.programs {
		if err := f(p); err != nil {
			return &sideError{i, sideNames[i], err}
		}
	}
	return nil
}

// stopServers ends what runs. A server of a base may end as it likes: what it has is thrown away.
func (c *compared) stopServers() error {
	for _, p := range c.programs {
		if p.server != nil {
			p.kill()
			p.server = nil
		}
		if err := os.RemoveAll(p.dir); err != nil {
			return err
		}
	}
	return nil
}

// postTurns is in how many turns each side has POSTs for --for in each of the rounds.
func (b *bench) postTurns() int { return b.Rounds * int(max(b.For/postTurn, 1)) }

// posts measure POSTs of all sizes, with the connections of --connections if connections is 0.
func (c *compared) posts(ctx context.Context, durability string, connections int) (all []measurement, err error) {
	err = c.each(func(p *program) error {
		defer p.pause()
		if durability == "memory" {
			return nil
		}
		return p.awaitSpares(ctx)
	})
	for i, size := range sizes {
		bodies, failed := makeBodies(size, []*server{c.programs[treeSide].server})
		if err = errors.Join(err, failed); err != nil {
			return nil, err
		}
		size.turn, size.warmUp, size.connections = postTurn, postWarmUp, connections
		all = append(all, measurement{postRows(durability)[i], "flows/s", 1, c.postTurns(), func(ctx context.Context, p *program) (float64, error) {
			v, err := p.measure(ctx, p.server, size, bodies[0])
			return v[byCore], err
		}})
	}
	return all, nil
}

// postToEach posts the batches of a size to each program.
func (c *compared) postToEach(ctx context.Context, size size) error {
	bodies, err := checkpointBodies(size, c.tuples)
	if err != nil {
		return err
	}
	return c.each(func(p *program) error { return postAll(ctx, p.server, size.flows, bodies) })
}

// replays kill the servers again and again, which start with the same log.
func (c *compared) replays(ctx context.Context) ([]measurement, error) {
	err := c.postToEach(ctx, size{flows: replaySize.flows, bodies: c.batches})
	return []measurement{{replayRow, "ms", 1e3, c.Rounds, func(ctx context.Context, p *program) (float64, error) {
		posted, name := p.posted, p.server.name
		p.kill()
		began := time.Now()
		back, err := p.startFlowd(ctx, name, p.settings...)
		if err != nil {
			return 0, err
		}
		took := time.Since(began)
		p.server, back.posted = back, posted
		return took.Seconds(), checkCounts(ctx, []*server{back})
	}}}, err
}

// checkpoints have each program write the same hour again and again, since some flows of it came.
func (c *compared) checkpoints(ctx context.Context) ([]measurement, error) {
	if err := c.postToEach(ctx, size{flows: 1000, bodies: 2 * c.tuples / 1000}); err != nil {
		return nil, err
	}
	load, err := checkpointBodies(size{flows: checkpointSize.flows, bodies: 1}, c.tuples)
	if err != nil {
		return nil, err
	}
	var body []byte
	for some := range load {
		body = append(body, some...)
	}
	err = c.each(func(p *program) error { return p.settle(ctx, body) })
	return []measurement{{checkpointRow, "ns a row", 1e9, c.Rounds, func(ctx context.Context, p *program) (float64, error) {
		rows, took, err := p.writtenDuring(ctx, func() error { return p.settle(ctx, body) })
		if err == nil && (rows <= 0 || took <= 0) {
			err = fmt.Errorf("a checkpoint of %.0f rows in %.3f s", rows, took)
		}
		return took / rows, err
	}}}, err
}

// questions ask each program about an hour in memory.
func (c *compared) questions(ctx context.Context) ([]measurement, error) {
	rows, err := startRows(c.tuples)
	if err != nil {
		return nil, err
	}
	hour := firstHour()
	err = c.each(func(p *program) error { return postHour(ctx, p.server, rows, hour) })
	ask := func(what, question string, times int) measurement {
		return measurement{what, "ms", 1e3, c.Rounds, func(ctx context.Context, p *program) (float64, error) {
			return askTimes(ctx, p.server, fmt.Sprintf("/flows?hour=%d%s", hour, question), "", http.StatusOK, times)
		}}
	}
	return []measurement{ask(wholeRow, "", 5), ask(topRow, "&"+topTen, 50)}, err
}
