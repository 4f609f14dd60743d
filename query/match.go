package query

import (
	"slices"
	"strings"

	"flowd/flow"
)

// keeps reports whether a name is one that m keeps.
func (m *Match) keeps(name []byte) bool {
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

func (m *Match) keepsText(name string) bool {
	return slices.Contains(m.Names, name) ||
		slices.ContainsFunc(m.Prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) || m.All()
}

// selector finds the rows of chunks that a question keeps. It belongs to one goroutine.
type selector struct {
	match [flow.FieldCount]Match
	names flow.Fields // that are looked at
	all   []uint32    // 0, 1, 2 …: never changed once it is there
	rows  []uint32

	group    int // of the chunks that verdicts are for
	verdicts [flow.FieldCount][]verdict
}

// verdict is what is known of a name of a dictionary.
type verdict uint8

const (
	unknown verdict = iota
	dropped
	kept
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

// choose returns the numbers of the rows of c that are kept, ascending: as many as c has rows are all of
// them. They are not to be changed, and valid until the next call.
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
			if s.keepsKey(key) {
				s.rows = append(s.rows, uint32(i))
			}
		}
		return s.rows
	}
	return s.chooseCoded(c)
}

func (s *selector) keepsKey(key flow.Key) bool {
	src, dest, vpc := key.Names()
	return s.match[flow.SrcApp].keeps(src) && s.match[flow.DestApp].keeps(dest) && s.match[flow.VPCID].keeps(vpc)
}

// chooseCoded looks at a name once for all chunks that have its dictionary, and then at its number alone.
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

// chooseBy returns which of rows have a name that is kept, in the memory of s.rows, in which rows may be.
func (s *selector) chooseBy(f flow.Field, c *flow.Chunk, rows []uint32) []uint32 {
	s.rows = slices.Grow(s.rows[:0], len(rows))[:len(rows)]
	codes, verdicts, to, n := c.Codes[f], s.verdicts[f], s.rows, 0
	for _, i := range rows {
		v := verdicts[codes[i]]
		if v == unknown {
			v = dropped
			if s.match[f].keepsText(c.Dicts[f][codes[i]]) {
				v = kept
			}
			verdicts[codes[i]] = v
		}
		// Written in any case: whether a row is kept is hard to guess.
		to[n] = i
		n += int(v - dropped)
	}
	return to[:n]
}

// cleared returns n zeros, in the memory of a if there is room.
func cleared[T any](a []T, n int) []T {
	a = slices.Grow(a[:0], n)[:n]
	clear(a)
	return a
}

// mostFound is how many tuples are looked up one by one. More are found by a scan.
const mostFound = 1024

// tuples returns the tuples that a question is about if it names them all, and they are few.
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
