package block

import (
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

	"flowd/flow"
)

// group reads a row group, column by column, in step.
type group struct {
	dicts  [nameCount][]string
	names  [nameCount]column[int32]
	counts [columnCount - nameCount]column[uint64]
	// left is how many rows are still to come.
	left int64
}

// checkColumns says what is wrong with the columns of a file.
func checkColumns(f *parquet.File) error {
	if want, got := schema.Columns(), f.Schema().Columns(); len(want) != len(got) {
		return fmt.Errorf("columns %v, not %v", got, want)
	}
	for i, want := range schema.Fields() {
		got := f.Root().Columns()[i]
		if got.Name() != want.Name() || !got.Leaf() || !got.Required() || got.Type().String() != want.Type().String() {
			return fmt.Errorf("column %d is %s of type %v, not %s of type %v",
				i, got.Name(), got.Type(), want.Name(), want.Type())
		}
	}
	return nil
}

// openColumns begins to read the columns of rg, all of whose bytes are in data.
func openColumns(rg *parquet.FileRowGroup, data io.ReaderAt) (pages [columnCount]*parquet.FilePages, err error) {
	chunks := rg.ColumnChunks()
	if len(chunks) != columnCount {
		return pages, fmt.Errorf("%d columns, not %d", len(chunks), columnCount)
	}
	err = guard(func() error {
		for i, chunk := range chunks {
			pages[i] = chunk.(*parquet.FileColumnChunk).PagesFrom(data)
		}
		return nil
	})
	return pages, err
}

// openGroup begins to read rg, all of whose bytes are in data.
func openGroup(rg *parquet.FileRowGroup, data io.ReaderAt) (*group, error) {
	pages, err := openColumns(rg, data)
	if err != nil {
		return nil, err
	}
	g := &group{left: rg.NumRows()}
	for i := range g.counts {
		g.counts[i] = column[uint64]{pages: pages[nameCount+i], valuesOf: countsOf}
	}
	for i := range g.names {
		g.names[i] = column[int32]{pages: pages[i], valuesOf: indexesOf}
	}
	for i := range g.names {
		if g.dicts[i], err = readDictionary(pages[i]); err != nil {
			g.close()
			return nil, columnError(i, err)
		}
	}
	return g, nil
}

func columnError(i int, err error) error {
	return fmt.Errorf("column %s: %w", schema.Columns()[i][0], err)
}

// close gives back the memory of the pages.
func (g *group) close() {
	for i := range g.names {
		g.names[i].close()
	}
	for i := range g.counts {
		g.counts[i].close()
	}
}

// fill fills dst from its start, as far as the pages at hand go, and returns how many rows those were:
// none at the end.
func (g *group) fill(dst []flow.Row, hour flow.Hour, keys *slab) (int, error) {
	n := int(min(int64(len(dst)), g.left))
	if n == 0 {
		return 0, nil
	}
	for i := range g.names {
		have, err := g.names[i].load()
		if err != nil {
			return 0, columnError(i, err)
		}
		n = min(n, have)
	}
	for i := range g.counts {
		have, err := g.counts[i].load()
		if err != nil {
			return 0, columnError(nameCount+i, err)
		}
		n = min(n, have)
	}
	if err := g.rows(dst[:n], hour, keys); err != nil {
		return 0, err
	}
	g.left -= int64(n)
	return n, nil
}

// rows fills all of dst; every column has as many values at hand.
func (g *group) rows(dst []flow.Row, hour flow.Hour, keys *slab) error {
	n := len(dst)
	srcs, dests, vpcs := g.names[srcApp].take(n), g.names[destApp].take(n), g.names[vpcID].take(n)
	tx, rx := g.counts[bytesTx-nameCount].take(n), g.counts[bytesRx-nameCount].take(n)
	srcDict, destDict, vpcDict := g.dicts[srcApp], g.dicts[destApp], g.dicts[vpcID]
	for i := range dst {
		s, d, v := uint(srcs[i]), uint(dests[i]), uint(vpcs[i])
		if s >= uint(len(srcDict)) || d >= uint(len(destDict)) || v >= uint(len(vpcDict)) {
			return fmt.Errorf("a row has the names %d, %d and %d of dictionaries with %d, %d and %d",
				srcs[i], dests[i], vpcs[i], len(srcDict), len(destDict), len(vpcDict))
		}
		dst[i] = flow.Row{
			Key:    keys.key(srcDict[s], destDict[d], vpcDict[v]),
			Totals: flow.Totals{BytesTx: tx[i], BytesRx: rx[i]},
			Hour:   hour,
		}
	}
	return nil
}

// slab is memory for keys. It is never used twice, since a reader may keep the key of a row.
type slab struct{ free []byte }

// slabSize is what a key that is kept keeps alive at most.
const slabSize = 64 << 10

func (s *slab) key(srcApp, destApp, vpcID string) flow.Key {
	if cap(s.free) < 3+len(srcApp)+len(destApp)+len(vpcID) {
		s.free = make([]byte, 0, slabSize)
	}
	key := flow.AppendKey(s.free, srcApp, destApp, vpcID)
	s.free = key[len(key):]
	return key[:len(key):len(key)]
}
