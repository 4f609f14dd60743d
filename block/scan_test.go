package block

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"pgregory.net/rapid"

	"flowd/disk"
	"flowd/disk/crashfs"
	"flowd/flow"
)

// TestScansHaveTheRows reads a block by every number of scans, in any turns, and asks now and then for
// whole tuples. Rows is what it is held to.
func TestScansHaveTheRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fsys := crashfs.New()
		f, _ := write(t, fsys, "data", anyRows(7).Draw(t, "rows"), Options{
			Hour: 7, RowGroup: rapid.IntRange(1, 20).Draw(t, "row group"),
		})
		want := mustRead(t, fsys, "data", f)
		o := ScanOptions{
			Names: flow.Fields(rapid.Uint8Max(uint8(flow.AllFields)).Draw(t, "names")),
			Most:  rapid.IntRange(1, 8).Draw(t, "scans"),
		}
		keyed := rapid.IntRange(1, 30).Draw(t, "rows for each key")
		scans := openScans(t, fsys, "data", f, o)
		defer closeAll(scans)
		if len(scans) < 1 || len(scans) > o.Most {
			t.Fatalf("%d scans, not 1 to %d", len(scans), o.Most)
		}
		var got, whole []flow.Row
		var c flow.Chunk
		for turn, left := 0, slices.Clone(scans); len(left) > 0; {
			at := rapid.IntRange(0, len(left)-1).Draw(t, "turn")
			if !left[at].Next(&c) {
				if err := left[at].Err(); err != nil {
					t.Fatal(err)
				}
				left = slices.Delete(left, at, at+1)
				continue
			}
			rows, err := rowsOf(&c, o.Names)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, rows...)
			for i := len(rows) - 1; i >= 0; i-- {
				if turn++; turn%keyed == 0 {
					r := flow.Row{Key: left[at].Key(i), Totals: c.Totals[i], Hour: 7}
					if diff := difference(masked(rows[i:i+1], o.Names), masked([]flow.Row{r}, o.Names)); diff != "" {
						t.Fatal(diff)
					}
					whole = append(whole, r)
				}
			}
		}
		if diff := difference(masked(want, o.Names), masked(got, o.Names)); diff != "" {
			t.Fatal(diff)
		}
		checkPart(t, want, whole)
	})
}

// checkPart checks that each of some is one of all.
func checkPart(t failer, all, some []flow.Row) {
	t.Helper()
	type value struct {
		key    string
		totals flow.Totals
	}
	count := map[value]int{}
	for _, r := range all {
		count[value{string(r.Key), r.Totals}]++
	}
	for _, r := range some {
		v := value{string(r.Key), r.Totals}
		if count[v]--; count[v] < 0 {
			t.Fatalf("a row too many: %q %v", r.Key, r.Totals)
		}
	}
}

// TestScansBesideEachOther has a goroutine for each scan, several chunks of a page, and pages that end
// at different rows.
func TestScansBesideEachOther(t *testing.T) {
	dir := t.TempDir()
	rows := usualRows(45_000, 7)
	want := masked(rows, flow.AllFields)
	f, _ := write(t, disk.OS, dir, rows, Options{Hour: 7, RowGroup: 20_001})
	for _, names := range []flow.Fields{0, flow.AllFields} {
		scans := openScans(t, disk.OS, dir, f, ScanOptions{Names: names, Most: 2})
		if len(scans) != 2 {
			t.Fatalf("%d scans of 3 row groups, not 2", len(scans))
		}
		var all sync.WaitGroup
		coded, whole := make([][]flow.Row, len(scans)), make([][]flow.Row, len(scans))
		errs := make([]error, len(scans))
		for i, s := range scans {
			all.Go(func() {
				defer s.Close()
				coded[i], whole[i], errs[i] = readScans([]flow.Scan{s}, names, true)
			})
		}
		all.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
		if diff := difference(want, masked(slices.Concat(whole...), flow.AllFields)); diff != "" {
			t.Error("by keys:", diff)
		}
		if diff := difference(masked(rows, names), masked(slices.Concat(coded...), names)); diff != "" {
			t.Error("by codes:", diff)
		}
	}
}

