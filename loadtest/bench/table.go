package main

import (
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// table is what a run prints. Each row holds a figure of flowd, that of a rival, and how many
// times better flowd is, or how many times as much it takes where the goal is a bound on that.
type table struct {
	rows  []row
	notes []string
}

// row is one comparison.
type row struct {
	what  string
	flowd string
	rival string // its name and figure
	ratio string
	goal  string
	// verdict is "yes" or "no" where there is a goal; for a row that could not be
	// measured it is why.
	verdict string
	missing bool
}

var tableHead = row{what: "measured", flowd: "flowd", rival: "beside it", ratio: "ratio", goal: "goal", verdict: "reached"}

func (r row) cells() []string {
	return []string{r.what, r.flowd, r.rival, r.ratio, r.goal, r.verdict}
}

// comparison is a row of which both figures are known.
type comparison struct {
	what, rivalName string
	ours            string // the side of flowd, for compareMedians
	flowd, rival    float64
	// lower tells that less is better.
	lower bool
	unit  string
	// goal is the least ratio; 0 if absent.
	goal float64
	// most, if not 0, turns the ratio around: it is how many times what the rival takes flowd takes,
	// at most this many.
	most float64
}

func (t *table) compare(c comparison) {
	ratio := c.flowd / c.rival
	if c.lower {
		ratio = c.rival / c.flowd
	}
	r := row{
		what:  c.what,
		flowd: figure(c.flowd, c.unit),
		rival: c.rivalName + " " + figure(c.rival, c.unit),
		ratio: strconv.FormatFloat(ratio, 'f', 2, 64),
	}
	if c.goal > 0 {
		r.goal = "≥ " + strconv.FormatFloat(c.goal, 'g', -1, 64)
		r.verdict = reached(ratio >= c.goal)
	}
	if c.most > 0 {
		r.ratio = strconv.FormatFloat(c.flowd/c.rival, 'f', 2, 64)
		r.goal = "≤ " + strconv.FormatFloat(c.most, 'g', -1, 64)
		r.verdict = reached(c.flowd/c.rival <= c.most)
	}
	t.rows = append(t.rows, r)
}

// compareMedians adds a row of the medians of a figure of two sides.
func (t *table) compareMedians(f found, figure string, c comparison) {
	c.flowd, c.rival, c.unit = f.median(c.ours, figure), f.median(c.rivalName, figure), strings.TrimSuffix(figure, " per core")
	t.compare(c)
}

// limit adds a row for a figure of flowd that must not pass a bound.
func (t *table) limit(what string, flowd, most float64, unit string) {
	t.rows = append(t.rows, row{
		what: what, flowd: figure(flowd, unit),
		goal: "≤ " + figure(most, unit), verdict: reached(flowd <= most),
	})
}

// miss adds a row for a measurement that failed.
func (t *table) miss(what, why string) {
	t.rows = append(t.rows, row{what: what, verdict: "missing: " + why, missing: true})
}

func (t *table) note(format string, args ...any) {
	t.notes = append(t.notes, fmt.Sprintf(format, args...))
}

func (t *table) missing() (n int) {
	for _, r := range t.rows {
		if r.missing {
			n++
		}
	}
	return n
}

func reached(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// figure writes v with three digits that count.
func figure(v float64, unit string) string {
	prefix := ""
	switch {
	case v >= 1e6:
		v, prefix = v/1e6, "M"
	case v >= 1e4:
		v, prefix = v/1e3, "k"
	}
	decimals := 0
	switch {
	case v == 0:
	case v < 10:
		decimals = 2
	case v < 100:
		decimals = 1
	}
	parts := []string{strconv.FormatFloat(v, 'f', decimals, 64)}
	if unit == "B" {
		prefix, unit = "", prefix+unit
	}
	for _, part := range []string{prefix, unit} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, " ")
}

// text writes the table for a terminal.
func (t *table) text(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range append([]row{tableHead}, t.rows...) {
		fmt.Fprintln(tw, strings.Join(r.cells(), "\t"))
	}
	_ = tw.Flush() // as with Fprintln, the error has nowhere to go
	for _, note := range t.notes {
		fmt.Fprintf(w, "\n%s\n", note)
	}
}

// markdown writes the table for docs/performance.md.
func (t *table) markdown(w io.Writer) {
	fmt.Fprintf(w, "| %s |\n|---|---:|---:|---:|---:|---|\n", strings.Join(tableHead.cells(), " | "))
	for _, r := range t.rows {
		cells := r.cells()
		for i, cell := range cells {
			cells[i] = strings.ReplaceAll(cell, "|", `\|`)
		}
		fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
	}
	for _, note := range t.notes {
		fmt.Fprintf(w, "\n%s\n", note)
	}
}

// median returns the middle one of values, which must not be empty, or the mean of the two.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// spread returns how far apart values are, as a share of their median.
func spread(values []float64) float64 {
	return (slices.Max(values) - slices.Min(values)) / median(values)
}

// ratioRow is what was found of the tree beside the base, and of the base beside itself.
type ratioRow struct {
	what, by string
	unit     string
	// tree and base are the medians of all turns.
	tree, base float64
	ratio      ratio
	noise      ratio
	// why is why there is nothing else, if not empty.
	why string
}

// ratio is how many times better one is than the other, in all turns: the median and the quartiles.
type ratio struct{ median, low, high float64 }

// String returns "0.97 (0.95 to 1.01)".
func (r ratio) String() string {
	f := func(v float64) string { return strconv.FormatFloat(v, 'f', 3, 64) }
	return fmt.Sprintf("%s (%s to %s)", f(r.median), f(r.low), f(r.high))
}

// paired compares what was found in the same turns. With lower, less is better.
func paired(ours, theirs []float64, lower bool) ratio {
	all := make([]float64, len(ours))
	for i := range ours {
		all[i] = ours[i] / theirs[i]
		if lower {
			all[i] = theirs[i] / ours[i]
		}
	}
	slices.Sort(all)
	quarter := len(all) / 4
	return ratio{median(all), all[quarter], all[len(all)-1-quarter]}
}

// The kinds of figures.
const (
	byProcessor = "processor"
	byWall      = "wall"
)

// newRatioRow makes a row of the results of a measurement: flows by second where it is by
// processor time, else seconds.
func newRatioRow(m measurement, by string, f found) ratioRow {
	of := func(side int) []float64 { return f[sideNames[side]][m.unit] }
	lower := by == byWall
	return ratioRow{
		what: m.what, by: by, unit: m.unit,
		tree: median(of(treeSide)), base: median(of(baseSide)),
		ratio: paired(of(treeSide), of(baseSide), lower),
		noise: paired(of(againSide), of(baseSide), lower),
	}
}

func writeRatios(w io.Writer, rows []ratioRow) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "measured\tby\tbase\ttree\ttree to base\tbase again to base")
	for _, r := range rows {
		if r.why != "" {
			fmt.Fprintf(tw, "%s\t%s\t-\t-\tnot measured: %s\t\n", r.what, r.by, r.why)
			continue
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%v\t%v\n", r.what, r.by, figure(r.base, r.unit), figure(r.tree, r.unit), r.ratio, r.noise)
	}
	_ = tw.Flush() // as all that is printed
}

// sorted returns the entries of m by their keys.
func sorted[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !yield(key, m[key]) {
				return
			}
		}
	}
}
