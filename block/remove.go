package block

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"flowd/disk"
)

// Remove removes the block f, which no manifest may name any more, and its hour's folder if that is
// empty then. A block that is gone already is no error. Nothing is synced, so the block may come back with
// a power cut.
func Remove(fsys disk.FS, dir string, f File) error {
	if _, _, err := f.Hour(); err != nil {
		return err
	}
	if err := remove(fsys, dir, f.Name); err != nil {
		return err
	}
	folder := path.Dir(f.Name)
	names, err := fsys.List(path.Join(dir, folder))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("block: list %s: %w", folder, err)
	case len(names) > 0:
		return nil
	}
	return remove(fsys, dir, folder)
}

func remove(fsys disk.FS, dir, name string) error {
	if err := fsys.Remove(path.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("block: remove %s: %w", name, err)
	}
	return nil
}
