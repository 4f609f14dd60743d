package query

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// twoNames is a table as GET /diff makes one.
func twoNames() *table {
	return &table{
		columns: []tableColumn{
			{head: "SRC_APP", shrinks: true}, {head: "DEST_APP", shrinks: true},
			{group: "BEFORE", head: "TX", number: true}, {group: "BEFORE", head: "RX", number: true},
			{head: "CHANGE"},
		},
		rows: [][]string{
			{"checkout-api", "支払い", "1.50K", "0", "gone"},
			{"a", "recommendations-worker-of-the-night", "7", "123M", "grown"},
		},
		foot: []string{"total of 2 rows", "", "1.51K", "123M", ""},
	}
}

func TestTable(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*table)
		canvas canvas
		want   string
	}{
		{"all of it", nil, canvas{}, `
                                                     BEFORE
SRC_APP       DEST_APP                                TX    RX  CHANGE
checkout-api  支払い                               1.50K     0  gone
a             recommendations-worker-of-the-night      7  123M  grown
total of 2 rows                                    1.51K  123M
`},
		{"as wide as there is room", nil, canvas{width: 50}, `
                                 BEFORE
SRC_APP       DEST_APP            TX    RX  CHANGE
checkout-api  支払い           1.50K     0  gone
a             recomme…e-night      7  123M  grown
total of 2 rows                1.51K  123M
`},
		{"names that are equally wide are shortened alike", nil, canvas{width: 40}, `
                       BEFORE
SRC_APP   DEST_APP      TX    RX  CHANGE
chec…api  支払い     1.50K     0  gone
a         reco…ight      7  123M  grown
total of 2 rows      1.51K  123M
`},
		{"never less than five", nil, canvas{width: 10}, `
                BEFORE
SR…PP  DE…PP     TX    RX  CHANGE
ch…pi  支…い  1.50K     0  gone
a      re…ht      7  123M  grown
total … rows  1.51K  123M
`},
		{"without totals", func(t *table) { t.foot = nil }, canvas{width: 50, height: 4}, `
                                 BEFORE
SRC_APP       DEST_APP            TX    RX  CHANGE
checkout-api  支払い           1.50K     0  gone
a             recomme…e-night      7  123M  grown
`},
		{"not enough lines", nil, canvas{width: 50, height: 4}, `
                                 BEFORE
SRC_APP       DEST_APP            TX    RX  CHANGE
… and 2 rows more
total of 2 rows                1.51K  123M
`},
		{"the newest last", func(t *table) {
			t.rows = append(t.rows, []string{"newest", "", "", "", ""})
			t.newestLast = true
		}, canvas{width: 50, height: 5}, `
                                 BEFORE
SRC_APP       DEST_APP            TX    RX  CHANGE
… and 2 rows more
newest
total of 2 rows                1.51K  123M
`},
		{"a group wider than its columns", func(t *table) { t.columns[2].group, t.columns[3].group = "A LONG WORD", "A LONG WORD" }, canvas{}, `
                                                   A LONG WORD
SRC_APP       DEST_APP                                TX    RX  CHANGE
checkout-api  支払い                               1.50K     0  gone
a             recommendations-worker-of-the-night      7  123M  grown
total of 2 rows                                    1.51K  123M
`},
		{"no rows", func(t *table) { t.rows, t.foot = nil, []string{"total of 0 rows", "", "0", "0", ""} }, canvas{}, `
                   BEFORE
SRC_APP  DEST_APP  TX  RX  CHANGE
total of 0 rows     0   0
`},
		{"one column", func(t *table) {
			t.columns, t.rows, t.foot = t.columns[:1], [][]string{{"a"}}, []string{"total of 1 row"}
		}, canvas{width: 80}, `
SRC_APP
a
total of 1 row
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			table := twoNames()
			if c.change != nil {
				c.change(table)
			}
			var b bytes.Buffer
			table.write(&b, c.canvas)
			if diff := cmp.Diff(c.want, "\n"+b.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if strings.Contains(b.String(), "\x1b") || strings.Contains(b.String(), " \n") {
				t.Errorf("colours, or spaces at the end of a line: %q", b.String())
			}
		})
	}
}

func TestTableInColour(t *testing.T) {
	var b bytes.Buffer
	table := twoNames()
	table.rows[0][0] = "gone" // a name like any other
	table.write(&b, canvas{colour: true})
	if n := strings.Count(b.String(), "\x1b[31mgone\x1b[0m\n"); n != 1 {
		t.Errorf("%d words are red, want 1:\n%q", n, b.String())
	}
	if n := strings.Count(b.String(), "\x1b[1m"); n != 2 {
		t.Errorf("%d lines are bold, want the 2 of the heads:\n%q", n, b.String())
	}
	var plainText bytes.Buffer
	table.write(&plainText, canvas{})
	for _, code := range []string{bold, red, green, yellow, plain} {
		b = *bytes.NewBufferString(strings.ReplaceAll(b.String(), code, ""))
	}
	if diff := cmp.Diff(plainText.String(), b.String()); diff != "" {
		t.Errorf("colours change more than colours (-without +with):\n%s", diff)
	}
}
