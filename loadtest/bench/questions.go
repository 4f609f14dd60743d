package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"flowd/flow"
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
	topTen  = "order_by=-bytes_total&limit=10"
	byVPC   = "group_by=vpc_id"
	byApp   = "group_by=src_app"
	allRows = "format=json"
)

// blockQuestions are questions of hours on disk: the scan below them beside that of the library which
// knows the format, and all of them beside a database that reads the same folder.
var blockQuestions = goSuite{
	runs: []goRun{
		{pkg: "flowd/block", name: "Scan", benchTime: "300ms"},
		{pkg: "flowd/block/duckdb", name: "Questions", benchTime: "500ms", dir: "block/duckdb"},
	},
	rows: []goRow{
		{what: "reading all of 1,000,000 tuples of a block", flowd: "Scan/all", rival: "Scan/plain", rivalName: "parquet-go", metric: "rows/s", unit: "rows/s", higher: true, goal: 0.5},
		{what: "asking: the first 10 of an hour on disk", flowd: "Questions/top/flowd", rival: "Questions/top/duckdb", rivalName: "DuckDB", metric: "ms/op", unit: "ms", within: 2},
		{what: "asking: an hour on disk by vpc_id", flowd: "Questions/by-vpc/flowd", rival: "Questions/by-vpc/duckdb", rivalName: "DuckDB", metric: "ms/op", unit: "ms", within: 2},
		{what: "asking: the first 10 of 4 hours on disk", flowd: "Questions/top-of-all/flowd", rival: "Questions/top-of-all/duckdb", rivalName: "DuckDB", metric: "ms/op", unit: "ms", within: 2},
		{what: "asking: 4 hours on disk by vpc_id", flowd: "Questions/by-vpc-of-all/flowd", rival: "Questions/by-vpc-of-all/duckdb", rivalName: "DuckDB", metric: "ms/op", unit: "ms", within: 2},
	},
}

// questions measures answers: what is asked for beside all rows, how much memory and how much of the
// speed of taking flows a question costs, and hours on disk beside other readers of them.
func questions(ctx context.Context, b *bench) (err error) {
	rows, err := startRows(askedTuples)
	if err != nil {
		return err
	}
	s, err := b.startMemory(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	first := firstHour() - askedHours
	for i := range flow.Hour(askedHours) {
		b.progress("posting hour %d of %d of %d tuples", i+1, askedHours, askedTuples)
		if err := postHour(ctx, s, rows, first+i); err != nil {
			return err
		}
	}
	if err := b.answers(ctx, s, rows, first); err != nil {
		return err
	}
	if err := b.rangeMemory(ctx, s.instance, "in memory", first); err != nil {
		return err
	}
	if err := b.rangeOnDisk(ctx, rows); err != nil {
		return err
	}
	if err := b.beside(ctx, s, first+askedHours-1); err != nil {
		return err
	}
	s.pause()
	if err := b.goBenchmarks(ctx, blockQuestions); err != nil {
		return err
	}
	b.table.note("Beside DuckDB: 1,000,000 tuples an hour on the disk's page cache, the same Parquet files, 2 threads each, without HTTP.")
	return nil
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
				body = append(row.AppendJSON(body), ',')
			}
			body[len(body)-1] = ']'
			if !yield(body) {
				return
			}
		}
	})
}

// answer is a kind of request, how often it is made in a round, and what it took each time, in seconds.
type answer struct {
	path, head string
	status     int
	times      int
	took       []float64
}

// answers asks about one hour, each question on the same connection in turns.
func (b *bench) answers(ctx context.Context, s *server, rows []flow.Row, h flow.Hour) (err error) {
	c, err := connect(s.instance)
	if err != nil {
		return err
	}
	defer c.close()
	hour := fmt.Sprintf("/flows?hour=%d&", h)
	src, dest, vpc := rows[len(rows)/2].Key.Names()
	tuple := url.Values{"src_app": {string(src)}, "dest_app": {string(dest)}, "vpc_id": {string(vpc)}}
	known, err := s.tag(ctx, hour+byVPC)
	if err != nil {
		return err
	}
	var (
		all   = &answer{path: hour + allRows, times: 5}
		top   = &answer{path: hour + topTen, times: 50}
		group = &answer{path: hour + byVPC, times: 50}
		apps  = &answer{path: hour + byApp, times: 50}
		one   = &answer{path: hour + tuple.Encode(), times: 1000}
		same  = &answer{path: hour + byVPC, times: 3000, status: http.StatusNotModified,
			head: "If-None-Match: " + known}
		live = &answer{path: "/livez", times: 3000}
	)
	for round := range b.Rounds {
		b.progress("asking, round %d of %d", round+1, b.Rounds)
		for _, a := range []*answer{all, top, group, apps, one, live, same} {
			for range a.times {
				r, err := c.ask(a.path, a.head, cmp.Or(a.status, http.StatusOK))
				if err = errors.Join(err, ctx.Err()); err != nil {
					return err
				}
				a.took = append(a.took, r.took.Seconds())
			}
		}
	}
	const beside = "all as JSON"
	b.compareAnswers("asking: the first 10 of an hour", top, beside, all, 10)
	b.compareAnswers("asking: an hour by vpc_id", group, beside, all, 10)
	b.compareAnswers("asking: an hour by src_app", apps, beside, all, 0)
	b.compareAnswers("asking: one tuple", one, beside, all, 1000)
	b.table.compare(comparison{what: "asking: what the client has (304)", rivalName: "/livez", unit: "µs",
		flowd: 1e6 * median(same.took), rival: 1e6 * median(live.took), lower: true, most: 1.5})
	b.table.note("Asking: an hour of %d tuples in memory, over HTTP on one connection; medians of %d rounds. "+
		"All as JSON is every row of the hour.", askedTuples, b.Rounds)
	return nil
}

