package query

import (
	"slices"

	"flowd/flow"
)

// coded is the state of groups for one row group, whose chunks share their dictionaries. It is indexed by
// the code of a name, or of a combination of names, so that a row needs no look at its names.
type coded struct {
	group int // number of the row group, 0 before the first
	// For one name, totals are added up here, and flushed to the entries at the end of the row group.
	dict  []string
	sums  []flow.Totals
	empty []bool // names of rows without bytes
	// For combinations, and for one name with a large dictionary, the entries are cached.
	radix [flow.FieldCount]int // factor of a code in the combined code, 0 for fields left out
	known []uint32             // by combined code: index of the entry plus 1, 0 if not looked up yet
	met   []uint32             // indexes of known that are not 0
	codes []uint32             // combined codes of a chunk
}

const (
	// maxSums is the most names of a dictionary that get totals of their own, and maxKnown the most
	// combinations that are cached.
	maxSums  = 64 << 10
	maxKnown = 1 << 20
)

// addCoded implements add for chunks with dictionaries.
func (g *groups) addCoded(c *flow.Chunk, rows []uint32) {
	if g.coded.group != c.Group {
		g.flush()
		g.beginRowGroup(c)
	}
	switch {
	case len(g.coded.sums) > 0 && len(rows) == len(c.Totals):
		g.coded.addAll(c.Totals, c.Codes[g.single])
	case len(g.coded.sums) > 0:
		g.coded.addSome(c.Totals, c.Codes[g.single], rows)
	case len(g.coded.known) > 0:
		g.addCombined(c, rows)
	default:
		for _, i := range rows {
			g.entries[g.at(g.decoded(c, int(i)))].totals.Add(c.Totals[i])
		}
	}
}

// addAll adds totals to the sums of their codes.
func (k *coded) addAll(totals []flow.Totals, codes []uint32) {
	sums, codes := k.sums, codes[:len(totals)]
	for i := range totals {
		t, code := totals[i], codes[i]
		if t.BytesTx|t.BytesRx == 0 {
			k.empty[code] = true
			continue
		}
		sums[code].Add(t)
	}
}

// addSome is addAll for the given rows alone.
func (k *coded) addSome(totals []flow.Totals, codes, rows []uint32) {
	for _, i := range rows {
		t, code := totals[i], codes[i]
		if t.BytesTx|t.BytesRx == 0 {
			k.empty[code] = true
			continue
		}
		k.sums[code].Add(t)
	}
}

// addCombined looks a group up once for each combination of codes.
func (g *groups) addCombined(c *flow.Chunk, rows []uint32) {
	codes := g.combined(c)
	for _, i := range rows {
		at := g.coded.known[codes[i]]
		if at == 0 {
			at = uint32(g.at(g.decoded(c, int(i))) + 1)
			g.coded.known[codes[i]] = at
			g.coded.met = append(g.coded.met, codes[i])
		}
		g.entries[at-1].totals.Add(c.Totals[i])
	}
}

// combined returns the combined code of each row of c. They are valid until the next call.
func (g *groups) combined(c *flow.Chunk) []uint32 {
	if g.shape == oneName {
		return c.Codes[g.single]
	}
	codes := cleared(g.coded.codes, len(c.Totals))
	g.coded.codes = codes
	for f, radix := range g.coded.radix {
		if radix == 0 {
			continue
		}
		of := c.Codes[f][:len(codes)]
		for i := range codes {
			codes[i] += uint32(radix) * of[i]
		}
	}
	return codes
}

// beginRowGroup begins a row group, which has its own dictionaries.
func (g *groups) beginRowGroup(c *flow.Chunk) {
	k := &g.coded
	k.group = c.Group
	if g.shape == oneName && len(c.Dicts[g.single]) <= maxSums {
		k.dict = c.Dicts[g.single]
		k.sums, k.empty = cleared(k.sums, len(k.dict)), cleared(k.empty, len(k.dict))
		return
	}
	size := 1
	for f := range k.radix {
		k.radix[f] = 0
		if g.fields.Has(flow.Field(f)) {
			k.radix[f] = size
			if size *= len(c.Dicts[f]); size > maxKnown {
				return
			}
		}
	}
	// All elements of known beyond its length are 0, see flush.
	k.known = slices.Grow(k.known[:0], size)[:size]
}

// flush ends a row group: it moves everything that was added to the entries.
func (g *groups) flush() {
	k := &g.coded
	for code, t := range k.sums {
		if t != (flow.Totals{}) || k.empty[code] {
			g.scratch = append(g.scratch[:0], k.dict[code]...)
			g.entries[g.at(g.scratch)].totals.Add(t)
		}
	}
	for _, code := range k.met {
		k.known[code] = 0
	}
	k.group, k.dict, k.sums, k.known, k.met = 0, nil, k.sums[:0], k.known[:0], k.met[:0]
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
