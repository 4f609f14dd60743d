package load

import (
	"slices"
	"strings"

	"flowd/loadtest"
)

// plotWidth is how many columns a plot has at most.
const plotWidth = 60

// bars are the heights of a plot. Nothing at all has no bar.
var bars = []rune(" ▁▂▃▄▅▆▇█")

// plot draws values as a row of bars between 0 and the highest of them. Of more values than there
// are columns, each column shows the highest of its share.
func plot(values []uint64) string {
	if len(values) == 0 {
		return ""
	}
	top := slices.Max(values)
	columns := min(len(values), plotWidth)
	var b strings.Builder
	for i := range columns {
		share := values[i*len(values)/columns : (i+1)*len(values)/columns]
		height := 0
		if top > 0 {
			// Whatever there is shows.
			height = int(float64(slices.Max(share))/float64(top)*float64(len(bars)-1) + 0.999)
		}
		b.WriteRune(bars[min(height, len(bars)-1)])
	}
	return b.String()
}

// writeFootprints draws memory and data over the time of a load.
func writeFootprints(b *strings.Builder, list []Footprint) {
	if len(list) == 0 {
		return
	}
	draw := func(name string, of func(Footprint) uint64) {
		values := make([]uint64, 0, len(list))
		for _, f := range list {
			values = append(values, of(f))
		}
		b.WriteString(name + plot(values) + " at most " + loadtest.SI(float64(slices.Max(values)), "B") +
			", " + loadtest.SI(float64(values[len(values)-1]), "B") + " at the end\n")
	}
	draw("memory\t", func(f Footprint) uint64 { return f.RSS })
	draw("data\t", func(f Footprint) uint64 { return f.Data })
}
