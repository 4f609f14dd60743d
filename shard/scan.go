package shard

import "flowd/flow"

// scan reads a snapshot by columns.
type scan struct {
	part   *snapshot
	names  bool // are wanted in every chunk
	ids    [chunkSize]uint32
	totals [chunkSize]flow.Totals
	keys   [chunkSize]flow.Key
}

var _ flow.Scan = (*scan)(nil)

// Next implements flow.Scan. A chunk is what is there of a chunk of the column.
func (s *scan) Next(c *flow.Chunk) bool {
	n := 0
	for n == 0 {
		cells, first := s.part.nextCells()
		if cells == nil {
			return false
		}
		n = s.compact(cells, first)
	}
	*c = flow.Chunk{Totals: s.totals[:n]}
	if s.names {
		for i, id := range s.ids[:n] {
			s.keys[i] = s.part.keys.key(id)
		}
		c.Keys = s.keys[:n]
	}
	return true
}

// compact keeps those of the cells, whose first id is given, that have flows.
func (s *scan) compact(cells *[chunkSize]flow.Totals, first uint32) (n int) {
	for i := range cells {
		t := &cells[i]
		if t.BytesTx|t.BytesRx == 0 && !s.part.zero(first+uint32(i)) {
			continue
		}
		s.ids[n], s.totals[n] = first+uint32(i), *t
		n++
	}
	return n
}

// Key implements flow.Scan.
func (s *scan) Key(i int) flow.Key { return s.part.keys.key(s.ids[i]) }

// Err implements flow.Scan: reading memory does not fail.
func (s *scan) Err() error { return nil }

// Close implements flow.Scan.
func (s *scan) Close() { s.part.close() }

// nextCells returns the cells of the next chunk that is there, which are valid until the next call, and
// their first id; nil at the end. It is for a snapshot that nothing was taken from, and is not mixed
// with read.
func (s *snapshot) nextCells() (cells *[chunkSize]flow.Totals, first uint32) {
	end := uint32(max(len(s.columns[0].chunks), len(s.columns[1].chunks)))
	for c := s.next / chunkSize; c < end; c++ {
		s.next = (c + 1) * chunkSize
		if cells = s.cells(c); cells != nil {
			return cells, c * chunkSize
		}
	}
	return nil, 0
}

// Scans waits for the answer and returns one scan for each shard that has rows, whose chunks have
// names if names is true. It takes the place of Rows.
func (a *Answer) Scans(names bool) (scans []flow.Scan) {
	a.answered.Wait()
	for _, s := range a.parts {
		if s != nil {
			scans = append(scans, &scan{part: s, names: names})
		}
	}
	return scans
}

// Part waits for the answer and returns what Rows says of it: whether there is a block to add.
func (a *Answer) Part() bool {
	a.answered.Wait()
	return a.part
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
