package query

import (
	"hash/maphash"
	"sync"

	"flowd/flow"
)

// adder aggregates groups with several workers. Each has its own table, which is merged into a common one
// when it becomes large. So at most twice the allowed number of groups is held.
type adder struct {
	pass    *pass
	workers []worker
	tables  []*groups
	common  *commonGroups
}

// tableGroups is the most groups of a worker's own table. A table of that size still fits into the cache.
const tableGroups = 16 << 10

// grouping selects the rows that are aggregated, and the fields they are grouped by.
type grouping struct {
	match [flow.FieldCount]Match
	by    flow.Fields
	seed  maphash.Seed // the same for all tables that are merged or compared
}

func newAdder(src Source, g grouping, o Options) *adder {
	a := &adder{pass: newPass(src, g.match, flow.ScanOptions{Names: g.by}, o)}
	a.common = &commonGroups{sums: newGroups(g.by, g.seed), limit: o.MaxGroups}
	for range a.pass.workers {
		own := newGroups(g.by, g.seed)
		a.tables = append(a.tables, own)
		a.workers = append(a.workers, worker{selector: newSelector(g.match),
			sink: func(_ flow.Hour, _ flow.Scan, c *flow.Chunk, rows []uint32) error {
				own.add(c, rows)
				if len(own.entries) < tableGroups {
					return nil
				}
				return a.common.merge(own)
			}})
	}
	return a
}

// add aggregates an hour.
func (a *adder) add(h flow.Hour) error {
	return a.pass.hour(h, a.workers)
}

// sumOver returns the groups of all hours together.
func sumOver(src Source, g grouping, labels []flow.Hour, o Options) (*groups, error) {
	a := newAdder(src, g, o)
	for _, h := range labels {
		if err := a.add(h); err != nil {
			return nil, err
		}
	}
	return a.sums()
}

// sums returns the groups of all hours added so far. They are valid until the next add.
func (a *adder) sums() (*groups, error) {
	for _, own := range a.tables {
		if err := a.common.merge(own); err != nil {
			return nil, err
		}
	}
	return a.common.sums, nil
}

// commonGroups is the table that the tables of the workers are merged into.
type commonGroups struct {
	mu    sync.Mutex
	sums  *groups
	limit int
}

// merge adds own to the sums and empties it.
func (c *commonGroups) merge(own *groups) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sums.merge(own)
	own.reset()
	if len(c.sums.entries) > c.limit {
		return &TooManyGroupsError{c.limit}
	}
	return nil
}

// groupRows implements flow.Rows over groups.
type groupRows struct {
	groups *groups
	hour   flow.Hour
	next   int
}

func (r *groupRows) Next(dst []flow.Row) (n int) {
	for ; n < len(dst) && r.next < len(r.groups.entries); n++ {
		dst[n] = r.groups.row(&r.groups.entries[r.next], r.hour)
		r.next++
	}
	return n
}

func (r *groupRows) Err() error { return nil }

func (r *groupRows) Close() { r.groups, r.next = &groups{}, 0 }

// hourlyGroups implements flow.Rows over the groups of each hour, one hour after the other. It holds the
// groups of one hour at a time.
type hourlyGroups struct {
	adder  *adder
	labels []flow.Hour
	sums   *groups
	rows   groupRows
	err    error
}

// Next implements flow.Rows.
func (r *hourlyGroups) Next(dst []flow.Row) (n int) {
	for n < len(dst) && r.err == nil {
		if r.sums != nil {
			if n += r.rows.Next(dst[n:]); n == len(dst) {
				return n
			}
			r.sums.reset()
			r.sums = nil
		}
		if len(r.labels) == 0 {
			return n
		}
		r.open(r.labels[0])
		r.labels = r.labels[1:]
	}
	return n
}

func (r *hourlyGroups) open(h flow.Hour) {
	if r.err = r.adder.add(h); r.err != nil {
		return
	}
	if r.sums, r.err = r.adder.sums(); r.err == nil {
		r.rows = groupRows{groups: r.sums, hour: h}
	}
}

// Err implements flow.Rows.
func (r *hourlyGroups) Err() error { return r.err }

// Close implements flow.Rows.
func (r *hourlyGroups) Close() { r.labels, r.sums = nil, nil }
