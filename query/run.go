package query

import (
	"errors"
	"hash/maphash"

	"flowd/flow"
)

// ErrGone is the error of an answer whose client no longer waits for it.
var ErrGone = errors.New("query: the client no longer waits for the answer")

// Run answers q. It does all the work that must precede the first row. A query without order and limit
// reads from src while its rows are read, and holds little more than a row. The errors are those of
// Result.Err.
func Run(src Source, q *Query, o Options) (*Result, error) {
	labels, err := src.Labels(q.From, q.To)
	if err != nil {
		return nil, err
	}
	switch {
	case q.Grouped && !q.ByHour:
		return grouped(src, q, o, labels)
	case q.Order.By != Unordered && q.Grouped:
		return rankedGroups(src, q, o, labels)
	case q.Order.By != Unordered:
		return ranked(src, q, o, labels)
	case q.Grouped:
		return limited(&hourlyGroups{adder: newAdder(src, q.grouping(), o), labels: labels}, q.Limit)
	}
	return limited(newStream(src, q, o, labels), q.Limit)
}

func (q *Query) grouping() grouping { return grouping{q.Match, q.GroupBy, maphash.MakeSeed()} }

// limited truncates unordered rows to limit, unless that is 0.
func limited(rows flow.Rows, limit int) (*Result, error) {
	if limit == 0 {
		return &Result{rows: rows}, nil
	}
	defer rows.Close()
	var first []flow.Row
	var block [256]flow.Row
	for len(first) <= limit {
		n := rows.Next(block[:min(len(block), limit+1-len(first))])
		if n == 0 {
			break
		}
		first = append(first, block[:n]...)
	}
	if err := rows.Err(); err != nil && len(first) <= limit {
		return nil, err
	}
	cut := len(first) > limit
	return &Result{rows: &rowList{first[:min(len(first), limit)]}, Truncated: cut}, nil
}

// ranked answers a query for the first rows of an order, where each row is a tuple in an hour.
func ranked(src Source, q *Query, o Options, labels []flow.Hour) (*Result, error) {
	p := newPass(src, q.Match, flow.ScanOptions{Whole: true}, o)
	held := &budget{limit: o.MaxGroups}
	// Each worker has its own ranking, so there are fewer workers if the rankings are long.
	n := p.workers
	if q.Limit > 0 {
		n = max(1, min(n, o.MaxGroups/q.Limit))
	}
	rankings, workers := make([]*ranking, n), make([]worker, n)
	for i := range workers {
		k := &ranking{order: q.Order, limit: q.Limit, budget: held}
		rankings[i] = k
		workers[i] = worker{selector: newSelector(q.Match), sink: k.collect}
	}
	for _, h := range labels {
		if err := p.hour(h, workers); err != nil {
			return nil, err
		}
	}
	rows, cut := merge(rankings)
	return &Result{rows: rows, Truncated: cut}, nil
}

// grouped answers a query for groups over all hours.
func grouped(src Source, q *Query, o Options, labels []flow.Hour) (*Result, error) {
	sums, err := sumOver(src, q.grouping(), labels, o)
	if err != nil {
		return nil, err
	}
	if q.Order.By == Unordered {
		return limited(&groupRows{groups: sums}, q.Limit)
	}
	return rankOne(q, o, func(k *ranking) error { return k.pushGroups(sums, 0) })
}

// rankedGroups answers an ordered query for the groups of each hour.
func rankedGroups(src Source, q *Query, o Options, labels []flow.Hour) (*Result, error) {
	a := newAdder(src, q.grouping(), o)
	return rankOne(q, o, func(k *ranking) error {
		for _, h := range labels {
			if err := a.add(h); err != nil {
				return err
			}
			sums, err := a.sums()
			if err != nil {
				return err
			}
			if err := k.pushGroups(sums, h); err != nil {
				return err
			}
			sums.reset()
		}
		return nil
	})
}

// rankOne answers q with the rows that fill pushes to one ranking.
func rankOne(q *Query, o Options, fill func(*ranking) error) (*Result, error) {
	k := &ranking{order: q.Order, limit: q.Limit, budget: &budget{limit: o.MaxGroups}}
	if err := fill(k); err != nil {
		return nil, err
	}
	rows, cut := merge([]*ranking{k})
	return &Result{rows: rows, Truncated: cut}, nil
}

// pushGroups pushes the groups of an hour.
func (k *ranking) pushGroups(g *groups, h flow.Hour) error {
	k.seen += uint64(len(g.entries))
	for i := range g.entries {
		e := &g.entries[i]
		if !k.reachesThreshold(e.totals, h) {
			continue
		}
		if err := k.push(g.row(e, h)); err != nil {
			return err
		}
	}
	return nil
}
