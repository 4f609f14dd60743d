package block

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"testing"

	"go.uber.org/goleak"

	"flowd/disk"
	"flowd/flow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// failer is what testing.T, testing.B and rapid.T have in common.
type failer interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// listRows is a cursor over rows in memory, which ends with err.
type listRows struct {
	rows   []flow.Row
	err    error
	closed bool
}

func (l *listRows) Next(dst []flow.Row) int {
	n := copy(dst, l.rows)
	l.rows = l.rows[n:]
	return n
}

func (l *listRows) Err() error { return l.err }
func (l *listRows) Close()     { l.closed = true }

// row returns a row of the hour.
func row(hour flow.Hour, src, dest, vpc string, tx, rx uint64) flow.Row {
	return flow.Row{Key: flow.AppendKey(nil, src, dest, vpc), Totals: flow.Totals{BytesTx: tx, BytesRx: rx}, Hour: hour}
}

// write writes rows as a block of their hour and generation 1.
func write(t failer, fsys disk.FS, dir string, rows []flow.Row, o Options) (File, Sums) {
	t.Helper()
	if o.Generation == 0 {
		o.Generation = 1
	}
	f, sums, err := Write(fsys, dir, &listRows{rows: rows}, o)
	if err != nil {
		t.Fatal(err)
	}
	return f, sums
}

// readAll reads a block, taking count rows at a time.
func readAll(fsys disk.FS, dir string, f File, count int) ([]flow.Row, error) {
	rows, err := Open(fsys, dir, f)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []flow.Row
	dst := make([]flow.Row, count)
	for n := rows.Next(dst); n > 0; n = rows.Next(dst) {
		all = append(all, dst[:n]...)
	}
	return all, rows.Err()
}

// mustRead reads a block that is whole.
func mustRead(t failer, fsys disk.FS, dir string, f File) []flow.Row {
	t.Helper()
	rows, err := readAll(fsys, dir, f, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// difference says where two lists of rows differ first, or nothing.
func difference(want, got []flow.Row) string {
	for i := range min(len(want), len(got)) {
		if w, g := want[i], got[i]; !bytes.Equal(w.Key, g.Key) || w.Totals != g.Totals || w.Hour != g.Hour {
			return fmt.Sprintf("row %d is %q %v of hour %d, not %q %v of hour %d",
				i, g.Key, g.Totals, g.Hour, w.Key, w.Totals, w.Hour)
		}
	}
	if len(want) != len(got) {
		return fmt.Sprintf("%d rows, not %d", len(got), len(want))
	}
	return ""
}

// put makes a file of these bytes, in the place of one that is there.
func put(t failer, fsys disk.FS, name string, data []byte) {
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
	if len(data) > 0 {
		if _, err := file.WriteAt(data, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// get returns the bytes of a file.
func get(t failer, fsys disk.FS, name string) []byte {
	t.Helper()
	file, err := fsys.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	size, err := file.Size()
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(file, 0, size), data); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return data
}

// isCorrupt reports whether err is a *CorruptError of the file name.
func isCorrupt(err error, name string) bool {
	var corrupt *CorruptError
	return errors.As(err, &corrupt) && corrupt.Name == name
}

// flipped returns data with one bit of the byte at changed.
func flipped(data []byte, at int) []byte {
	out := bytes.Clone(data)
	out[at] ^= 1 << (at % 8)
	return out
}
