package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"flowd/block"
	"flowd/disk"
)

// Sweep removes the blocks and side files below the folder dir that m does not name, hour folders that
// are empty then, and a manifest that was not finished. It returns the names of the files that it removed,
// below dir, also beside an error. Files that this package would not have written are left alone, and
// so are their folders. A nil m names nothing.
func Sweep(fsys disk.FS, dir string, m *Manifest) ([]string, error) {
	named := map[string]bool{}
	if m != nil {
		for i := range m.Hours {
			named[m.Hours[i].Block.Name] = true
		}
		if m.Windows != nil {
			named[m.Windows.Name] = true
		}
	}
	s := sweep{fsys: fsys, dir: dir, named: named}
	err := s.topFolder()
	if err == nil {
		err = s.hours()
	}
	return s.removed, err
}

type sweep struct {
	fsys    disk.FS
	dir     string
	named   map[string]bool
	removed []string
}

// topFolder removes side files and the manifest that was not finished.
func (s *sweep) topFolder() error {
	names, err := s.list(".")
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == unfinished || isWindows(name) && !s.named[name] {
			if err := s.remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// hours removes blocks, and folders of hours.
func (s *sweep) hours() error {
	folders, err := s.list(block.HoursFolder)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		folder = path.Join(block.HoursFolder, folder)
		if !block.IsHourFolder(folder) {
			continue
		}
		if err := s.hour(folder); err != nil {
			return err
		}
	}
	return nil
}

func (s *sweep) hour(folder string) error {
	names, err := s.list(folder)
	if err != nil {
		return err
	}
	left := len(names)
	for _, name := range names {
		file := block.File{Name: path.Join(folder, name)}
		if _, _, err := file.Hour(); err != nil || s.named[file.Name] {
			continue
		}
		if err := s.remove(file.Name); err != nil {
			return err
		}
		left--
	}
	if left > 0 {
		return nil
	}
	return s.remove(folder)
}

// list returns what is in a folder: nothing, if it is not there.
func (s *sweep) list(folder string) ([]string, error) {
	names, err := s.fsys.List(path.Join(s.dir, folder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("manifest: list %s: %w", folder, err)
	}
	return names, nil
}

func (s *sweep) remove(name string) error {
	if err := s.fsys.Remove(path.Join(s.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("manifest: remove %s: %w", name, err)
	}
	s.removed = append(s.removed, name)
	return nil
}

func isWindows(name string) bool {
	digits, ok := strings.CutPrefix(name, windowsPrefix)
	generation, err := strconv.ParseUint(digits, 10, 64)
	return ok && err == nil && WindowsName(generation) == name
}
