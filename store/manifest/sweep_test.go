package manifest

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowd/disk"
	"flowd/disk/crashfs"
)

// TestSweep removes what no manifest names, and nothing that it does not know.
func TestSweep(t *testing.T) {
	m := smallManifest()
	kept := []string{
		"MANIFEST", "LOCK", "windows-00000007", "windows-7", "windows-", "windows-00000006.old", "wal/000000000001.wal",
		"hours/hour=1/00000006.parquet", "hours/hour=1/notes.txt", "hours/README", "hours/hour=x/00000001.parquet",
		"hours/hour=8/1.parquet", "notes/hour=1/00000001.parquet", "hours/hour=01/00000001.parquet",
	}
	garbage := []string{
		"MANIFEST.new", "windows-00000006", "windows-00000008", "hours/hour=1/00000005.parquet",
		"hours/hour=1/00000008.parquet", "hours/hour=5/00000007.parquet", "hours/hour=8/00000007.parquet",
	}
	for name, fsys := range map[string]disk.FS{"memory": crashfs.New(), "os": disk.OS} {
		dir := "data"
		if name == "os" {
			dir = t.TempDir()
		}
		for _, file := range slices.Concat(kept, garbage) {
			put(t, fsys, dir+"/"+file, []byte("x"))
		}
		if err := fsys.MkdirAll(dir + "/hours/hour=9"); err != nil {
			t.Fatal(err)
		}
		removed, err := Sweep(fsys, dir, m)
		if err != nil {
			t.Fatal(err)
		}
		want := slices.Concat(garbage, []string{"hours/hour=5", "hours/hour=9"})
		slices.Sort(want)
		slices.Sort(removed)
		if diff := cmp.Diff(want, removed); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		for _, file := range kept {
			get(t, fsys, dir+"/"+file)
		}
		if again, err := Sweep(fsys, dir, m); len(again) > 0 || err != nil {
			t.Errorf("%s: a second time %v, %v", name, again, err)
		}
		if all, err := Sweep(fsys, dir, nil); err != nil || !slices.Equal(all, []string{"windows-00000007", "hours/hour=1/00000006.parquet"}) {
			t.Errorf("%s: without a manifest %v, %v", name, all, err)
		}
	}
}

func TestSweepOfNothing(t *testing.T) {
	if removed, err := Sweep(crashfs.New(), "data", nil); len(removed) > 0 || err != nil {
		t.Error(removed, err)
	}
}
