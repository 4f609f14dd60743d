package query

import "flowd/flow"

// Result is the rows of an answer, as flow.Rows. The keys of a grouped answer have one zero byte in
// the place of each name that is summed over.
type Result struct {
	// Truncated says that there would be more rows without Query.Limit.
	Truncated bool

	rows flow.Rows
}

// Next implements flow.Rows.
func (r *Result) Next(dst []flow.Row) int { return r.rows.Next(dst) }

// Err implements flow.Rows. It is ErrGone, a *TooManyGroupsError or an *HourError.
func (r *Result) Err() error { return r.rows.Err() }

// Close implements flow.Rows.
func (r *Result) Close() { r.rows.Close() }
