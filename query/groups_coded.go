package query

import (
	"slices"

	"flowd/flow"
)

// addCoded is add for chunks with dictionaries: a group is looked up once for each name of a
// dictionary, or combination of them, and found by number from then on.
func (g *groups) addCoded(c *flow.Chunk, rows []uint32) {
	if g.group != c.Group {
		g.learn(c)
	}
	switch {
	case len(g.known) == 0:
		for _, i := range rows {
			g.entries[g.at(g.decoded(c, int(i)))].totals.Add(c.Totals[i])
		}
	case g.shape == oneName:
		codes, known := c.Codes[g.single], g.known
		for _, i := range rows {
			at := known[codes[i]]
			if at == 0 {
				at = uint32(g.at(g.decoded(c, int(i))) + 1)
				known[codes[i]] = at
			}
			g.entries[at-1].totals.Add(c.Totals[i])
		}
	default:
		for _, i := range rows {
			code := 0
			for f, radix := range g.radix {
				if radix > 0 {
					code += radix * int(c.Codes[f][i])
				}
			}
			at := g.known[code]
			if at == 0 {
				at = uint32(g.at(g.decoded(c, int(i))) + 1)
				g.known[code] = at
			}
			g.entries[at-1].totals.Add(c.Totals[i])
		}
	}
}

// learn begins a row group with dictionaries of its own.
func (g *groups) learn(c *flow.Chunk) {
	g.group = c.Group
	size := 1
	for f := range g.radix {
		g.radix[f] = 0
		if g.fields.Has(flow.Field(f)) {
			g.radix[f] = size
			if size *= len(c.Dicts[f]); size > maxKnown {
				g.known = g.known[:0]
				return
			}
		}
	}
	g.known = slices.Grow(g.known[:0], size)[:size]
	clear(g.known)
}

// decoded returns the subject of row i. It is valid until the next call.
func (g *groups) decoded(c *flow.Chunk, i int) []byte {
	if g.shape == oneName {
		g.scratch = append(g.scratch[:0], c.Dicts[g.single][c.Codes[g.single][i]]...)
		return g.scratch
	}
	names := [flow.FieldCount]string{hidden, hidden, hidden}
	for f := range names {
		if g.fields.Has(flow.Field(f)) {
			names[f] = c.Dicts[f][c.Codes[f][i]]
		}
	}
	g.scratch = flow.AppendKey(g.scratch[:0], names[flow.SrcApp], names[flow.DestApp], names[flow.VPCID])
	return g.scratch
}
