package block

import (
	"hash/crc32"
	"testing"

	"flowd/disk/crashfs"
	"flowd/flow"
)

// FuzzOpen has any bytes be a block whose checksums fit, so that what is behind them is reached: the
// Parquet library, and what it makes of bytes that no writer wrote.
func FuzzOpen(f *testing.F) {
	fsys := crashfs.New()
	for _, o := range []Options{{Hour: 7, Generation: 1}, {Hour: 7, Generation: 2, RowGroup: 4}} {
		file, _ := write(f, fsys, "data", usualRows(10, 7), o)
		f.Add(get(f, fsys, "data/"+file.Name))
	}
	empty, _ := write(f, fsys, "data", nil, Options{Hour: 8})
	f.Add(get(f, fsys, "data/"+empty.Name))
	f.Add([]byte("PAR1PAR1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		const most = 64 << 10
		if len(data) > most {
			return
		}
		name := FileName(7, 1)
		fsys := crashfs.New()
		put(t, fsys, "data/"+name, data)
		footer, _ := footerChecksum(data)
		for _, rows := range []uint64{0, 10} {
			file := File{Name: name, Size: int64(len(data)), Footer: footer, Rows: rows}
			if err := readTrusting(fsys, file, data); err != nil && !isCorrupt(err, name) {
				t.Fatalf("%T: %v", err, err)
			}
			for names := flow.Fields(0); names <= flow.AllFields; names++ {
				if err := scanTrusting(fsys, file, data, names); err != nil && !isCorrupt(err, name) {
					t.Fatalf("scanning %b: %T: %v", names, err, err)
				}
			}
		}
	})
}

// scanTrusting is readTrusting for scans, which look at each name of each row.
func scanTrusting(fsys *crashfs.FS, file File, data []byte, names flow.Fields) error {
	scans, err := OpenScans(fsys, "data", file, ScanOptions{Names: names, Most: 2})
	if err != nil {
		return err
	}
	defer closeAll(scans)
	trust(scans[0].(*scan).block.opened, data)
	_, _, err = readScans(scans, names, true)
	return err
}

// readTrusting reads a block by rows, as if its row groups had the checksums of what they hold.
func readTrusting(fsys *crashfs.FS, file File, data []byte) error {
	r, err := Open(fsys, "data", file)
	if err != nil {
		return err
	}
	defer r.Close()
	trust(r.opened, data)
	dst := make([]flow.Row, 7)
	for n := r.Next(dst); n > 0; n = r.Next(dst) {
		for _, row := range dst[:n] {
			row.Key.Names()
		}
	}
	return r.Err()
}

// trust gives the row groups of a block the checksums of what they hold.
func trust(b *opened, data []byte) {
	for i := range b.sections {
		s := &b.sections[i]
		s.CRC = crc32.Checksum(data[s.From:s.From+s.Length], castagnoli)
	}
}
