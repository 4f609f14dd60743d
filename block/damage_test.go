package block

import (
	"errors"
	"io"
	"iter"
	"math"
	"strings"
	"testing"

	"flowd/disk/crashfs"
	"flowd/flow"
)

// smallBlock is a block of several row groups that a test can damage in every byte.
func smallBlock(t *testing.T) (*crashfs.FS, File, []flow.Row) {
	t.Helper()
	fsys := crashfs.New()
	rows := usualRows(14, 7)
	f, _ := write(t, fsys, "data", rows, Options{Hour: 7, RowGroup: 6})
	return fsys, f, rows
}

// TestEveryFlippedByteOfABlockIsFound flips a bit of each byte. A reader finds all but those in the
// indexes between row groups and footer, which it does not use; and what it returned before it found
// one is right.
func TestEveryFlippedByteOfABlockIsFound(t *testing.T) {
	fsys, f, rows := smallBlock(t)
	name := "data/" + f.Name
	data := get(t, fsys, name)
	unseen := 0
	for at := range data {
		put(t, fsys, name, flipped(data, at))
		if err := Verify(fsys, "data", f); !isCorrupt(err, f.Name) {
			t.Fatalf("byte %d: Verify says %v", at, err)
		}
		got, err := readAll(fsys, "data", f, 7)
		if len(got) > len(rows) || difference(rows[:len(got)], got) != "" {
			t.Fatalf("byte %d: %s", at, difference(rows, got))
		}
		switch {
		case err == nil && len(got) == len(rows):
			unseen++
		case !isCorrupt(err, f.Name):
			t.Fatalf("byte %d: %d rows, and %v", at, len(got), err)
		}
	}
	from, to := unseenBytes(t, fsys, f, data)
	if unseen != to-from {
		t.Errorf("reading did not see %d flipped bytes, and the indexes have %d", unseen, to-from)
	}
}

// someBytes are the bytes that a scan is tried with, of so many, as each takes it a millisecond: in each
// case others, one in some, and all of them where more crashes are asked for as well.
func someBytes(t *testing.T, of, inCase int) iter.Seq[int] {
	step := 4
	if crashfs.Seeds(t, 1) > 1 {
		step = 1
	}
	return func(yield func(int) bool) {
		for at := inCase % step; at < of && yield(at); at += step {
		}
	}
}

// unseenBytes is where the bytes between the last row group and the footer begin and end.
func unseenBytes(t *testing.T, fsys *crashfs.FS, f File, data []byte) (from, to int) {
	t.Helper()
	put(t, fsys, "data/"+f.Name, data)
	r, err := Open(fsys, "data", f)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	length, err := footerLength(data[len(data)-trailer:], f.Size)
	if err != nil {
		t.Fatal(err)
	}
	last := r.sections[len(r.sections)-1]
	return int(last.From + last.Length), int(f.Size - trailer - length)
}

// TestEveryFlippedByteOfABlockIsFoundByScans flips bits of all parts of a block, of columns that are looked at
// and of those that are not: a scan finds what Rows finds.
func TestEveryFlippedByteOfABlockIsFoundByScans(t *testing.T) {
	fsys, f, rows := smallBlock(t)
	name := "data/" + f.Name
	data := get(t, fsys, name)
	from, to := unseenBytes(t, fsys, f, data)
	for i, c := range []struct {
		options ScanOptions
		keys    bool
	}{
		{ScanOptions{}, false},
		{ScanOptions{Names: flow.Fields(0).With(flow.DestApp), Most: 2}, true},
		{ScanOptions{Names: flow.AllFields, Most: 8}, false},
	} {
		for at := range someBytes(t, len(data), i) {
			put(t, fsys, name, flipped(data, at))
			got, whole, err := scanAll(fsys, f, c.options, c.keys)
			checkPart(t, masked(rows, c.options.Names), masked(got, c.options.Names))
			checkPart(t, rows, whole)
			if at >= from && at < to {
				if err != nil || len(got) != len(rows) {
					t.Fatalf("byte %d, of the indexes: %d rows, and %v", at, len(got), err)
				}
			} else if !isCorrupt(err, f.Name) {
				t.Fatalf("byte %d: %d rows, and %v", at, len(got), err)
			}
		}
	}
}

// scanAll opens the scans of a block, and reads them.
func scanAll(fsys *crashfs.FS, f File, o ScanOptions, keys bool) (rows, whole []flow.Row, err error) {
	scans, err := OpenScans(fsys, "data", f, o)
	if err != nil {
		return nil, nil, err
	}
	defer closeAll(scans)
	return readScans(scans, o.Names, keys)
}

// TestDamageBehindChecksums flips bits of row groups whose checksums are as if that were right, so that
// the columns themselves are what does not fit. Some of it cannot be noticed then; what is, ends the
// scan as damage, where Key noticed it as well as where Next did.
func TestDamageBehindChecksums(t *testing.T) {
	fsys, f, _ := smallBlock(t)
	name := "data/" + f.Name
	data := get(t, fsys, name)
	for i, names := range []flow.Fields{0, flow.AllFields} {
		byKey, noticed := names == 0, 0
		for at := range someBytes(t, len(data), i) {
			broken := flipped(data, at)
			put(t, fsys, name, broken)
			scans, err := OpenScans(fsys, "data", f, ScanOptions{Names: names})
			if err != nil {
				continue // the footer, which has its checksum in the manifest
			}
			trust(scans[0].(*scan).block.opened, broken)
			rows, whole, err := readScans(scans, names, byKey)
			closeAll(scans)
			if err != nil && !isCorrupt(err, f.Name) {
				t.Fatalf("byte %d: %v", at, err)
			}
			if byKey && len(whole) < len(rows) || !byKey && len(rows) < int(f.Rows) {
				noticed++
				if err == nil {
					t.Fatalf("byte %d: %d rows and %d keys of %d, and no error", at, len(rows), len(whole), f.Rows)
				}
			}
		}
		if noticed == 0 {
			t.Error("nothing was noticed")
		}
	}
}

