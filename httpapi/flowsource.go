package httpapi

import "flowd/flow"

// rowsAtOnce is how many rows are taken from a query in one go.
const rowsAtOnce = 64

// flowSource is the list of rows of GET /flows.
type flowSource struct {
	list[flow.Row]
	rows flow.Rows
	room [rowsAtOnce]flow.Row
}

// init begins the list of rows, which it closes in the end.
func (f *flowSource) init(rows flow.Rows, p punctuation, write func(row *flow.Row, dst []byte) []byte) source {
	f.rows = rows
	f.list = list[flow.Row]{punctuation: p, write: write, from: f}
	return &f.list
}

// next implements rowCursor.
func (f *flowSource) next() ([]flow.Row, error) {
	n := f.rows.Next(f.room[:])
	if n == 0 {
		return nil, f.rows.Err()
	}
	return f.room[:n], nil
}

func (f *flowSource) close() { f.rows.Close() }
