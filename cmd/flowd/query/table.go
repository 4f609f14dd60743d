package query

import (
	"bytes"
	"slices"
	"strings"

	"flowd/humanize"
)

// table is text in columns, for people.
//
//	                          BEFORE         AFTER              <- groups, if there are any
//	SRC_APP   DEST_APP      TX     RX      TX     RX  CHANGE    <- heads
//	checkout  paym…api   1.46K    12K      0B     0B  gone      <- rows
//	total of 1 row       1.46K    12K      0B     0B            <- foot
//
// Widths are those of uniseg. The layout is not left to text/tabwriter, which takes each rune for one place, and knows
// neither groups and a foot that go over columns, nor columns that shrink to the width of a terminal.
type table struct {
	columns []tableColumn
	rows    [][]string
	// foot has a cell for each column. The first cell may extend to the next one that is not empty.
	foot []string
	// newestLast tells that the last rows matter most if not all fit.
	newestLast bool
}

// tableColumn is the layout of a column.
type tableColumn struct {
	group, head string
	number      bool // aligned right
	shrinks     bool // may be shortened if the table is too wide
}

const (
	columnGap = "  "
	// leastColumn is the width down to which columns shrink. A table that is still too wide is not shortened
	// further.
	leastColumn = 5
)

// canvas is the output area of a table.
type canvas struct {
	// width is the number of character cells per line; 0 is unbounded.
	width int
	// height is the number of lines; 0 is unbounded. Rows that do not fit are only counted.
	height int
	// colour tells that heads and words may be highlighted.
	colour bool
}

// write writes t, which must have at least one column.
func (t *table) write(b *bytes.Buffer, c canvas) {
	widths := t.widths(c.width)
	room := c.height - t.writeHeads(b, widths, c.colour) - min(len(t.foot), 1)
	from, to := 0, len(t.rows)
	if c.height > 0 && to > room {
		hidden := to - max(room-1, 0) // one line tells their number
		if t.newestLast {
			from = hidden
		} else {
			to -= hidden
		}
	}
	writeHidden(b, from)
	for _, row := range t.rows[from:to] {
		t.writeRow(b, row, widths, c.colour)
	}
	writeHidden(b, len(t.rows)-to)
	t.writeFoot(b, widths)
}

func writeHidden(b *bytes.Buffer, rows int) {
	if rows > 0 {
		b.WriteString(ellipsis + " and " + humanize.Count(rows, "row") + " more\n")
	}
}

// widths returns the width of each column.
func (t *table) widths(limit int) []int {
	widths := make([]int, len(t.columns))
	for i, c := range t.columns {
		widths[i] = textWidth(c.head)
		if i > 0 && len(t.foot) > 0 {
			widths[i] = max(widths[i], textWidth(t.foot[i]))
		}
	}
	for _, row := range t.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], textWidth(cell))
		}
	}
	if n := t.labelEnd(); n > 0 {
		widths[n-1] += max(textWidth(t.foot[0])-span(widths[:n]), 0)
	}
	if limit > 0 {
		t.shrink(widths, limit)
	}
	for from := 0; from < len(t.columns); {
		to := t.groupEnd(from)
		if missing := textWidth(t.columns[from].group) - span(widths[from:to]); missing > 0 {
			widths[to-1] += missing
		}
		from = to
	}
	return widths
}

// shrink shortens the columns that may be shortened until the table fits the limit: the widest first, until
// they are equal.
func (t *table) shrink(widths []int, limit int) {
	for excess := span(widths) - limit; excess > 0; excess-- {
		widest := -1
		for i, c := range t.columns {
			if c.shrinks && widths[i] > leastColumn && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
	}
}

// span returns the total width of adjacent columns.
func span(widths []int) int {
	sum := len(columnGap) * max(len(widths)-1, 0)
	for _, w := range widths {
		sum += w
	}
	return sum
}

// groupEnd returns the end of a column's group. A column without a group is a group of its own.
func (t *table) groupEnd(from int) int {
	to := from + 1
	for to < len(t.columns) && t.columns[from].group != "" && t.columns[to].group == t.columns[from].group {
		to++
	}
	return to
}

// writeHeads writes the lines above the rows, and returns their number.
func (t *table) writeHeads(b *bytes.Buffer, widths []int, colour bool) (lines int) {
	if slices.ContainsFunc(t.columns, func(c tableColumn) bool { return c.group != "" }) {
		var line tableLine
		for from := 0; from < len(t.columns); {
			to := t.groupEnd(from)
			room, group := span(widths[from:to]), t.columns[from].group
			if group != "" {
				group = strings.Repeat(" ", (room-textWidth(group))/2) + group
			}
			line.add(group, room, false)
			from = to
		}
		line.writeTo(b, emphasis(colour))
		lines++
	}
	var line tableLine
	for i, c := range t.columns {
		line.add(shorten(c.head, widths[i]), widths[i], c.number)
	}
	line.writeTo(b, emphasis(colour))
	return lines + 1
}

func (t *table) writeRow(b *bytes.Buffer, row []string, widths []int, colour bool) {
	var line tableLine
	for i, cell := range row {
		line.colour = ""
		if colour && !t.columns[i].shrinks {
			line.colour = wordColours[cell]
		}
		line.add(shorten(cell, widths[i]), widths[i], t.columns[i].number)
	}
	line.writeTo(b, "")
}

// labelEnd returns the number of columns that the foot's label covers; 0 without a foot.
func (t *table) labelEnd() int {
	to := min(1, len(t.foot))
	for to > 0 && to < len(t.foot) && t.foot[to] == "" {
		to++
	}
	return to
}

func (t *table) writeFoot(b *bytes.Buffer, widths []int) {
	to := t.labelEnd()
	if to == 0 {
		return
	}
	var line tableLine
	room := span(widths[:to])
	line.add(shorten(t.foot[0], room), room, false)
	for i := to; i < len(t.foot); i++ {
		line.add(t.foot[i], widths[i], t.columns[i].number)
	}
	line.writeTo(b, "")
}

// tableLine builds a line of a table. It omits trailing spaces.
type tableLine struct {
	text    strings.Builder
	spaces  int
	started bool
	colour  string // of the next cell
}

// add adds a cell, at most as wide as its room.
func (l *tableLine) add(cell string, room int, right bool) {
	if l.started {
		l.spaces += len(columnGap)
	}
	l.started = true
	padding := max(room-textWidth(cell), 0)
	if right {
		l.spaces += padding
		padding = 0
	}
	if cell != "" {
		l.text.WriteString(strings.Repeat(" ", l.spaces))
		l.spaces = 0
		l.text.WriteString(coloured(cell, l.colour))
	}
	l.spaces += padding
}

func (l *tableLine) writeTo(b *bytes.Buffer, colour string) {
	b.WriteString(coloured(l.text.String(), colour))
	b.WriteByte('\n')
}

// The colours of a terminal.
const (
	bold   = "\x1b[1m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	plain  = "\x1b[0m"
)

// wordColours are the colours of words that readers look for.
var wordColours = map[string]string{"new": green, "gone": red, "a": yellow, "b": yellow, "no": red}

func emphasis(colour bool) string {
	if colour {
		return bold
	}
	return ""
}

func coloured(text, colour string) string {
	if colour == "" || text == "" {
		return text
	}
	return colour + text + plain
}
