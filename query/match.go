package query

import (
	"slices"
	"strings"

	"flowd/flow"
)

// matches reports whether m selects name.
func (m *Match) matches(name []byte) bool {
	for _, n := range m.Names {
		if string(name) == n {
			return true
		}
	}
	for _, p := range m.Prefixes {
		if len(name) >= len(p) && string(name[:len(p)]) == p {
			return true
		}
	}
	return m.All()
}

func (m *Match) matchesText(name string) bool {
	return slices.Contains(m.Names, name) ||
		slices.ContainsFunc(m.Prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) || m.All()
}

// selector selects the rows of chunks that match a query. It belongs to one goroutine.
type selector struct {
	match [flow.FieldCount]Match
	names flow.Fields // fields whose names are compared
	all   []uint32    // 0, 1, 2 …: elements never change
	rows  []uint32

	group    int // row group that verdicts are for
	verdicts [flow.FieldCount][]verdict
}

// verdict is the cached result of matches for a name of a dictionary.
type verdict uint8

const (
	unknown verdict = iota
	rejected
	selected
)

func newSelector(match [flow.FieldCount]Match) *selector {
	s := &selector{match: match}
	for f := range match {
		if !match[f].All() {
			s.names = s.names.With(flow.Field(f))
		}
	}
	return s
}

// choose returns the numbers of the rows of c that match, ascending. If their number is that of the rows of
// c, they are all rows. The caller must not change them; they are valid until the next call.
func (s *selector) choose(c *flow.Chunk) []uint32 {
	for len(s.all) < len(c.Totals) {
		s.all = append(s.all, uint32(len(s.all)))
	}
	switch {
	case s.names == 0:
		return s.all[:len(c.Totals)]
	case c.Keys != nil:
		s.rows = s.rows[:0]
		for i, key := range c.Keys {
			if s.matchesKey(key) {
				s.rows = append(s.rows, uint32(i))
			}
		}
		return s.rows
	}
	return s.chooseCoded(c)
}

func (s *selector) matchesKey(key flow.Key) bool {
	src, dest, vpc := key.Names()
	return s.match[flow.SrcApp].matches(src) && s.match[flow.DestApp].matches(dest) && s.match[flow.VPCID].matches(vpc)
}

// chooseCoded compares each name of a dictionary once for all chunks of a row group, and then looks only at
// codes.
func (s *selector) chooseCoded(c *flow.Chunk) []uint32 {
	if s.group != c.Group {
		s.group = c.Group
		for f := range s.verdicts {
			s.verdicts[f] = cleared(s.verdicts[f], len(c.Dicts[f]))
		}
	}
	rows := s.all[:len(c.Totals)]
	for f := range s.match {
		if s.names.Has(flow.Field(f)) {
			rows = s.chooseBy(flow.Field(f), c, rows)
		}
	}
	return rows
}

// chooseBy returns those of rows whose name matches. It writes them to the memory of s.rows, which rows may
// share.
func (s *selector) chooseBy(f flow.Field, c *flow.Chunk, rows []uint32) []uint32 {
	s.rows = slices.Grow(s.rows[:0], len(rows))[:len(rows)]
	codes, verdicts, to, n := c.Codes[f], s.verdicts[f], s.rows, 0
	for _, i := range rows {
		v := verdicts[codes[i]]
		if v == unknown {
			v = rejected
			if s.match[f].matchesText(c.Dicts[f][codes[i]]) {
				v = selected
			}
			verdicts[codes[i]] = v
		}
		// The store is unconditional, since a branch on the verdict would often be mispredicted.
		to[n] = i
		n += int(v - rejected)
	}
	return to[:n]
}

// cleared returns n zeros, in the memory of a if it has room.
func cleared[T any](a []T, n int) []T {
	a = slices.Grow(a[:0], n)[:n]
	clear(a)
	return a
}

// mostFound is the most tuples that are looked up one by one. More are found by a scan.
const mostFound = 1024

// tuples returns the tuples that match can select, if it names all of them and they are few.
func tuples(match *[flow.FieldCount]Match) ([]flow.Key, bool) {
	n := 1
	for f := range match {
		if len(match[f].Prefixes) > 0 {
			return nil, false
		}
		if n *= len(match[f].Names); n == 0 || n > mostFound {
			return nil, false
		}
	}
	keys := make([]flow.Key, 0, n)
	for _, src := range unique(match[flow.SrcApp].Names) {
		for _, dest := range unique(match[flow.DestApp].Names) {
			for _, vpc := range unique(match[flow.VPCID].Names) {
				keys = append(keys, flow.AppendKey(nil, src, dest, vpc))
			}
		}
	}
	return keys, true
}

func unique(names []string) []string {
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Compact(names)
}