// TestIndexesOutsideOfADictionary has pages that name what is not there.
func TestIndexesOutsideOfADictionary(t *testing.T) {
	for _, bad := range []int32{3, -1, math.MaxInt32, math.MinInt32} {
		n := nameColumn{dict: []string{"a", "b", "c"}}
		if err := n.add([]int32{0, 2}); err != nil {
			t.Fatal(err)
		}
		if err := n.add([]int32{1, bad}); err == nil || len(n.codes) != 2 {
			t.Errorf("index %d of 3 names: %v, and %d codes", bad, err, len(n.codes))
		}
	}
}

func TestABlockCutShortIsFound(t *testing.T) {
	fsys, f, _ := smallBlock(t)
	name := "data/" + f.Name
	data := get(t, fsys, name)
	for length := range data {
		put(t, fsys, name, data[:length])
		if err := Verify(fsys, "data", f); !isCorrupt(err, f.Name) {
			t.Fatalf("%d bytes of %d: Verify says %v", length, len(data), err)
		}
		if _, err := readAll(fsys, "data", f, 7); !isCorrupt(err, f.Name) {
			t.Fatalf("%d bytes of %d: reading says %v", length, len(data), err)
		}
		shorter := f
		shorter.Size = int64(length)
		if _, err := readAll(fsys, "data", shorter, 7); !isCorrupt(err, f.Name) {
			t.Fatalf("%d bytes, as the manifest says: reading says %v", length, err)
		}
	}
}

// TestDamageIsNamed has what an operator is told: the two values that disagree, and where.
func TestDamageIsNamed(t *testing.T) {
	fsys, f, _ := smallBlock(t)
	name := "data/" + f.Name
	data := get(t, fsys, name)
	for want, c := range map[string]struct {
		data []byte
		file func(*File)
	}{
		"it has 99 bytes, and the manifest says ":       {data: data[:99]},
		"at byte 0: row group 0 has checksum ":          {data: flipped(data, 50)},
		"the footer has checksum ":                      {data: flipped(data, len(data)-20)},
		`the last bytes are "PARq", not "PAR1"`:         {data: append(data[:len(data)-1:len(data)-1], 'q')},
		"the footer has 4294967295 bytes, and there is": {data: append(data[:len(data)-8:len(data)-8], "\xff\xff\xff\xffPAR1"...)},
		"have 14 rows, and the manifest says 15":        {data: data, file: func(f *File) { f.Rows++ }},
		"it has 3 bytes, which is too few":              {data: data[:3], file: func(f *File) { f.Size = 3 }},
	} {
		put(t, fsys, name, c.data)
		file := f
		if c.file != nil {
			c.file(&file)
		}
		_, err := readAll(fsys, "data", file, 100)
		if !isCorrupt(err, f.Name) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, without %q", err, want)
		}
	}
}

func TestABlockThatIsNoneIsRefused(t *testing.T) {
	for _, name := range []string{
		"", "x", "hours/hour=7/1.parquet", "hours/hour=07/00000001.parquet", "hours/hour=-1/00000001.parquet",
		"hours/hour=2147483648/00000001.parquet", "hours/hour=7/00000001.csv", "hours/hour=7/+0000001.parquet",
		"../hours/hour=7/00000001.parquet", "hour=7/00000001.parquet", "hours/hour=7/../00000001.parquet",
	} {
		if _, err := Open(crashfs.New(), "data", File{Name: name}); err == nil || !strings.Contains(err.Error(), "not the name") {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := OpenScans(crashfs.New(), "data", File{Name: name}, ScanOptions{}); err == nil || !strings.Contains(err.Error(), "not the name") {
			t.Errorf("%q, for a scan: %v", name, err)
		}
	}
}

func TestPart(t *testing.T) {
	fsys := crashfs.New()
	text := strings.Repeat("windows ", 100_000)
	p, err := WritePart(fsys, "data", "windows-00000003", func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
	if err != nil || p.Name != "windows-00000003" || p.Size != int64(len(text)) {
		t.Fatal(p, err)
	}
	file, err := OpenPart(fsys, "data", p)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(file); err != nil || string(got) != text {
		t.Errorf("%d bytes came back, %v", len(got), err)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
	for what, data := range map[string]string{
		"flipped": "W" + text[1:], "cut short": text[1:], "longer": text + "w", "empty": "",
	} {
		put(t, fsys, "data/"+p.Name, []byte(data))
		if _, err := OpenPart(fsys, "data", p); !isCorrupt(err, p.Name) {
			t.Errorf("%s: %v", what, err)
		}
		if err := VerifyPart(fsys, "data", p); !isCorrupt(err, p.Name) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestPartThatFailsIsRemoved(t *testing.T) {
	fsys := crashfs.New()
	broken := errors.New("no more")
	if _, err := WritePart(fsys, "data", "windows-00000003", func(io.Writer) error { return broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	if names, err := fsys.List("data"); len(names) > 0 || err != nil {
		t.Error(names, err)
	}
}
