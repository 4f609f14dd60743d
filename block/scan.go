package block

import (
	"sync"
	"sync/atomic"

	"flowd/disk"
	"flowd/flow"
)

// ScanOptions say what OpenScans opens.
type ScanOptions struct {
	// Names are those that chunks must have.
	Names flow.Fields
	// Most is how many scans are of use: as many as goroutines will read beside each other. Less than 1
	// is 1.
	Most int
}

// OpenScans opens the block f below the folder dir for a look at its columns, of which it reads the
// footer alone. Errors are those of Open.
//
// There are at least one scan and at most o.Most. Each of them takes the next row group that none has
// taken whenever it is through with one, so that all end at about the same time: together they have
// each row once, if all of them that were begun are read to their end. Each belongs to one goroutine,
// and holds one row group in memory. The file is open until all are closed, so a block that is removed
// meanwhile is read to its end.
//
// Chunks have Codes and Dicts of o.Names, never Keys. Nothing but them and the byte counts is decoded,
// unless Key asks for more. Damage ends a scan early: Err tells. What was returned before was whole: a
// row group is checked before its first chunk is returned.
func OpenScans(fsys disk.FS, dir string, f File, o ScanOptions) ([]flow.Scan, error) {
	b, err := openBlock(fsys, dir, f)
	if err != nil {
		return nil, err
	}
	scans := make([]flow.Scan, max(1, min(o.Most, len(b.groups))))
	all := &sharedBlock{opened: b}
	all.users.Store(int64(len(scans)))
	for i := range scans {
		scans[i] = &scan{block: all, asked: o.Names, group: scanGroups.Get().(*scanGroup)}
	}
	return scans, nil
}

// sharedBlock is a block that scans read beside each other.
type sharedBlock struct {
	*opened
	// taken is how many row groups were taken.
	taken atomic.Int64
	// users is how many scans are not closed.
	users atomic.Int64
}

// take returns the number of a row group that no other scan gets, or false if none are left.
func (b *sharedBlock) take() (int, bool) {
	i := b.taken.Add(1) - 1
	return int(i), i < int64(len(b.groups))
}

// release ends the use of a scan.
func (b *sharedBlock) release() {
	if b.users.Add(-1) == 0 {
		b.close()
	}
}

// scanGroups are what scans hold that were closed: some megabytes each, which the system would have to
// fill with zeros for each scan anew.
var scanGroups = sync.Pool{New: func() any { return new(scanGroup) }}

// chunkRows is how many rows a chunk has at most. Their totals and codes, and what their reader
// makes of them, are to stay in a processor's own cache.
const chunkRows = 4096

// scan is a cursor over those row groups of a block that it took.
type scan struct {
	block *sharedBlock // nil once closed
	asked flow.Fields
	// open says that there is a row group, and number is which one.
	open   bool
	number int
	group  *scanGroup // nil once closed
	keys   slab
	err    error
}

var _ flow.Scan = (*scan)(nil)

// Next implements flow.Scan.
func (s *scan) Next(c *flow.Chunk) bool {
	for s.err == nil && s.block != nil {
		if !s.open && !s.openGroup() {
			break
		}
		more, err := s.group.next(s.asked)
		if err != nil {
			s.err = s.block.groupDamage(s.number, err)
			break
		}
		if more {
			s.group.show(c, s.asked)
			c.Group = s.number + 1
			return true
		}
		s.closeGroup()
	}
	s.closeGroup()
	return false
}

// openGroup takes a row group, reads it as a whole and checks it. It reports whether there was one
// that is as it should be.
func (s *scan) openGroup() bool {
	i, ok := s.block.take()
	if !ok {
		return false
	}
	s.number = i
	s.open = true
	s.err = s.group.open(s.block.opened, i)
	return s.err == nil
}

func (s *scan) closeGroup() {
	if s.open {
		s.group.close()
		s.open = false
	}
}

// Key implements flow.Scan. The first call in a row group is the one that decodes names that were not
// asked for, up to those of row i.
func (s *scan) Key(i int) flow.Key {
	if s.err != nil {
		return nil
	}
	key, err := s.group.key(i, &s.keys)
	if err != nil {
		s.err = s.block.groupDamage(s.number, err)
		return nil
	}
	return key
}

// Err implements flow.Scan: a *CorruptError or an error of the disk.
func (s *scan) Err() error { return s.err }

// Close implements flow.Scan. The last scan of a block that is closed closes the file.
func (s *scan) Close() {
	if s.block == nil {
		return
	}
	s.closeGroup()
	scanGroups.Put(s.group)
	s.block.release()
	s.group, s.block = nil, nil
}
