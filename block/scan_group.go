package block

import (
	"fmt"
	"slices"

	"flowd/flow"
)

// scanGroup reads a row group for a scan: byte counts as they come, names when they are asked for.
// Its memory is used again for the next row group.
type scanGroup struct {
	buf    []byte // of the row group
	counts [columnCount - nameCount]column[uint64]
	names  [nameCount]nameColumn
	totals []flow.Totals // of the chunk
	// first is the chunk's first row in the row group, and left is how many rows come after the chunk.
	first, left int64
}

// open reads row group i of b as a whole, checks it, and begins to decode it. Whether it fails or not,
// close must follow.
func (g *scanGroup) open(b *opened, i int) error {
	data, err := b.readGroup(i, g.buf)
	if err != nil {
		return err
	}
	g.buf = data
	pages, err := openColumns(b.groups[i], tailReader{data, b.sections[i].From})
	if err != nil {
		return b.groupDamage(i, err)
	}
	for c := range g.names {
		g.names[c].column = column[int32]{pages: pages[c], valuesOf: indexesOf}
	}
	for c := range g.counts {
		g.counts[c] = column[uint64]{pages: pages[nameCount+c], valuesOf: countsOf}
	}
	g.first, g.left = 0, b.groups[i].NumRows()
	return nil
}

// close gives back the memory of the pages. There is no chunk after it.
func (g *scanGroup) close() {
	for i := range g.names {
		g.names[i].close()
	}
	for i := range g.counts {
		g.counts[i].close()
	}
	g.totals = g.totals[:0]
}

// next goes on to the next chunk, whose names in asked are decoded, and reports whether there is one.
func (g *scanGroup) next(asked flow.Fields) (bool, error) {
	g.first += int64(len(g.totals))
	g.totals = g.totals[:0]
	n := int(min(g.left, chunkRows))
	if n == 0 {
		return false, nil
	}
	for i := range g.counts {
		have, err := g.counts[i].load()
		if err != nil {
			return false, columnError(nameCount+i, err)
		}
		n = min(n, have)
	}
	for i := range g.names {
		if !asked.Has(flow.Field(i)) {
			continue
		}
		if err := g.names[i].reach(g.first + int64(n)); err != nil {
			return false, columnError(i, err)
		}
	}
	g.totals = slices.Grow(g.totals, n)[:n]
	tx, rx := g.counts[bytesTx-nameCount].take(n), g.counts[bytesRx-nameCount].take(n)
	for i := range g.totals {
		g.totals[i] = flow.Totals{BytesTx: tx[i], BytesRx: rx[i]}
	}
	g.left -= int64(n)
	return true, nil
}

// show makes c the chunk, with the names in asked.
func (g *scanGroup) show(c *flow.Chunk, asked flow.Fields) {
	*c = flow.Chunk{Totals: g.totals}
	for i := range g.names {
		if asked.Has(flow.Field(i)) {
			c.Codes[i] = g.names[i].codes[g.first:][:len(g.totals)]
			c.Dicts[i] = g.names[i].dict
		}
	}
}

// key returns the tuple of row i of the chunk.
func (g *scanGroup) key(i int, keys *slab) (flow.Key, error) {
	_ = g.totals[i] // a caller that asks for another row panics at once
	row := g.first + int64(i)
	var names [nameCount]string
	for f := range g.names {
		n := &g.names[f]
		if err := n.reach(row + 1); err != nil {
			return nil, columnError(f, err)
		}
		names[f] = n.dict[n.codes[row]]
	}
	return keys.key(names[srcApp], names[destApp], names[vpcID]), nil
}

// nameColumn is a column of names, of which only the first rows are decoded: as many as were needed.
type nameColumn struct {
	column column[int32]
	dict   []string // nil as long as nothing is decoded
	// codes are indexes into dict, a row each.
	codes []uint32
}

// reach decodes rows until there are count of them, a page at a time.
func (n *nameColumn) reach(count int64) error {
	if n.dict == nil {
		dict, err := readDictionary(n.column.pages)
		if err != nil {
			return err
		}
		n.dict = dict
	}
	for int64(len(n.codes)) < count {
		have, err := n.column.load()
		if err != nil {
			return err
		}
		if err := n.add(n.column.take(have)); err != nil {
			return err
		}
	}
	return nil
}

// add appends a page of indexes, each of which must be one of dict.
func (n *nameColumn) add(indexes []int32) error {
	known := uint(len(n.dict))
	at := len(n.codes)
	n.codes = slices.Grow(n.codes, len(indexes))[:at+len(indexes)]
	added := n.codes[at:]
	for i, index := range indexes {
		if uint(index) >= known {
			n.codes = n.codes[:at]
			return fmt.Errorf("a row has the name %d of a dictionary with %d", index, known)
		}
		added[i] = uint32(index)
	}
	return nil
}

// close gives back the memory of the pages, and keeps that of the codes for the next row group. The
// dictionary belongs to the reader of a chunk.
func (n *nameColumn) close() {
	n.column.close()
	n.dict, n.codes = nil, n.codes[:0]
}
