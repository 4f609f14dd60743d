package browser

import (
	"fmt"
	"testing"
)

// stripes is how often the colour changes down the middle of a slot of the strip of all hours.
const stripes = `((slot, slots) => {
	const canvas = testing.part("hours-overview").querySelector("canvas")
	const column = new OffscreenCanvas(1, canvas.height).getContext("2d", { willReadFrequently: true })
	column.drawImage(canvas, -Math.floor(canvas.width * (slot + 0.5) / slots), 0)
	const pixels = column.getImageData(0, 0, 1, canvas.height).data
	const colours = Array.from({ length: canvas.height }, (_, i) => pixels.slice(4 * i, 4 * i + 4).join())
	return colours.filter((colour, i) => i > 0 && colour !== colours[i - 1]).length
})`

// Stripes go through an hour that still runs in the strip of all hours and behind the lines as well as in the bars, until
// it is over.
func TestRunningHourInAllCharts(t *testing.T) {
	const slots = 60 // more than the bars show, so that there is a strip
	s := start(t, needPage(t))
	for i := range slots {
		s.post(row{"web", "db", "vpc-1", 1000, 2000, newest - i})
	}
	b := s.openAt(exact, newest)
	b.until(`testing.rows("talkers-table").length === 1`)
	turns := func(slot int) string { return fmt.Sprintf("%s(%d, %d)", stripes, slot, slots) }
	// A bar without stripes changes at its upper end alone.
	b.until(turns(slots-1) + ` > 6 && ` + turns(slots-2) + ` < 4 && ` + turns(0) + ` < 4`)
	b.until(`testing.part("hours-overview").title.includes("so far")`)
	lines := func(slot int) string { // of the 48 that are shown
		return fmt.Sprintf(`%s("series", %d, 48).filter((colour, i, all) => i > 0 && colour !== all[i - 1]).length`, strip, slot)
	}
	b.until(lines(47) + ` > 20 && ` + lines(46) + ` < 20`)

	value[bool](b, `testing.pass(1)`)
	b.until(turns(slots-1) + ` < 4 && testing.part("hours-overview").title === "" && ` + lines(47) + ` < 20`)
}
