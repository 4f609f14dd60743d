// Package query answers queries over hours: it selects rows, aggregates them by groups, sorts them and
// limits their number. It reads the columns of a Source one hour after the other, the scans of an hour in
// parallel, and holds no more than the groups of the answer.
package query

import (
	"fmt"

	"flowd/flow"
)

// Source reads hours. Its methods may be called from any goroutine.
type Source interface {
	// Labels returns the existing hours from from to to, to excluded, in ascending order. to is at most
	// flow.MaxHour+1.
	Labels(from, to flow.Hour) ([]flow.Hour, error)
	// Scan returns cursors that together cover all current rows of an hour. Each may be read by its own
	// goroutine. An hour that does not exist has no cursors.
	Scan(h flow.Hour, o flow.ScanOptions) ([]flow.Scan, error)
	// Find returns the rows of an hour for the given tuples, in no particular order, or false if that would
	// take a scan.
	Find(h flow.Hour, keys []flow.Key) ([]flow.Row, bool, error)
}

// Query is a query for rows. The zero value selects no hours.
type Query struct {
	// From and To are the range of hours, To excluded; at most flow.MaxHour+1.
	From, To flow.Hour
	// Match selects rows, by each name.
	Match [flow.FieldCount]Match
	// Grouped aggregates rows by GroupBy, and by hour if ByHour is set. Otherwise each row is a tuple in an
	// hour.
	Grouped bool
	GroupBy flow.Fields
	ByHour  bool
	// Order is how rows are sorted.
	Order Order
	// Limit is the most rows of the answer; 0 is no limit.
	Limit int
}

// Names returns the fields whose names rows of the answer have.
func (q *Query) Names() flow.Fields {
	if q.Grouped {
		return q.GroupBy
	}
	return flow.AllFields
}

// HasHour reports whether rows of the answer have an hour.
func (q *Query) HasHour() bool { return !q.Grouped || q.ByHour }

// Match selects names that are one of Names or begin with one of Prefixes, or all names if both are empty.
type Match struct {
	Names    []string
	Prefixes []string
}

// All reports whether m selects every name.
func (m *Match) All() bool { return len(m.Names)+len(m.Prefixes) == 0 }

// Column is a sort key of rows.
type Column uint8

// The sort keys of rows. Unordered is no particular order.
const (
	Unordered Column = iota
	BySrcApp
	ByDestApp
	ByVPCID
	ByHour
	ByBytesTx
	ByBytesRx
	ByBytesTotal // the sum of bytes_tx and bytes_rx
)

// Order is how rows are sorted. Rows that are equal in By come by their names and their hour, ascending.
type Order struct {
	By         Column
	Descending bool
}

// Options bound the work for one answer.
type Options struct {
	// MaxGroups is the most rows that may be held at once, to aggregate or to sort them (max-groups).
	MaxGroups int
	// Workers is the number of goroutines that may scan at the same time; 0 is one per processor.
	Workers int
	// Gone, if not nil, reports whether the client no longer waits for the answer. It is called now and
	// then, from one goroutine. If it returns true, the answer ends with ErrGone.
	Gone func() bool
}

// TooManyGroupsError is the error of an answer that needs more than MaxGroups rows at once.
type TooManyGroupsError struct {
	MaxGroups int
}

func (e *TooManyGroupsError) Error() string {
	return fmt.Sprintf("query: more than %d rows would have to be held at once", e.MaxGroups)
}

// HourError is an error of reading an hour.
type HourError struct {
	Hour  flow.Hour
	Cause error
}

func (e *HourError) Error() string { return fmt.Sprintf("query: hour %d: %v", e.Hour, e.Cause) }

// Unwrap returns the cause.
func (e *HourError) Unwrap() error { return e.Cause }
