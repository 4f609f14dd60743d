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

// opened is a block whose file is open, and what its footer says. It does not change, so goroutines
// may read beside each other.
type opened struct {
	file     disk.File
	name     string
	hour     flow.Hour
	groups   []*parquet.FileRowGroup
	sections []section
}

// openBlock opens the block f below the folder dir, and reads its footer alone.
func openBlock(fsys disk.FS, dir string, f File) (*opened, error) {
	hour, _, err := f.Hour()
	if err != nil {
		return nil, err
	}
	file, err := openSized(fsys, dir, f.Name, f.Size)
	if err != nil {
		return nil, err
	}
	b := &opened{file: file, name: f.Name, hour: hour}
	if err := b.readFooter(f); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

// close closes the file.
func (b *opened) close() {
	// Nothing was written, so there is nothing that an error could have lost.
	_ = b.file.Close()
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
func (b *opened) readFooter(f File) error {
	tail, from, err := b.readTail(f)
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
		return b.damage(from, "footer: %v", err)
	}
	text, _ := parsed.Lookup(sectionsKey)
	if b.sections, err = parseSections(text, f.Size); err != nil {
		return b.damage(from, "footer: %v", err)
	}
	rows := uint64(0)
	for i, g := range parsed.RowGroups() {
		if g.NumRows() < 0 {
			return b.damage(from, "footer: row group %d has %d rows", i, g.NumRows())
		}
		b.groups = append(b.groups, g.(*parquet.FileRowGroup))
		rows += uint64(g.NumRows())
	}
	if len(b.groups) != len(b.sections) {
		return b.damage(from, "footer: %d row groups and %d checksums for them", len(b.groups), len(b.sections))
	}
	if rows != f.Rows {
		return b.damage(from, "footer: the row groups have %d rows, and the manifest says %d", rows, f.Rows)
	}
	return nil
}

// readTail returns footer and trailer, after having compared their checksum, and where they begin.
func (b *opened) readTail(f File) (tail []byte, from int64, err error) {
	var last [trailer]byte
	if f.Size < int64(len(last)+len(magic)) {
		return nil, 0, b.damage(0, "it has %d bytes, which is too few for a block", f.Size)
	}
	if err := b.readAt(last[:], f.Size-trailer); err != nil {
		return nil, 0, err
	}
	length, err := footerLength(last[:], f.Size)
	if err != nil {
		return nil, 0, b.damage(f.Size-trailer, "%v", err)
	}
	from = f.Size - trailer - length
	tail = make([]byte, length+trailer)
	if err := b.readAt(tail, from); err != nil {
		return nil, 0, err
	}
	if crc := crc32.Checksum(tail, castagnoli); crc != f.Footer {
		return nil, 0, b.damage(from, "the footer has checksum %08x, and the manifest says %08x", crc, f.Footer)
	}
	return tail, from, nil
}

func (b *opened) readAt(p []byte, at int64) error {
	if _, err := b.file.ReadAt(p, at); err != nil && err != io.EOF {
		return fmt.Errorf("block: read %s at byte %d: %w", b.name, at, err)
	}
	return nil
}

func (b *opened) damage(at int64, format string, values ...any) error {
	return &CorruptError{b.name, at, fmt.Sprintf(format, values...)}
}

// readGroup returns the bytes of row group i, in buf if there is room, after having compared their
// checksum.
func (b *opened) readGroup(i int, buf []byte) ([]byte, error) {
	s := b.sections[i]
	if int64(cap(buf)) < s.Length {
		buf = make([]byte, s.Length)
	}
	data := buf[:s.Length]
	if err := b.readAt(data, s.From); err != nil {
		return nil, err
	}
	if crc := crc32.Checksum(data, castagnoli); crc != s.CRC {
		return nil, b.damage(s.From, "row group %d has checksum %08x, and the footer says %08x", i, crc, s.CRC)
	}
	return data, nil
}

// groupDamage is damage of row group i.
func (b *opened) groupDamage(i int, err error) error {
	return b.damage(b.sections[i].From, "row group %d: %v", i, err)
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