func (b *bench) compareAnswers(what string, a *answer, name string, rival *answer, goal float64) {
	b.table.compare(comparison{what: what, rivalName: name, unit: "ms", lower: true, goal: goal,
		flowd: 1e3 * median(a.took), rival: 1e3 * median(rival.took)})
}

// rangeOnDisk is rangeMemory for a server whose hours are all on disk.
func (b *bench) rangeOnDisk(ctx context.Context, rows []flow.Row) (err error) {
	dir := filepath.Join(b.dir, "hours")
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	b.progress("writing %d hours of %d tuples", askedHours, askedTuples)
	first := firstHour() - askedHours
	if _, err := writeHours(ctx, dir, first, rows); err != nil {
		return err
	}
	s, err := b.startFlowd(ctx, flowdName, "--data="+dir, "--durability=none")
	if err != nil {
		return err
	}
	return errors.Join(b.rangeMemory(ctx, s.instance, "on disk", first), s.stop())
}

// rangeMemory adds how much memory a question over all hours takes at most.
func (b *bench) rangeMemory(ctx context.Context, p *instance, where string, first flow.Hour) (err error) {
	c, err := connect(p)
	if err != nil {
		return err
	}
	defer c.close()
	path := fmt.Sprintf("/flows?from=%d&to=%d&%s", first, first+askedHours, byApp)
	var most, took []float64
	for range b.Rounds {
		before, err := process.Read(p.PID())
		if err != nil {
			return err
		}
		if err := process.ForgetPeak(p.PID()); err != nil {
			return err
		}
		r, err := c.ask(path, "", http.StatusOK)
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		after, err := process.Read(p.PID())
		if err != nil {
			return err
		}
		b.progress("%d hours %s by src_app: %v, %d bytes of an answer", askedHours, where, r.took, r.bytes)
		most = append(most, float64(after.PeakRSS)-float64(before.RSS)-float64(r.bytes))
		took = append(took, r.took.Seconds())
	}
	b.table.limit(fmt.Sprintf("asking: 24 hours of 1,000,000 tuples %s by src_app, memory", where), slices.Max(most), rangeMost, "B")
	b.table.note("24 hours %s by src_app took %s (median). Their memory is by how much the resident memory of the server "+
		"was higher at its peak than before, without the answer, at most in %d rounds.", where, figure(1e3*median(took), "ms"), b.Rounds)
	return nil
}

// beside measures how fast flows are taken while questions are asked, beside no questions, about hour h
// that the flows are of.
func (b *bench) beside(ctx context.Context, s *server, h flow.Hour) error {
	size := size{flows: 100, bodies: 1600}
	g, err := loadtest.NewGenerator(loadtest.Workload{
		Tuples: askedTuples * 6 / 5, FirstHour: h, Hours: 1, Skew: loadtest.Uniform, FlowsPerPost: size.flows, Seed: 1,
	})
	if err != nil {
		return err
	}
	bodies := make([][]byte, size.bodies)
	for k := range bodies {
		bodies[k] = s.encode(nil, g, g.Draw(nil, uint64(k)))
	}
	var alone, asked []float64
	for round := range b.Rounds {
		v, err := b.measureRunning(ctx, s, size, bodies)
		if err != nil {
			return err
		}
		w, err := b.measureAsked(ctx, s, fmt.Sprintf("/flows?hour=%d&%s", h, topTen), func() (speed, error) {
			return b.measureRunning(ctx, s, size, bodies)
		})
		if err != nil {
			return err
		}
		b.progress("taking flows, round %d of %d: %s, beside questions %s", round+1, b.Rounds, figure(v.flows, ""), figure(w.flows, ""))
		alone, asked = append(alone, v.flows), append(asked, w.flows)
	}
	b.table.compare(comparison{what: fmt.Sprintf("taking flows beside %d questions a second", besideRate), rivalName: "no questions",
		flowd: median(asked), rival: median(alone), unit: "flows/s", goal: besideKept})
	b.table.note("Beside questions: 100 flows per POST go into an hour of a million tuples, whose first 10 are asked for.")
	return nil
}

// measureAsked measures while path is asked for besideRate times a second.
func (b *bench) measureAsked(ctx context.Context, s *server, path string, measure func() (speed, error)) (v speed, err error) {
	c, err := connect(s.instance)
	if err != nil {
		return speed{}, err
	}
	defer c.close()
	ctx, stop := context.WithCancel(ctx)
	var asker sync.WaitGroup
	var failed error
	asker.Go(func() {
		tick := time.NewTicker(time.Second / besideRate)
		defer tick.Stop()
		for failed == nil {
			select {
			case <-tick.C:
				_, failed = c.ask(path, "", http.StatusOK)
			case <-ctx.Done():
				return
			}
		}
	})
	v, err = measure()
	stop()
	asker.Wait()
	return v, errors.Join(err, failed)
}
