package block

import (
	"fmt"
	"path"

	"flowd/disk"
)

// create makes the file name below dir with the bytes that fill writes, and syncs it and the folders, which are
// those between dir and the file, dir included. After an error it removes the file.
func create(fsys disk.FS, dir, name string, fill func(*sink) error) (*sink, error) {
	full := path.Join(dir, name)
	if err := fsys.MkdirAll(path.Dir(full)); err != nil {
		return nil, fmt.Errorf("block: make the folder of %s: %w", name, err)
	}
	file, err := fsys.Create(full)
	if err != nil {
		return nil, fmt.Errorf("block: create %s: %w", name, err)
	}
	s := newSink(file, name)
	err = fill(s)
	if err == nil {
		err = s.finish()
	}
	if closing := file.Close(); err == nil && closing != nil {
		err = fmt.Errorf("block: close %s: %w", name, closing)
	}
	if err == nil {
		err = syncFolders(fsys, dir, path.Dir(name))
	}
	if err != nil {
		// The file is garbage already, since no manifest names it, so that it cannot be removed either
		// is not worth hiding the first error for.
		_ = fsys.Remove(full)
		return nil, err
	}
	return s, nil
}

// syncFolders syncs folder, which is below dir, and all above it up to dir. It does so whether or not
// they are new: an attempt that failed may have left one that is not durable.
func syncFolders(fsys disk.FS, dir, folder string) error {
	for {
		if err := fsys.SyncDir(path.Join(dir, folder)); err != nil {
			return fmt.Errorf("block: sync folder %s: %w", folder, err)
		}
		if folder == "." {
			return nil
		}
		folder = path.Dir(folder)
	}
}
