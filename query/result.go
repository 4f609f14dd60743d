package query

import "flowd/flow"

// Result implements flow.Rows over the rows of an answer. The keys of an aggregated answer have one zero
// byte in the place of each name that is aggregated away.
type Result struct {
	// Truncated tells that the limit left out rows.
	Truncated bool

	rows flow.Rows
}

// Next implements flow.Rows.
func (r *Result) Next(dst []flow.Row) int { return r.rows.Next(dst) }

// Err implements flow.Rows. The error is ErrGone, a *TooManyGroupsError or an *HourError.
func (r *Result) Err() error { return r.rows.Err() }

// Close implements flow.Rows.
func (r *Result) Close() { r.rows.Close() }
