package query

import (
	"hash/maphash"
	"slices"
	"strings"

	"flowd/flow"
)

// NamesQuery asks for names, for completion.
type NamesQuery struct {
	Field  flow.Field
	Hours  Hours
	Prefix string
	Match  [flow.FieldCount]Match // selects rows, as in Query
	Limit  int                    // 0 is no limit
}

// Names returns the names of a field that begin with the prefix, sorted by their bytes. Its errors are
// those of Result.Err.
func Names(src Source, q *NamesQuery, o Options) (names []string, truncated bool, err error) {
	labels, err := src.Labels(q.Hours.From, q.Hours.To)
	if err != nil {
		return nil, false, err
	}
	match := q.Match
	if match[q.Field].All() && q.Prefix != "" {
		// This avoids groups for other names.
		match[q.Field].Prefixes = []string{q.Prefix}
	}
	sums, err := sumOver(src, grouping{match, flow.Fields(0).With(q.Field), maphash.MakeSeed()}, labels, o)
	if err != nil {
		return nil, false, err
	}
	for i := range sums.entries {
		if name := string(sums.entries[i].subject); strings.HasPrefix(name, q.Prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	names, truncated = cutTo(names, q.Limit)
	return names, truncated, nil
}
