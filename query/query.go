// Package query answers questions about hours: it keeps the rows that are asked for, adds them up by
// groups, puts them in order and cuts them off. It reads columns of a Source, the parts of an hour
// beside each other and one hour after the other, and holds no more than the groups of the answer.
package query

import (
	"fmt"

	"flowd/flow"
)

// Source is where hours are read. Its methods may be called from any goroutine.
type Source interface {
	// Labels returns what hours there are from from up to, not including, to, in ascending order. To is
	// at most flow.MaxHour+1.
	Labels(from, to flow.Hour) ([]flow.Hour, error)
	// Scan returns cursors over the parts of an hour as of now: all of its rows are in them, and each
	// may be read by a goroutine of its own. An hour that is not there has none.
	Scan(h flow.Hour, o flow.ScanOptions) ([]flow.Scan, error)
	// Find returns the rows of those of the tuples that the hour has, in no particular order, or false if
	// that would take a scan.
	Find(h flow.Hour, keys []flow.Key) ([]flow.Row, bool, error)
}

// Query is a question. The zero value asks for no hours; Hour and Range are where one begins.
type Query struct {
	// From and To are the hours, To not included; at most flow.MaxHour+1.
	From, To flow.Hour
	// Match says which rows are kept, for each name.
	Match [flow.FieldCount]Match
	// Grouped says that rows are added up by GroupBy, and by hour if ByHour is set. Otherwise each row is
	// a tuple in an hour.
	Grouped bool
	GroupBy flow.Fields
	ByHour  bool
	// Order is how rows are sorted.
	Order Order
	// Limit is how many rows there are at most; 0 is no limit.
	Limit int
}

// Names returns the names that rows of the answer have.
func (q *Query) Names() flow.Fields {
	if q.Grouped {
		return q.GroupBy
	}
	return flow.AllFields
}

// HasHour reports whether rows of the answer have an hour.
func (q *Query) HasHour() bool { return !q.Grouped || q.ByHour }

// Match keeps names that are one of Names or begin with one of Prefixes; all if there are neither.
type Match struct {
	Names    []string
	Prefixes []string
}

// All reports whether every name is kept.
func (m *Match) All() bool { return len(m.Names)+len(m.Prefixes) == 0 }

// Column is what rows are sorted by.
type Column uint8

// What rows can be sorted by. Unordered is no particular order.
const (
	Unordered Column = iota
	BySrcApp
	ByDestApp
	ByVPCID
	ByHour
	ByBytesTx
	ByBytesRx
	ByBytesTotal // of bytes_tx and bytes_rx
)

// Order is how rows are sorted. Rows that are equal in By come by their names and their hour, ascending.
type Order struct {
	By         Column
	Descending bool
}

// Options bound the work for one answer.
type Options struct {
	// MaxGroups is how many rows may be held at once, to add them up or to sort them (max-groups).
	MaxGroups int
	// Workers is how many goroutines may scan at the same time; 0 is one per processor.
	Workers int
	// Gone, if not nil, is asked now and then, from one goroutine, whether anybody still waits for the
	// answer; ErrGone is what comes of a true.
	Gone func() bool
}

// TooManyGroupsError says that an answer needs more rows at once than MaxGroups.
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
