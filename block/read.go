package block

import (
	"flowd/disk"
	"flowd/flow"
)

// Rows is a cursor over the rows of a block, in the order in which they were written. It holds one row
// group in memory, and keeps the file open, so a block that is removed meanwhile is read to its end.
type Rows struct {
	*opened
	closed bool
	// next is the number of the row group that comes after group.
	next  int
	group *group
	buf   []byte
	keys  slab
	err   error
}

var _ flow.Rows = (*Rows)(nil)

// Open opens the block f below the folder dir, of which it reads the footer alone. A file that is not
// there is fs.ErrNotExist; one whose size or footer is not what f says is a *CorruptError.
func Open(fsys disk.FS, dir string, f File) (*Rows, error) {
	b, err := openBlock(fsys, dir, f)
	if err != nil {
		return nil, err
	}
	return &Rows{opened: b}, nil
}

// Next fills dst as flow.Rows says. Damage ends the rows early: Err tells. What was returned before was
// whole: a row group is checked before its first row is returned.
func (r *Rows) Next(dst []flow.Row) int {
	n := 0
	for n < len(dst) && r.err == nil {
		if r.group == nil {
			if r.next == len(r.groups) {
				break
			}
			if r.err = r.openGroup(r.next); r.err != nil {
				break
			}
			r.next++
		}
		filled, err := r.group.fill(dst[n:], r.hour, &r.keys)
		if err != nil {
			r.err = r.groupDamage(r.next-1, err)
		}
		n += filled
		if filled == 0 {
			r.group.close()
			r.group = nil
		}
	}
	return n
}

// openGroup reads the row group i as a whole, and checks it.
func (r *Rows) openGroup(i int) error {
	data, err := r.readGroup(i, r.buf)
	if err != nil {
		return err
	}
	r.buf = data
	if r.group, err = openGroup(r.groups[i], tailReader{data, r.sections[i].From}); err != nil {
		return r.groupDamage(i, err)
	}
	return nil
}

// Err returns why the rows ended early: a *CorruptError or an error of the disk; nil if they did not,
// or have not yet.
func (r *Rows) Err() error { return r.err }

// Close closes the file. No more rows come after it.
func (r *Rows) Close() {
	if r.group != nil {
		r.group.close()
		r.group = nil
	}
	r.next = len(r.groups)
	if !r.closed {
		r.close()
		r.closed = true
	}
}
