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
	rows  []uint32

	group    int // of the chunks that verdicts are for
	verdicts [flow.FieldCount][]bool
}

func newSelector(match [flow.FieldCount]Match) *selector {
	s := &selector{match: match}
	for f := range match {
		if !match[f].All() {
			s.names = s.names.With(flow.Field(f))
		}
	}
	return s
}

// choose returns the numbers of the rows of c that are kept, ascending. They are valid until the next
// call.
func (s *selector) choose(c *flow.Chunk) []uint32 {
	s.rows = s.rows[:0]
	switch {
	case s.names == 0:
		for i := range c.Totals {
			s.rows = append(s.rows, uint32(i))
		}
	case c.Keys != nil:
		for i, key := range c.Keys {
			if s.keepsKey(key) {
				s.rows = append(s.rows, uint32(i))
			}
		}
	default:
		s.chooseCoded(c)
	}
	return s.rows
}

func (s *selector) keepsKey(key flow.Key) bool {
	src, dest, vpc := key.Names()
	return s.match[flow.SrcApp].keeps(src) && s.match[flow.DestApp].keeps(dest) && s.match[flow.VPCID].keeps(vpc)
}

// chooseCoded looks at each name of a dictionary once, and then at numbers alone.
func (s *selector) chooseCoded(c *flow.Chunk) {
	if s.group != c.Group {
		s.judge(c)
	}
	for i := range c.Totals {
		s.rows = append(s.rows, uint32(i))
	}
	for f := range s.match {
		if !s.names.Has(flow.Field(f)) {
			continue
		}
		kept := s.rows[:0]
		codes, verdicts := c.Codes[f], s.verdicts[f]
		for _, i := range s.rows {
			if verdicts[codes[i]] {
				kept = append(kept, i)
			}
		}
		s.rows = kept
	}
}

func (s *selector) judge(c *flow.Chunk) {
	s.group = c.Group
	for f := range s.match {
		if !s.names.Has(flow.Field(f)) {
			continue
		}
		s.verdicts[f] = slices.Grow(s.verdicts[f][:0], len(c.Dicts[f]))
		for _, name := range c.Dicts[f] {
			s.verdicts[f] = append(s.verdicts[f], s.match[f].keepsText(name))
		}
	}
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
