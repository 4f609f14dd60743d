package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"
)

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

// newRatioRow makes a row of the results by side and round: flows by second where it is by
// processor time, else seconds.
func newRatioRow(what, by, unit string, scale float64, found [][]float64) ratioRow {
	lower := by == byWall
	return ratioRow{
		what: what, by: by, unit: unit,
		tree: scale * median(found[treeSide]), base: scale * median(found[baseSide]),
		ratio: paired(found[treeSide], found[baseSide], lower),
		noise: paired(found[againSide], found[baseSide], lower),
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
