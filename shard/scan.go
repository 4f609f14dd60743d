package shard

import "flowd/flow"

// scan reads a snapshot by columns.
type scan struct {
	snapshot *snapshot
	names    flow.Fields // that are wanted in every chunk
	begun    bool
	keys     bool // are the form of the chunks; if not, codes are, of each of the names
	by       [flow.FieldCount]codes

	// the last chunk: its rows are the tuples from first on if it is full, else those in ids
	full  bool
	first uint32
	rows  struct {
		ids    [chunkSize]uint32
		totals [chunkSize]flow.Totals
		keys   [chunkSize]flow.Key
		codes  [flow.FieldCount][chunkSize]uint32
	}
}

var _ flow.Scan = (*scan)(nil)

// Next implements flow.Scan. A chunk is what is there of a chunk of the column.
func (s *scan) Next(c *flow.Chunk) bool {
	if !s.begun {
		s.begin()
	}
	for {
		cells, first := s.snapshot.nextCells()
		if cells == nil {
			s.snapshot.release() // at once: the others of the hour may go on for a while
			return false
		}
		s.first, s.full = first, s.snapshot.full(cells, first)
		if s.full {
			s.show(c, cells[:])
			return true
		}
		if n := s.compact(cells); n > 0 {
			s.show(c, s.rows.totals[:n])
			return true
		}
	}
}

// begin decides on the form of the chunks. It does so in the first Next, so that those who read the scans
// beside each other number names beside each other.
func (s *scan) begin() {
	s.begun = true
	s.keys = s.names == flow.AllFields || s.names != 0 && s.snapshot.isSparse()
	for f := range flow.FieldCount {
		if s.names.Has(f) && !s.keys {
			by, ok := s.snapshot.numbered(f)
			s.by[f], s.keys = by, !ok
		}
	}
}

// compact keeps those of the cells that have flows.
func (s *scan) compact(cells *[chunkSize]flow.Totals) (n int) {
	for i := range cells {
		t, id := &cells[i], s.first+uint32(i)
		if t.BytesTx|t.BytesRx == 0 && !s.snapshot.zero(id) {
			continue
		}
		s.rows.ids[n], s.rows.totals[n] = id, *t
		n++
	}
	return n
}

// id returns the tuple of row i of the last chunk.
func (s *scan) id(i int) uint32 {
	if s.full {
		return s.first + uint32(i)
	}
	return s.rows.ids[i]
}

// show makes c the chunk with totals, which are those of the last one.
func (s *scan) show(c *flow.Chunk, totals []flow.Totals) {
	*c = flow.Chunk{Totals: totals}
	if s.keys {
		c.Keys = s.rows.keys[:len(totals)]
		for i := range c.Keys {
			c.Keys[i] = s.snapshot.keys.key(s.id(i))
		}
		return
	}
	for f := range s.by {
		if !s.names.Has(flow.Field(f)) {
			continue
		}
		c.Group, c.Dicts[f] = 1, s.by[f].names
		of := s.by[f].chunks[s.first/chunkSize]
		if s.full {
			c.Codes[f] = of[:]
			continue
		}
		c.Codes[f] = s.rows.codes[f][:len(totals)]
		for i, id := range s.rows.ids[:len(totals)] {
			c.Codes[f][i] = of[id%chunkSize]
		}
	}
}

// Key implements flow.Scan.
func (s *scan) Key(i int) flow.Key { return s.snapshot.keys.key(s.id(i)) }

// Err implements flow.Scan: reading memory does not fail.
func (s *scan) Err() error { return nil }

// Close implements flow.Scan.
func (s *scan) Close() { s.snapshot.close() }

// nextCells returns the cells of the next chunk that is there, which are valid until the next call, and
// their first id; nil at the end. It is for a snapshot that nothing was taken from, and is not mixed
// with read.
func (s *snapshot) nextCells() (cells *[chunkSize]flow.Totals, first uint32) {
	end := s.chunks()
	for c := s.next / chunkSize; c < end; c++ {
		s.next = (c + 1) * chunkSize
		if cells = s.cells(c); cells != nil {
			return cells, c * chunkSize
		}
	}
	return nil, 0
}

// full reports whether all of the cells, whose first id is given, have flows.
func (s *snapshot) full(cells *[chunkSize]flow.Totals, first uint32) bool {
	for i := range cells {
		if t := &cells[i]; t.BytesTx|t.BytesRx == 0 && !s.zero(first+uint32(i)) {
			return false
		}
	}
	return true
}

// Columns waits for the answer and returns one scan for each shard that has rows, whose chunks have the
// names that are wanted. It takes the place of Rows.
func (a *Answer) Columns(names flow.Fields) (scans []flow.Scan) {
	a.answered.Wait()
	for _, s := range a.parts {
		if s != nil {
			scans = append(scans, &scan{snapshot: s, names: names})
		}
	}
	return scans
}

// Partial waits for the answer and reports whether the hour's block on disk is to be added to its rows.
func (a *Answer) Partial() bool {
	a.answered.Wait()
	return a.partial
}

// Empty waits for the answer and reports whether memory has no rows of the hour. Then nothing has to
// be closed either.
func (a *Answer) Empty() bool {
	a.answered.Wait()
	for _, s := range a.parts {
		if s != nil {
			return false
		}
	}
	return true
}
