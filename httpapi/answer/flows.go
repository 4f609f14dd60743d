package answer

import (
	"flowd/flow"
	"flowd/httpapi/format"
)

// rowsAtOnce is how many rows are taken from a query in one go.
const rowsAtOnce = 64

// Flows is the list of rows of GET /flows.
type Flows struct {
	format.List[flow.Row]
	rows flow.Rows
	room [rowsAtOnce]flow.Row
}

// Init begins the list of rows, which it closes in the end.
func (f *Flows) Init(rows flow.Rows, p format.Punctuation, write func(row *flow.Row, dst []byte) []byte) format.Source {
	f.rows = rows
	f.List = format.List[flow.Row]{Punctuation: p, Write: write, From: f}
	return &f.List
}

// Next implements rowCursor.
func (f *Flows) Next() ([]flow.Row, error) {
	n := f.rows.Next(f.room[:])
	if n == 0 {
		return nil, f.rows.Err()
	}
	return f.room[:n], nil
}

// Close closes the rows.
func (f *Flows) Close() { f.rows.Close() }
