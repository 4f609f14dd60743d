package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"flowd/loadtest/child"
)

// goRun is one benchmark with all its parts.
type goRun struct {
	pkg       string
	name      string // without "Benchmark"
	benchTime string
	dir       string // of the module that pkg is in; this one if it is empty
}

// goSuite is benchmarks and the rows of the table that come from them.
type goSuite struct {
	runs []goRun
	rows []goRow
	note string // with the number of runs
}

// goRow is a row of the table from two benchmarks, or from one and a bound.
type goRow struct {
	what         string
	flowd, rival string // names of benchmarks; no rival where there is a bound
	rivalName    string
	metric       string
	unit         string
	higher       bool    // more is better, unlike with times and bytes
	goal         float64 // least ratio
	within       float64 // how many times the rival's figure flowd's may be, in place of goal
	most         float64 // bound, used without a rival
}

// memorySuite is the part "go". The benchmark of memory fills 24 hours and must not do so twice in one process.
var memorySuite = goSuite{
	note: "Go benchmarks: medians of %d runs.",
	runs: []goRun{
		{pkg: "flowd/flow", name: "Decode", benchTime: "300ms"},
		{pkg: "flowd/shard", name: "Apply", benchTime: "500ms"},
		{pkg: "flowd/shard", name: "Memory", benchTime: "1x"},
		{pkg: "flowd/shard", name: "Answer", benchTime: "500ms"},
	},
	rows: []goRow{
		{what: "decoding 100 flows, usual shape", flowd: "Decode/usual/flowd", rival: "Decode/usual/gojson", rivalName: "go-json", metric: "ns/flow", unit: "ns/flow", goal: 2.5},
		{what: "decoding 100 flows, with spaces", flowd: "Decode/spaces/flowd", rival: "Decode/spaces/gojson", rivalName: "go-json", metric: "ns/flow", unit: "ns/flow", goal: 2.5},
		{what: "decoding 100 flows, any order", flowd: "Decode/anyorder/flowd", rival: "Decode/anyorder/gojson", rivalName: "go-json", metric: "ns/flow", unit: "ns/flow", goal: 1.2},
		{what: "decoding: allocations, usual shape", flowd: "Decode/usual/flowd", metric: "allocs/op"},
		{what: "decoding: allocations, with spaces", flowd: "Decode/spaces/flowd", metric: "allocs/op"},
		{what: "decoding: allocations, any order", flowd: "Decode/anyorder/flowd", metric: "allocs/op"},
		{what: "adding up, 10,000 tuples", flowd: "Apply/tuples=10000/flowd", rival: "Apply/tuples=10000/map", rivalName: "Go map", metric: "ns/flow", unit: "ns/flow", goal: 2},
		{what: "adding up, 1,000,000 tuples", flowd: "Apply/tuples=1000000/flowd", rival: "Apply/tuples=1000000/map", rivalName: "Go map", metric: "ns/flow", unit: "ns/flow", goal: 2},
		{what: "memory of a tuple in an hour", flowd: "Memory/flowd", metric: "bytes/tuplehour", unit: "B", most: 24},
		{what: "memory of a tuple, once", flowd: "Memory/flowd", metric: "bytes/tuple", unit: "B", most: 64},
		{what: "garbage collection, 1,000,000 tuples in 24 hours", flowd: "Memory/flowd", rival: "Memory/map", rivalName: "Go map", metric: "gc-ms", unit: "ms", goal: 50},
		{what: "answering 1,000,000 rows", flowd: "Answer/flowd", rival: "Answer/encodingjson", rivalName: "encoding/json", metric: "ns/row", unit: "ns/row", goal: 3},
		{what: "answering 1,000,000 rows: memory", flowd: "Answer/flowd", rival: "Answer/encodingjson", rivalName: "encoding/json", metric: "B/op", unit: "B"},
	},
}

// blockSuite is a block written beside the plain writer of the library below it.
var blockSuite = goSuite{
	note: "Writing a block: to the disk with its sync, beside parquet-go's generic writer of a struct to memory; medians of %d runs.",
	runs: []goRun{{pkg: "flowd/block", name: "Write", benchTime: "500ms"}},
	rows: []goRow{
		{what: "writing 1,000,000 tuples to a block", flowd: "Write/block", rival: "Write/plain", rivalName: "parquet-go", metric: "rows/s", unit: "rows/s", higher: true, goal: 0.4},
	},
}

