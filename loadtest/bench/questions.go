package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"flowd/flow"
	"flowd/flow/flowjson"
	"flowd/loadtest"
	"flowd/loadtest/process"
)

// The hours that are asked about, and what is asked: the last of them, or all.
const (
	askedTuples = 1_000_000
	askedHours  = 24
	// rangeMost is the most memory that a question over all hours may hold above what the server holds
	// anyway, in bytes.
	rangeMost = 64 << 20
	// besideRate is how many questions a second come while flows do, and besideKept what is to be left of
	// the speed of these.
	besideRate = 20
	besideKept = 0.9
)

// The questions.
const (
	topTen = "order_by=-bytes_total&limit=10"
	byVPC  = "group_by=vpc_id"
	byApp  = "group_by=src_app"
)

// questions measures answers: what is asked for beside all rows, how much memory and how much of the
// speed of taking flows a question costs, and hours on disk beside other readers of them.
func questions(ctx context.Context, b *bench, dir string) (*setup, error) {
	rows, err := startRows(askedTuples)
	if err != nil {
		return nil, err
	}
	s, err := b.startMemory(ctx)
	if err != nil {
		return nil, err
	}
	first := firstHour() - askedHours
	for i := range flow.Hour(askedHours) {
		b.progress("posting hour %d of %d of %d tuples", i+1, askedHours, askedTuples)
		if err := postHour(ctx, s, rows, first+i); err != nil {
			return nil, err
		}
	}
	if _, err := writeHours(ctx, dir, first, rows); err != nil {
		return nil, err
	}
	onDisk, err := b.startFlowd(ctx, flowdName, "--data="+dir, "--durability=none")
	if err != nil {
		return nil, err
	}
	onDisk.pause()
	answers, err := answersOf(ctx, s, rows, first)
	if err != nil {
		return nil, err
	}
	sides := append(answers, rangeMemory(s, inMemorySide, first), rangeMemory(onDisk, onDiskSide, first))
	posts, err := b.besideQuestions(s, first+askedHours-1)
	if err != nil {
		return nil, err
	}
	return &setup{sides: append(sides, posts...), rows: func(f found) error {
		b.questionRows(f)
		s.pause()
		return blockQuestions.run(ctx, b, dir)
	}}, nil
}

// postHour posts rows as flows of hour h.
func postHour(ctx context.Context, s *server, rows []flow.Row, h flow.Hour) error {
	const perPost = 10_000
	var body []byte
	return postAll(ctx, s, perPost, func(yield func([]byte) bool) {
		for some := range slices.Chunk(rows, perPost) {
			body = append(body[:0], '[')
			for i := range some {
				row := some[i]
				row.Hour = h
				body = append(flowjson.AppendRow(body, &row), ',')
			}
			body[len(body)-1] = ']'
			if !yield(body) {
				return
			}
		}
	})
}

// The sides of the questions, and their figures.
const (
	allSide      = "all as JSON"
	topSide      = "the first 10"
	vpcSide      = "by vpc_id"
	appSide      = "by src_app"
	tupleSide    = "one tuple"
	sameSide     = "304"
	liveSide     = "/livez"
	inMemorySide = "in memory"
	onDiskSide   = "on disk"
	aloneSide    = "no questions"
	besideSide   = "beside questions"

	milliseconds = "ms"
	extraMemory  = "B more at the peak"
)

// answersOf are questions about one hour, all on the same connection.
func answersOf(ctx context.Context, s *server, rows []flow.Row, h flow.Hour) ([]side, error) {
	hour := fmt.Sprintf("/flows?hour=%d&", h)
	src, dest, vpc := rows[len(rows)/2].Key.Names()
	tuple := url.Values{"src_app": {string(src)}, "dest_app": {string(dest)}, "vpc_id": {string(vpc)}}
	tag, err := s.tag(ctx, hour+byVPC)
	if err != nil {
		return nil, err
	}
	var sides []side
	for _, q := range []struct {
		name, path, line string
		status, times    int
	}{
		{allSide, hour + "format=json", "", http.StatusOK, 5},
		{topSide, hour + topTen, "", http.StatusOK, 50},
		{vpcSide, hour + byVPC, "", http.StatusOK, 50},
		{appSide, hour + byApp, "", http.StatusOK, 50},
		{tupleSide, hour + tuple.Encode(), "", http.StatusOK, 1000},
		{liveSide, "/livez", "", http.StatusOK, 3000},
		{sameSide, hour + byVPC, "If-None-Match: " + tag, http.StatusNotModified, 3000},
	} {
		sides = append(sides, side{q.name, func(ctx context.Context) (figures, error) {
			took, err := askTimes(ctx, s, q.path, q.line, q.status, q.times)
			return figures{milliseconds: 1e3 * took}, err
		}})
	}
	return sides, nil
}

