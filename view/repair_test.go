package view

import (
	"os"
	"path"
	"strings"
	"testing"

	"flowd/disk"
	"flowd/flow"
)

// TestRepair breaks a folder in each way that a crash can, or somebody else. Check sees it, but for what is
// only on its way, and the start makes it right.
func TestRepair(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(d *data)
		wrong  string // of the one line that Check says; none if it sees nothing
		also   map[string]uint64
	}{
		{"nothing", func(*data) {}, "", nil},
		{"a file is missing", func(d *data) { d.must(os.Remove(d.file(1))) }, "the manifest names: it is missing", nil},
		{"a folder is missing", func(d *data) { d.must(os.RemoveAll(path.Dir(d.file(1)))) }, "hour=1/flows.parquet: is missing, which should be hours/hour=1/00000001.parquet", nil},
		{"all is missing", func(d *data) { d.must(os.RemoveAll(path.Join(d.dir, folder))) }, "", nil},
		{"the file without rows is missing", func(d *data) { d.must(os.Remove(path.Join(d.dir, columnsName))) }, "hour=-1/flows.parquet: is missing", nil},
		{"the file without rows is another", func(d *data) { d.must(os.WriteFile(path.Join(d.dir, columnsName), []byte("PAR1"), 0o600)) }, "hour=-1/flows.parquet: is another file", nil},
		{"a file is another hour's", func(d *data) { d.must(os.Remove(d.file(1))); d.must(os.Link(d.file(2), d.file(1))) }, "hour=1/flows.parquet: is not hours/hour=1/00000001.parquet", nil},
		{"a file is half", func(d *data) {
			d.must(os.Remove(d.file(1)))
			d.must(os.WriteFile(d.file(1), []byte("PAR1 and then"), 0o600))
		}, "it has 13 bytes", nil},
		{"the checkpoint before", func(d *data) { d.checkpoint([]flow.Hour{1}) }, "is not hours/hour=1/00000002.parquet", nil},
		{"an hour expired", func(d *data) { d.checkpoint(nil, 1) }, "is of an hour that the manifest does not have", map[string]uint64{"hour=1": 0}},
		{"an hour expired long ago", func(d *data) {
			d.must(os.MkdirAll(path.Dir(d.file(9)), 0o750))
			d.must(os.Link(path.Join(d.dir, columnsName), d.file(9)))
		}, "", map[string]uint64{"hour=9": 0}},
		{"an hour expired, and came again", func(d *data) {
			d.must(os.Remove(d.file(1)))
			d.must(os.Link(path.Join(d.dir, columnsName), d.file(1)))
		}, "is not hours/hour=1/00000001.parquet", nil},
		{"one on its way", func(d *data) {
			d.must(os.Link(d.file(1), path.Join(d.dir, newName("1"))))
			d.must(os.WriteFile(path.Join(d.dir, newName("7")), nil, 0o600))
		}, "", nil},
	} {
		for _, mode := range modes {
			t.Run(c.name+" "+string(mode), func(t *testing.T) {
				d := &data{t: t, fs: disk.OS, dir: t.TempDir()}
				d.checkpoint([]flow.Hour{1, 2})
				d.folder(mode)
				d.want(map[string]uint64{"hour=1": 1, "hour=2": 1})
				c.change(d)
				found, err := Check(d.fs, d.dir, d.m.Blocks(), true)
				d.must(err)
				switch {
				case found == nil:
				case c.wrong == "" && len(found.Wrong) == 0:
				case c.wrong == "" || len(found.Wrong) != 1 || !strings.Contains(found.Wrong[0].File+": "+found.Wrong[0].What, c.wrong):
					t.Errorf("the check finds %+v, want %q", found.Wrong, c.wrong)
				}
				f := d.folder(mode)
				want := map[string]uint64{}
				for i := range d.m.Hours {
					_, generation, err := d.m.Hours[i].Block.Hour()
					d.must(err)
					want[path.Base(path.Dir(d.m.Hours[i].Block.Name))] = generation
				}
				for name, generation := range c.also {
					want[name] = generation
				}
				d.want(want)
				if f.Behind() != 0 {
					t.Errorf("%d are behind", f.Behind())
				}
				names, err := disk.OS.List(path.Join(d.dir, folder))
				if err != nil || len(names) != len(want) {
					t.Errorf("in the folder are %v, %v", names, err)
				}
			})
		}
	}
}

func (d *data) file(hour flow.Hour) string { return path.Join(d.dir, FileName(hour)) }

// TestCheckOfACopy has every byte of a copy count, as a whole check reads it.
func TestCheckOfACopy(t *testing.T) {
	d := &data{t: t, fs: disk.OS, dir: t.TempDir()}
	d.checkpoint([]flow.Hour{1})
	d.folder(Copy)
	text, err := os.ReadFile(d.file(1))
	d.must(err)
	for i := range text {
		text[i] ^= 1
		d.must(os.WriteFile(d.file(1), text, 0o600))
		if found, err := Check(d.fs, d.dir, d.m.Blocks(), true); err != nil || len(found.Wrong) != 1 {
			t.Fatalf("byte %d: %+v, %v", i, found, err)
		}
		text[i] ^= 1
	}
}

// TestOff removes the folder, and leaves what others have put there.
func TestOff(t *testing.T) {
	d := &data{t: t, fs: disk.OS, dir: t.TempDir()}
	d.checkpoint([]flow.Hour{1, 2})
	d.folder(Link)
	d.must(os.WriteFile(path.Join(d.dir, "parquet/hour=1/notes"), nil, 0o600))
	d.must(os.WriteFile(path.Join(d.dir, newName("1")), nil, 0o600))
	found, err := Check(d.fs, d.dir, d.m.Blocks(), true)
	if err != nil || len(found.Wrong) != 1 || found.Wrong[0] != (Wrong{"parquet/hour=1/notes", "is not a file of flowd"}) {
		t.Errorf("the check finds %+v, %v", found, err)
	}
	f := d.folder(Off)
	f.Start()
	f.Follow(d.checkpoint([]flow.Hour{1}).Blocks())
	f.Close()
	if names, err := disk.OS.List(path.Join(d.dir, folder)); err != nil || len(names) != 1 || names[0] != "hour=1" {
		t.Errorf("there are %v, %v", names, err)
	}
	d.must(os.Remove(path.Join(d.dir, "parquet/hour=1/notes")))
	d.folder(Off)
	if names, err := disk.OS.List(path.Join(d.dir, folder)); err == nil {
		t.Errorf("the folder has %v", names)
	}
	if text := d.log.String(); text != "" {
		t.Errorf("it was logged: %s", text)
	}
}
