package manifest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"testing"

	"go.uber.org/goleak"

	"flowd/block"
	"flowd/disk"
	"flowd/flow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listRows is a cursor over rows in memory.
type listRows struct{ rows []flow.Row }

func (l *listRows) Next(dst []flow.Row) int {
	n := copy(dst, l.rows)
	l.rows = l.rows[n:]
	return n
}

func (l *listRows) Err() error { return nil }
func (l *listRows) Close()     {}

// readAll reads the rows of a block.
func readAll(fsys disk.FS, f block.File) ([]flow.Row, error) {
	rows, err := block.Open(fsys, "data", f)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := make([]flow.Row, 0, f.Rows)
	dst := make([]flow.Row, 2)
	for n := rows.Next(dst); n > 0; n = rows.Next(dst) {
		all = append(all, dst[:n]...)
	}
	return all, rows.Err()
}

// put makes a file of these bytes, in the place of one that is there.
func put(t *testing.T, fsys disk.FS, name string, data []byte) {
	t.Helper()
	if err := fsys.MkdirAll(path.Dir(name)); err != nil {
		t.Fatal(err)
	}
	if err := fsys.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	file, err := fsys.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt(data, 0); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// get returns the bytes of a file.
func get(t *testing.T, fsys disk.FS, name string) []byte {
	t.Helper()
	file, err := fsys.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	size, err := file.Size()
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(io.NewSectionReader(file, 0, size))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// isCorrupt reports whether err says that the file name is damaged.
func isCorrupt(err error, name string) bool {
	var corrupt *block.CorruptError
	return errors.As(err, &corrupt) && corrupt.Name == name
}

// flipped returns data with one bit of the byte at changed.
func flipped(data []byte, at int) []byte {
	out := bytes.Clone(data)
	out[at] ^= 1 << (at % 8)
	return out
}
