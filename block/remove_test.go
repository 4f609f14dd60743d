package block

import (
	"testing"

	"flowd/disk"
)

func TestRemove(t *testing.T) {
	dir := t.TempDir()
	first, _ := write(t, disk.OS, dir, usualRows(3, 7), Options{Hour: 7, Generation: 1})
	second, _ := write(t, disk.OS, dir, usualRows(3, 7), Options{Hour: 7, Generation: 2})
	for range 2 {
		if err := Remove(disk.OS, dir, first); err != nil {
			t.Fatal(err)
		}
	}
	if err := Verify(disk.OS, dir, second); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := Remove(disk.OS, dir, second); err != nil {
			t.Fatal(err)
		}
	}
	if names, err := disk.OS.List(dir + "/hours"); len(names) > 0 || err != nil {
		t.Error("the folder of the hour is left", names, err)
	}
	if err := Remove(disk.OS, dir, File{Name: "../x"}); err == nil {
		t.Error("removed a file that is no block")
	}
}