// TestScanDecodesWhatIsAskedFor holds what makes a scan fast.
func TestScanDecodesWhatIsAskedFor(t *testing.T) {
	fsys := crashfs.New()
	const rows = 150_000
	f, _ := write(t, fsys, "data", usualRows(rows, 7), Options{Hour: 7})
	s := openScans(t, fsys, "data", f, ScanOptions{Names: flow.Fields(0).With(flow.VPCID), Most: 1})[0].(*scan)
	defer s.Close()
	var c flow.Chunk
	check := func(when string, some flow.Field, none ...flow.Field) {
		t.Helper()
		if n := len(s.group.names[some].codes); n < len(c.Totals) || n >= rows {
			t.Errorf("%s %d rows of %v are decoded", when, n, some)
		}
		for _, f := range none {
			if n := s.group.names[f]; len(n.codes) > 0 || n.dict != nil {
				t.Errorf("%s %d rows of %v are decoded", when, len(n.codes), f)
			}
		}
	}
	if !s.Next(&c) {
		t.Fatal(s.Err())
	}
	check("after Next", flow.VPCID, flow.SrcApp, flow.DestApp)
	if s.Key(len(c.Totals)-1) == nil {
		t.Fatal(s.Err())
	}
	check("after Key", flow.SrcApp)
	check("after Key", flow.DestApp)
}

func TestNumberOfScans(t *testing.T) {
	fsys := crashfs.New()
	for rowGroups, counts := range map[int]map[int]int{
		0: {-1: 1, 0: 1, 1: 1, 8: 1},
		1: {0: 1, 1: 1, 8: 1},
		3: {0: 1, 1: 1, 2: 2, 3: 3, 8: 3},
	} {
		f, _ := write(t, fsys, "data", usualRows(10*rowGroups, 7), Options{Hour: 7, Generation: uint64(rowGroups) + 1, RowGroup: 10})
		for most, want := range counts {
			scans := openScans(t, fsys, "data", f, ScanOptions{Most: most})
			if len(scans) != want {
				t.Errorf("%d scans of %d row groups, asked for %d", len(scans), rowGroups, most)
			}
			closeAll(scans)
		}
	}
}

// countFS counts the files that are open.
type countFS struct {
	disk.FS
	open int
}

type countFile struct {
	disk.File
	fs *countFS
}

func (c *countFS) Open(name string) (disk.File, error) {
	file, err := c.FS.Open(name)
	if err == nil {
		c.open++
		file = countFile{file, c}
	}
	return file, err
}

func (f countFile) Close() error {
	f.fs.open--
	return f.File.Close()
}

// TestScansAreClosedOneByOne closes scans before, while and after they are read: the others go on, and
// the last one closes the file.
func TestScansAreClosedOneByOne(t *testing.T) {
	mem := crashfs.New()
	f, _ := write(t, mem, "data", usualRows(40, 7), Options{Hour: 7, RowGroup: 5})
	fsys := &countFS{FS: mem}
	scans := openScans(t, fsys, "data", f, ScanOptions{Names: flow.AllFields, Most: 4})
	var c flow.Chunk
	scans[0].Close()
	if scans[0].Next(&c) || scans[0].Err() != nil {
		t.Errorf("a chunk after Close, %v", scans[0].Err())
	}
	got := 0
	for _, s := range scans[1:] {
		if !s.Next(&c) {
			t.Fatal(s.Err())
		}
		got += len(c.Totals)
	}
	scans[1].Close()
	scans[1].Close()
	for scans[2].Next(&c) {
		got += len(c.Totals)
	}
	scans[2].Close()
	if scans[3].Next(&c) || scans[3].Err() != nil {
		t.Errorf("a chunk of a row group that was read, %v", scans[3].Err())
	}
	if fsys.open != 1 {
		t.Errorf("%d files are open beside a scan", fsys.open)
	}
	closeAll(scans)
	closeAll(scans)
	if fsys.open != 0 {
		t.Errorf("%d files are left open", fsys.open)
	}
	if got != 40 {
		t.Errorf("%d rows of 40", got)
	}
}

