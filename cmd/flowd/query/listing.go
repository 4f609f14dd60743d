package query

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"

	"github.com/goccy/go-json"

	"flowd/flow"
	"flowd/humanize"
)

// column describes a field of the rows of an answer, and its column in a table.
type column struct {
	field       string
	group, head string // an empty head means the field in capitals
	kind        cellKind
	// gain tells that --watch shows the change of the field.
	gain bool
}

// cellKind is the kind of value of a field.
type cellKind uint8

const (
	nameCell  cellKind = iota // names a row
	hourCell                  // names a row
	wordCell                  // describes a row
	countCell                 // number that cannot be summed over rows
	bytesCell
)

// names reports whether fields of this kind identify a row.
func (k cellKind) names() bool { return k == nameCell || k == hourCell }

func (k cellKind) isNumber() bool { return k == countCell || k == bytesCell }

// The fields of the answers, in the order of a table.
var (
	flowColumns = []column{
		{field: "hour", kind: hourCell},
		{field: "src_app"}, {field: "dest_app"}, {field: "vpc_id"},
		{field: "bytes_tx", kind: bytesCell, gain: true}, {field: "bytes_rx", kind: bytesCell, gain: true},
	}
	diffColumns = []column{
		{field: "src_app"}, {field: "dest_app"}, {field: "vpc_id"},
		{field: "bytes_tx_before", group: "BEFORE", head: "TX", kind: bytesCell},
		{field: "bytes_rx_before", group: "BEFORE", head: "RX", kind: bytesCell},
		{field: "bytes_tx_after", group: "AFTER", head: "TX", kind: bytesCell},
		{field: "bytes_rx_after", group: "AFTER", head: "RX", kind: bytesCell},
		{field: "difference", kind: bytesCell, gain: true}, {field: "change", kind: wordCell},
	}
	pairColumns = []column{
		{field: "app_a"}, {field: "app_b"}, {field: "vpc_id"},
		{field: "a_to_b_sent", group: "A TO B", head: "SENT", kind: bytesCell},
		{field: "a_to_b_received", group: "A TO B", head: "RECEIVED", kind: bytesCell},
		{field: "b_to_a_sent", group: "B TO A", head: "SENT", kind: bytesCell},
		{field: "b_to_a_received", group: "B TO A", head: "RECEIVED", kind: bytesCell},
		{field: "disagreement", kind: bytesCell, gain: true}, {field: "reported_by", group: "REPORTED", head: "BY", kind: wordCell},
	}
	totalColumns = []column{
		{field: "hour", kind: hourCell}, {field: "tuples", kind: countCell}, {field: "flows", kind: countCell},
		{field: "bytes_tx", kind: bytesCell, gain: true}, {field: "bytes_rx", kind: bytesCell, gain: true},
	}
	ledgerColumns = []column{
		{field: accountField}, {field: "flows", kind: countCell, gain: true},
		{field: "bytes_tx", kind: bytesCell}, {field: "bytes_rx", kind: bytesCell},
	}
)

// listing is an answer to be shown as a table.
type listing struct {
	columns   []column
	rows      [][]cell // each has a cell for each column
	truncated bool
	noFoot    bool   // there is no line of totals
	note      string // a line below the table
}

// cell is the value of a field: an integer of any size, or text.
type cell struct {
	text   string
	number *big.Int
}

// The bounds of answers for tables, which are held in memory.
const (
	maxLine  = 64 << 10
	maxWhole = 256 << 20
)

// readRows reads up to limit rows of NDJSON. More rows are an error.
func readRows(r io.Reader, columns []column, limit int) (*listing, error) {
	l := &listing{columns: columns}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 16<<10), maxLine)
	lines.Split(wholeLines)
	for lines.Scan() {
		if len(l.rows) == limit {
			return nil, fmt.Errorf("the server sent more than the %d rows that were asked for", limit)
		}
		if err := l.add(lines.Bytes()); err != nil {
			return nil, err
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return nil, fmt.Errorf("row %d of the answer is longer than %d bytes: is it the address of a flowd server?", len(l.rows)+1, maxLine)
	}
	return l, lines.Err()
}

var errCutLine = errors.New("the answer is cut: it ends in the middle of a row")

// wholeLines is bufio.ScanLines for text in which every line, including the last one, must have an end.
func wholeLines(data []byte, atEOF bool) (advance int, line []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return 0, nil, errCutLine
	}
	return 0, nil, nil
}

