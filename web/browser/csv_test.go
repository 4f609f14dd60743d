package browser

import (
	"encoding/csv"
	"slices"
	"strings"
	"testing"
)

// The button of each table saves its rows as CSV.
func TestCSV(t *testing.T) {
	s := start(t, needPage(t))
	s.post(threeHours()...)
	s.post(row{`a,"b"`, "é", "vpc-1", 1, 2, newest}, row{"web", "late", "vpc-1", 5, 6, newest})
	b := s.open("/#units=bytes&src_app=web&src_app=a*&order_by=bytes_tx&limit=3&map=table")
	_, file := b.downloads()
	for _, c := range []struct {
		view, table string
		file        string
		names       int    // the column of the first name in the table
		head        string // the first columns of the file
		rows        []string
	}{
		{"talkers", "talkers-table", "flowd-490000-talkers.csv", 0, "src_app,dest_app,vpc_id,bytes_tx,bytes_rx", []string{`a,"b"`, "web", "api"}},
		{"changes", "changes-table", "flowd-489999-490000-changes.csv", 1, "src_app,dest_app,vpc_id,bytes_tx_before", nil},
		{"ends", "ends-table", "flowd-490000-ends.csv", 0, "app_a,app_b,vpc_id,a_to_b_sent", nil},
		{"map", "map-table", "flowd-490000-connections.csv", 0, "src_app,dest_app,bytes_tx,bytes_rx", nil},
	} {
		b.click(part("tab-" + c.view))
		b.until(`testing.rows("` + c.table + `").length >= 3 && testing.part("` + c.view + `").ariaBusy === "false"`)
		shown := b.rows(c.table)
		b.click(part(c.view + "-csv"))
		text := file(c.file)
		lines, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v in %q", c.view, err, text)
		}
		if head := strings.Join(lines[0], ","); !strings.HasPrefix(head, c.head) {
			t.Errorf("%s: the columns are %s", c.view, head)
		}
		if len(lines) != len(shown)+1 {
			t.Errorf("%s: %d rows are shown, the file is %q", c.view, len(shown), lines)
			continue
		}
		for i, line := range lines[1:] {
			if !slices.Equal(line[:2], shown[i][c.names:c.names+2]) {
				t.Errorf("%s: line %d of the file is %q, and the row %q", c.view, i+1, line, shown[i])
			}
			if c.rows != nil && line[0] != c.rows[i] {
				t.Errorf("%s: line %d of the file is %q, want one of %q", c.view, i+1, line, c.rows[i])
			}
		}
	}
}