func TestOpeningThatFailsLeavesNoFileOpen(t *testing.T) {
	mem, f, _ := smallBlock(t)
	name := "data/" + f.Name
	data := get(t, mem, name)
	for what, damaged := range map[string][]byte{"footer": flipped(data, len(data)-20), "size": data[1:]} {
		put(t, mem, name, damaged)
		fsys := &countFS{FS: mem}
		_, errRows := Open(fsys, "data", f)
		_, errScans := OpenScans(fsys, "data", f, ScanOptions{})
		if errRows == nil || errScans == nil || fsys.open != 0 {
			t.Errorf("damaged %s: %v, %v, and %d files are left open", what, errRows, errScans, fsys.open)
		}
	}
}

func TestKeysAndNamesOfAScanStayValid(t *testing.T) {
	fsys := crashfs.New()
	rows := usualRows(9000, 7)
	f, _ := write(t, fsys, "data", rows, Options{Hour: 7, RowGroup: 3000})
	read := func() (keys []flow.Key, names []string) {
		s := openScans(t, fsys, "data", f, ScanOptions{Names: flow.Fields(0).With(flow.SrcApp)})[0]
		defer s.Close()
		var c flow.Chunk
		for s.Next(&c) {
			for i := range c.Totals {
				keys, names = append(keys, s.Key(i)), append(names, c.Dicts[flow.SrcApp][c.Codes[flow.SrcApp][i]])
			}
		}
		return keys, names
	}
	keys, names := read()
	read() // uses the memory of the first again
	_ = append(keys[0], "a longer key must not run into the next"...)
	for i, r := range rows {
		if src, _, _ := r.Key.Names(); !bytes.Equal(keys[i], r.Key) || names[i] != string(src) {
			t.Fatalf("row %d became %q, from %q, not %q", i, keys[i], names[i], r.Key)
		}
	}
}

func TestRemovedBlockIsScannedToItsEnd(t *testing.T) {
	dir := t.TempDir()
	rows := usualRows(5000, 7)
	f, _ := write(t, disk.OS, dir, rows, Options{Hour: 7, RowGroup: 1000})
	s := openScans(t, disk.OS, dir, f, ScanOptions{})[0]
	defer s.Close()
	var c flow.Chunk
	var got []flow.Row
	for s.Next(&c) {
		for i, totals := range c.Totals {
			got = append(got, flow.Row{Key: s.Key(i), Totals: totals, Hour: 7})
		}
		if err := Remove(disk.OS, dir, f); err != nil {
			t.Fatal(err)
		}
	}
	if diff := difference(rows, got); diff != "" || s.Err() != nil {
		t.Error(diff, s.Err())
	}
	if _, err := OpenScans(disk.OS, dir, f, ScanOptions{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opened a removed block: %v", err)
	}
}

// TestScanOfADiskThatFails has errors of the disk be told as such, not as damage.
func TestScanOfADiskThatFails(t *testing.T) {
	fsys := crashfs.New()
	f, _ := write(t, fsys, "data", usualRows(10, 7), Options{Hour: 7, RowGroup: 5})
	s := openScans(t, fsys, "data", f, ScanOptions{})[0]
	defer s.Close()
	var c flow.Chunk
	if !s.Next(&c) {
		t.Fatal(s.Err())
	}
	broken := errors.New("the cable is out")
	fsys.Inject(func(errorfs.Op) error { return broken })
	if s.Next(&c) || !errors.Is(s.Err(), broken) || isCorrupt(s.Err(), f.Name) {
		t.Errorf("a disk that fails became %v", s.Err())
	}
	if key := s.Key(0); key != nil {
		t.Errorf("%q is the key of a chunk that there is not", key)
	}
}
