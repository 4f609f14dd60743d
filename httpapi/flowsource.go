package httpapi

import (
	"flowd/flow"
	"flowd/httpapi/format"
)

// rowsAtOnce is how many rows are taken from a query in one go.
const rowsAtOnce = 64

// flowSource is the list of rows of GET /flows.
type flowSource struct {
	format.List[flow.Row]
	rows flow.Rows
	room [rowsAtOnce]flow.Row
}

// init begins the list of rows, which it closes in the end.
func (f *flowSource) init(rows flow.Rows, p format.Punctuation, write func(row *flow.Row, dst []byte) []byte) format.Source {
	f.rows = rows
	f.List = format.List[flow.Row]{Punctuation: p, Write: write, From: f}
	return &f.List
}

// Next implements rowCursor.
func (f *flowSource) Next() ([]flow.Row, error) {
	n := f.rows.Next(f.room[:])
	if n == 0 {
		return nil, f.rows.Err()
	}
	return f.room[:n], nil
}

func (f *flowSource) Close() { f.rows.Close() }