// blockQuestions are questions of hours on disk: the scan below them beside that of the library which
// knows the format, and all of them beside a database that reads the same folder.
var blockQuestions = goSuite{
	note: "Beside DuckDB: 1,000,000 tuples an hour on the disk's page cache, the same Parquet files, 2 threads each, without HTTP; medians of %d runs.",
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

// metrics are the values of benchmarks: by name without "Benchmark", then by unit, one for
// each run.
type metrics map[string]map[string][]float64

// open makes a scenario of the suite.
func (g goSuite) open(ctx context.Context, b *bench, dir string) (*setup, error) {
	return &setup{rows: func(found) error { return g.run(ctx, b, dir) }}, nil
}

// run runs the benchmarks in rounds, with their files in dir: all of them once, then all again, so that a machine that
// slows down does so for all. Then it adds the rows.
func (g goSuite) run(ctx context.Context, b *bench, dir string) error {
	found, failed := metrics{}, map[string]string{}
	for round := range b.Count {
		for _, run := range g.runs {
			b.progress("%s of %s, round %d of %d", run.name, run.pkg, round+1, b.Count)
			out, err := b.goBench(ctx, run, dir)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			found.parse(out)
			if err != nil {
				b.progress("%v\n%s", err, out)
				failed[run.name] = err.Error()
			}
		}
	}
	for _, r := range g.rows {
		found.addRow(&b.table, r, failed)
	}
	b.table.note(g.note, b.Count)
	return nil
}

// goBench runs one benchmark once, with its files in the folder tmp, in a binary that is built the
// first time.
func (b *bench) goBench(ctx context.Context, run goRun, tmp string) (string, error) {
	binary := filepath.Join(b.dir, path.Base(run.pkg)+".test")
	if _, err := os.Stat(binary); err != nil {
		compile := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, run.pkg)
		compile.Dir = run.dir
		out, err := compile.CombinedOutput()
		if err != nil {
			return string(out), fmt.Errorf("go test -c %s: %w", run.pkg, err)
		}
	}
	cmd := exec.Command(binary, "-test.run=^$", "-test.bench=^Benchmark"+run.name+"$",
		"-test.benchmem", "-test.benchtime="+run.benchTime)
	if tmp != "" {
		cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	p, err := child.Start(fmt.Sprintf("benchmark %s of %s", run.name, run.pkg), cmd)
	if err != nil {
		return "", err
	}
	select {
	case <-p.Exited():
		return out.String(), p.Failure()
	case <-ctx.Done():
		p.Kill()
		return out.String(), ctx.Err()
	}
}

// parse adds what go test printed. A line is a name with the number of processors, the number
// of iterations, then pairs of a value and its unit:
//
//	BenchmarkDecode/usual/flowd-2   285714   4211 ns/op   42.1 ns/flow   0 B/op   0 allocs/op
func (m metrics) parse(output string) {
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		if len(fields) < 4 {
			continue
		}
		name, ok := strings.CutPrefix(fields[0], "Benchmark")
		if _, err := strconv.Atoi(fields[1]); !ok || err != nil {
			continue
		}
		name = trimProcessors(name)
		if m[name] == nil {
			m[name] = map[string][]float64{}
		}
		for i := 2; i+1 < len(fields); i += 2 {
			if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
				m[name][fields[i+1]] = append(m[name][fields[i+1]], v)
			}
		}
	}
}

// trimProcessors removes the "-2" that go test puts behind a name, unless there is one alone.
func trimProcessors(name string) string {
	i := strings.LastIndexByte(name, '-')
	if i < 0 {
		return name
	}
	if _, err := strconv.Atoi(name[i+1:]); err != nil {
		return name
	}
	return name[:i]
}

// addRow adds a row, or says that it is missing. Failed holds why benchmarks ended in an error,
// by the first part of their names.
func (m metrics) addRow(t *table, r goRow, failed map[string]string) {
	benchmark, _, _ := strings.Cut(r.flowd, "/")
	for _, name := range []string{r.flowd, r.rival} {
		switch {
		case name == "" || len(m[name][r.metric]) > 0:
		case failed[benchmark] != "":
			t.miss(r.what, failed[benchmark])
			return
		case m[name] == nil:
			t.miss(r.what, "there is no Benchmark"+name)
			return
		default:
			t.miss(r.what, "Benchmark"+name+" does not report "+r.metric)
			return
		}
	}
	flowd := median(m[r.flowd][r.metric])
	if r.rival == "" {
		t.limit(r.what, flowd, r.most, r.unit)
		return
	}
	t.compare(comparison{what: r.what, rivalName: r.rivalName, flowd: flowd,
		rival: median(m[r.rival][r.metric]), lower: !r.higher, unit: r.unit, goal: r.goal, most: r.within})
}
