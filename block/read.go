package block

import (
	"fmt"
	"hash/crc32"
	"io"
	"path"

	"github.com/parquet-go/parquet-go"

	"flowd/disk"
	"flowd/flow"
)

// Rows is a cursor over the rows of a block, in the order in which they were written. It holds one row
// group in memory, and keeps the file open, so a block that is removed meanwhile is read to its end.
type Rows struct {
	file     disk.File
	name     string
	hour     flow.Hour
	groups   []*parquet.FileRowGroup
	sections []section
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
	hour, _, err := f.Hour()
	if err != nil {
		return nil, err
	}
	file, err := openSized(fsys, dir, f.Name, f.Size)
	if err != nil {
		return nil, err
	}
	r := &Rows{file: file, name: f.Name, hour: hour}
	if err := r.readFooter(f); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// openSized opens a file that must have size bytes.
func openSized(fsys disk.FS, dir, name string, size int64) (disk.File, error) {
	file, err := fsys.Open(path.Join(dir, name))
	if err != nil {
		return nil, fmt.Errorf("block: open %s: %w", name, err)
	}
	found, err := file.Size()
	if err == nil && found != size {
		err = &CorruptError{name, -1, fmt.Sprintf("it has %d bytes, and the manifest says %d", found, size)}
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// readFooter reads what the file says of itself, and compares it with f.
func (r *Rows) readFooter(f File) error {
	tail, from, err := r.readTail(f)
	if err != nil {
		return err
	}
	var parsed *parquet.File
	err = guard(func() (err error) {
		parsed, err = parquet.OpenFile(tailReader{tail, from}, f.Size, parquet.SkipMagicBytes(true),
			parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
		return err
	})
	if err == nil {
		err = checkColumns(parsed)
	}
	if err != nil {
		return r.damage(from, "footer: %v", err)
	}
	text, _ := parsed.Lookup(sectionsKey)
	if r.sections, err = parseSections(text, f.Size); err != nil {
		return r.damage(from, "footer: %v", err)
	}
	rows := uint64(0)
	for _, g := range parsed.RowGroups() {
		r.groups = append(r.groups, g.(*parquet.FileRowGroup))
		rows += uint64(g.NumRows())
	}
	if len(r.groups) != len(r.sections) {
		return r.damage(from, "footer: %d row groups and %d checksums for them", len(r.groups), len(r.sections))
	}
	if rows != f.Rows {
		return r.damage(from, "footer: the row groups have %d rows, and the manifest says %d", rows, f.Rows)
	}
	return nil
}

// readTail returns footer and trailer, after having compared their checksum, and where they begin.
func (r *Rows) readTail(f File) (tail []byte, from int64, err error) {
	var last [trailer]byte
	if f.Size < int64(len(last)+len(magic)) {
		return nil, 0, r.damage(0, "it has %d bytes, which is too few for a block", f.Size)
	}
	if err := r.readAt(last[:], f.Size-trailer); err != nil {
		return nil, 0, err
	}
	length, err := footerLength(last[:], f.Size)
	if err != nil {
		return nil, 0, r.damage(f.Size-trailer, "%v", err)
	}
	from = f.Size - trailer - length
	tail = make([]byte, length+trailer)
	if err := r.readAt(tail, from); err != nil {
		return nil, 0, err
	}
	if crc := crc32.Checksum(tail, castagnoli); crc != f.Footer {
		return nil, 0, r.damage(from, "the footer has checksum %08x, and the manifest says %08x", crc, f.Footer)
	}
	return tail, from, nil
}

func (r *Rows) readAt(p []byte, at int64) error {
	if _, err := r.file.ReadAt(p, at); err != nil && err != io.EOF {
		return fmt.Errorf("block: read %s at byte %d: %w", r.name, at, err)
	}
	return nil
}

func (r *Rows) damage(at int64, format string, values ...any) error {
	return &CorruptError{r.name, at, fmt.Sprintf(format, values...)}
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
			if r.err = r.open(r.next); r.err != nil {
				break
			}
			r.next++
		}
		filled, err := r.group.fill(dst[n:], r.hour, &r.keys)
		if err != nil {
			r.err = r.damage(r.sections[r.next-1].From, "row group %d: %v", r.next-1, err)
		}
		n += filled
		if filled == 0 {
			r.group.close()
			r.group = nil
		}
	}
	return n
}

// open reads the row group i as a whole, and checks it.
func (r *Rows) open(i int) error {
	s := r.sections[i]
	if int64(cap(r.buf)) < s.Length {
		r.buf = make([]byte, s.Length)
	}
	data := r.buf[:s.Length]
	if err := r.readAt(data, s.From); err != nil {
		return err
	}
	if crc := crc32.Checksum(data, castagnoli); crc != s.CRC {
		return r.damage(s.From, "row group %d has checksum %08x, and the footer says %08x", i, crc, s.CRC)
	}
	g, err := openGroup(r.groups[i], tailReader{data, s.From})
	if err != nil {
		return r.damage(s.From, "row group %d: %v", i, err)
	}
	r.group = g
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
	if r.file != nil {
		// Nothing was written, so there is nothing that an error could have lost.
		_ = r.file.Close()
		r.file = nil
	}
}

// tailReader is a part of a file in memory, from the byte from on, read by places in the file.
type tailReader struct {
	data []byte
	from int64
}

func (t tailReader) ReadAt(p []byte, at int64) (int, error) {
	if at < t.from || at-t.from > int64(len(t.data)) {
		return 0, fmt.Errorf("byte %d is outside of bytes %d to %d", at, t.from, t.from+int64(len(t.data)))
	}
	n := copy(p, t.data[at-t.from:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// guard calls f, a call of the Parquet library, which panics on some bytes that no writer writes.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("not readable as Parquet: %v", p)
		}
	}()
	return f()
}
