package query

import (
	"math/big"
	"strings"

	"flowd/humanize"
)

// listingView says how a listing is shown.
type listingView struct {
	raw bool
	// watched adds a column with the changes since before, which is nil for the first answer.
	watched bool
	before  *listing
}

// table returns l as a table.
func (l *listing) table(v listingView) *table {
	t := &table{}
	for _, c := range l.columns {
		head := c.head
		if head == "" {
			head = strings.ToUpper(c.field)
		}
		t.columns = append(t.columns, tableColumn{
			group: c.group, head: head, number: c.kind.isNumber(), shrinks: c.kind == nameCell,
		})
	}
	var changes []string
	if v.watched {
		t.columns = append(t.columns, tableColumn{head: "+/-", number: true})
		changes = l.changes(v)
	}
	for i, row := range l.rows {
		line := make([]string, 0, len(t.columns))
		for at, c := range row {
			line = append(line, c.shown(l.columns[at].kind, v.raw))
		}
		if v.watched {
			line = append(line, changes[i])
		}
		t.rows = append(t.rows, line)
	}
	if !l.noFoot {
		t.foot = l.foot(v)
	}
	return t
}

// shown formats the cell for people.
func (c *cell) shown(kind cellKind, raw bool) string {
	switch {
	case c.number == nil:
		return c.text
	case raw || kind == countCell:
		return c.number.String()
	}
	return bytesText(c.number)
}

// foot returns the line of totals.
func (l *listing) foot(v listingView) []string {
	foot := make([]string, len(l.columns), len(l.columns)+1)
	of := ""
	if l.truncated {
		of = "the first "
	}
	foot[0] = "total of " + of + humanize.Count(len(l.rows), "row")
	for at, c := range l.columns {
		if c.kind == bytesCell {
			sum := cell{number: new(big.Int)}
			for _, row := range l.rows {
				sum.number.Add(sum.number, row[at].number)
			}
			foot[at] = sum.shown(c.kind, v.raw)
		}
	}
	if v.watched {
		foot = append(foot, "")
	}
	return foot
}

// changes returns for each row the change that --watch shows: its growth since before.
func (l *listing) changes(v listingView) []string {
	changes := make([]string, len(l.rows))
	if v.before == nil {
		return changes
	}
	before := make(map[string]*big.Int, len(v.before.rows))
	for _, row := range v.before.rows {
		key, gain, _ := v.before.measure(row)
		before[key] = gain
	}
	for i, row := range l.rows {
		key, gain, kind := l.measure(row)
		was, there := before[key]
		switch {
		case there && gain.Cmp(was) > 0:
			grown := cell{number: gain.Sub(gain, was)}
			changes[i] = "+" + grown.shown(kind, v.raw)
		case there && gain.Cmp(was) < 0:
			shrunk := cell{number: gain.Sub(gain, was)}
			changes[i] = shrunk.shown(kind, v.raw)
		case !there && !v.before.truncated: // otherwise it may have been beyond the limit
			changes[i] = "new"
		}
	}
	return changes
}

// measure returns the key that identifies a row, and the number whose change --watch shows.
func (l *listing) measure(row []cell) (key string, gain *big.Int, kind cellKind) {
	gain = new(big.Int)
	var names []string
	for at, c := range l.columns {
		if c.kind.names() {
			names = append(names, row[at].text)
		}
		if c.gain {
			gain.Add(gain, row[at].number)
			kind = c.kind
		}
	}
	return strings.Join(names, "\x00"), gain, kind
}