// add appends a row, given as JSON.
func (l *listing) add(text []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return fmt.Errorf("row %d of the answer is not flowd's: %w", len(l.rows)+1, err)
	}
	return l.addFields(fields)
}

// addFields appends a row. The first row determines the columns.
func (l *listing) addFields(fields map[string]json.RawMessage) error {
	if len(l.rows) == 0 {
		var there []column
		for _, c := range l.columns {
			if _, ok := fields[c.field]; ok {
				there = append(there, c)
			}
		}
		if len(there) == 0 {
			return errors.New("row 1 of the answer has no field that is known")
		}
		l.columns = there
	}
	row := make([]cell, len(l.columns))
	for i, c := range l.columns {
		var err error
		if row[i], err = c.cell(fields[c.field]); err != nil {
			return fmt.Errorf("row %d of the answer is not flowd's: %s %w", len(l.rows)+1, c.field, err)
		}
	}
	l.rows = append(l.rows, row)
	return nil
}

// cell parses the value of a field. Numbers are exact, whatever their size.
func (c *column) cell(value json.RawMessage) (cell, error) {
	if len(value) == 0 {
		return cell{}, errors.New("is missing")
	}
	switch c.kind {
	case nameCell, wordCell:
		var text string
		if err := json.Unmarshal(value, &text); err != nil || value[0] != '"' {
			return cell{}, fmt.Errorf("is %s, and no text", humanize.Printable(string(value)))
		}
		return cell{text: humanize.Printable(text)}, nil
	case hourCell:
		h, err := strconv.ParseUint(string(value), 10, 31)
		if err != nil {
			return cell{}, fmt.Errorf("is %s, and no hour", humanize.Printable(string(value)))
		}
		return cell{text: hourText(flow.Hour(h))}, nil
	}
	n, ok := new(big.Int).SetString(string(value), 10)
	if !ok {
		return cell{}, fmt.Errorf("is %s, and no integer", humanize.Printable(string(value)))
	}
	return cell{number: n}, nil
}

// readWhole reads an answer that must be held in memory completely.
func readWhole(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxWhole+1))
	if len(text) > maxWhole {
		return nil, fmt.Errorf("the answer has more than %d bytes, which is too long for a table: ask for --format json", maxWhole)
	}
	return text, err
}

// readJSON parses an answer into to.
func readJSON(r io.Reader, to any) error {
	text, err := readWhole(r)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, to); err != nil {
		return fmt.Errorf("the answer is not flowd's: %w", err)
	}
	return nil
}

// readNames parses the array of GET /names.
func readNames(r io.Reader, columns []column, _ int) (*listing, error) {
	var names []string
	if err := readJSON(r, &names); err != nil {
		return nil, err
	}
	l := &listing{columns: columns}
	for _, name := range names {
		l.rows = append(l.rows, []cell{{text: humanize.Printable(name)}})
	}
	return l, nil
}

// readHours parses the array of GET /hours.
func readHours(r io.Reader, columns []column, _ int) (*listing, error) {
	var hours []map[string]json.RawMessage
	if err := readJSON(r, &hours); err != nil {
		return nil, err
	}
	l := &listing{columns: columns}
	for _, fields := range hours {
		if err := l.addFields(fields); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// accountField is the pseudo-field for the name of an account in GET /ledger.
const accountField = "account"

// readLedger parses the totals of GET /ledger, but not its hours.
func readLedger(r io.Reader, columns []column, _ int) (*listing, error) {
	var answer map[string]json.RawMessage
	if err := readJSON(r, &answer); err != nil {
		return nil, err
	}
	l := &listing{columns: columns, noFoot: true}
	for _, name := range []string{"received", "stored", "duplicate", "rejected", "expired"} {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(answer[name], &fields); err != nil {
			return nil, fmt.Errorf("the answer is not flowd's: %s: %w", name, err)
		}
		fields[accountField] = json.RawMessage(strconv.Quote(name))
		if err := l.addFields(fields); err != nil {
			return nil, err
		}
	}
	l.note = "NOT balanced: flows were lost, or counted twice"
	if string(answer["balanced"]) == "true" {
		l.note = "balanced: received = stored + duplicate + rejected + expired"
	}
	return l, nil
}