// askTimes returns the median time of a question, in seconds.
func askTimes(ctx context.Context, s *server, path, line string, status, times int) (float64, error) {
	c, err := connect(s)
	if err != nil {
		return 0, err
	}
	defer c.conn.Close()
	var all []float64
	for range times {
		r, err := c.ask(path, line, status)
		if err = errors.Join(err, ctx.Err()); err != nil {
			return 0, err
		}
		all = append(all, r.took.Seconds())
	}
	return median(all), nil
}

// rangeMemory measures how much memory a question over all hours takes at most.
func rangeMemory(s *server, name string, first flow.Hour) side {
	path := fmt.Sprintf("/flows?from=%d&to=%d&%s", first, first+askedHours, byApp)
	return side{name, func(ctx context.Context) (figures, error) {
		s.resume()
		before, err := process.Read(s.PID())
		if err != nil {
			return nil, err
		}
		if err := process.ForgetPeak(s.PID()); err != nil {
			return nil, err
		}
		c, err := connect(s)
		if err != nil {
			return nil, err
		}
		defer c.conn.Close()
		r, err := c.ask(path, "", http.StatusOK)
		if err != nil {
			return nil, err
		}
		after, err := process.Read(s.PID())
		return figures{extraMemory: float64(after.PeakRSS) - float64(before.RSS) - float64(r.bytes), milliseconds: 1e3 * r.took.Seconds()}, err
	}}
}

// besideQuestions measure how fast flows are taken while questions are asked about hour h, which the flows are of, and
// without questions.
func (b *bench) besideQuestions(s *server, h flow.Hour) ([]side, error) {
	size := size{flows: 100, bodies: 1600}
	g, err := loadtest.NewGenerator(loadtest.Workload{
		Tuples: askedTuples * 6 / 5, FirstHour: h, Hours: 1, Skew: loadtest.Uniform, FlowsPerPost: size.flows, Seed: 1,
	})
	if err != nil {
		return nil, err
	}
	bodies := make([][]byte, size.bodies)
	for k := range bodies {
		bodies[k] = s.encode(nil, g, g.Draw(nil, uint64(k)))
	}
	alone := func(ctx context.Context) (figures, error) { return b.measureRunning(ctx, s, size, bodies) }
	return []side{{aloneSide, alone}, {besideSide, func(ctx context.Context) (v figures, err error) {
		c, err := connect(s)
		if err != nil {
			return nil, err
		}
		defer c.conn.Close()
		asking, stop := context.WithCancel(ctx)
		var asker sync.WaitGroup
		var failed error
		asker.Go(func() {
			tick := time.NewTicker(time.Second / besideRate)
			defer tick.Stop()
			for failed == nil {
				select {
				case <-tick.C:
					_, failed = c.ask(fmt.Sprintf("/flows?hour=%d&%s", h, topTen), "", http.StatusOK)
				case <-asking.Done():
					return
				}
			}
		})
		v, err = alone(ctx)
		stop()
		asker.Wait()
		return v, errors.Join(err, failed)
	}}}, nil
}

func (b *bench) questionRows(f found) {
	for _, q := range []struct {
		what, ours string
		goal       float64
	}{
		{"asking: the first 10 of an hour", topSide, 10}, {"asking: an hour by vpc_id", vpcSide, 10},
		{"asking: an hour by src_app", appSide, 0}, {"asking: one tuple", tupleSide, 1000},
	} {
		b.table.compareMedians(f, milliseconds, comparison{what: q.what, ours: q.ours, rivalName: allSide, lower: true, goal: q.goal})
	}
	b.table.compare(comparison{what: "asking: what the client has (304)", rivalName: liveSide, unit: "µs",
		flowd: 1e3 * f.median(sameSide, milliseconds), rival: 1e3 * f.median(liveSide, milliseconds), lower: true, most: 1.5})
	b.table.note("Asking: an hour of %d tuples in memory, over HTTP on one connection; medians of %d rounds. "+
		"All as JSON is every row of the hour.", askedTuples, b.Rounds)
	for _, where := range []string{inMemorySide, onDiskSide} {
		b.table.limit(fmt.Sprintf("asking: 24 hours of 1,000,000 tuples %s by src_app, memory", where), slices.Max(f[where][extraMemory]), rangeMost, "B")
		b.table.note("24 hours %s by src_app took %s (median). Their memory is by how much the resident memory of the server "+
			"was higher at its peak than before, without the answer, at most in %d rounds.", where, figure(f.median(where, milliseconds), "ms"), b.Rounds)
	}
	b.table.compareMedians(f, bySecond, comparison{what: fmt.Sprintf("taking flows beside %d questions a second", besideRate),
		ours: besideSide, rivalName: aloneSide, goal: besideKept})
	b.table.note("Beside questions: 100 flows per POST go into an hour of a million tuples, whose first 10 are asked for.")
}
