package block

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

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
	folders, err := s.list(hoursFolder)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		folder = path.Join(hoursFolder, folder)
		if !isHourFolder(folder) {
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
		file := File{Name: path.Join(folder, name)}
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
		return nil, fmt.Errorf("block: list %s: %w", folder, err)
	}
	return names, nil
}

func (s *sweep) remove(name string) error {
	if err := s.fsys.Remove(path.Join(s.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("block: remove %s: %w", name, err)
	}
	s.removed = append(s.removed, name)
	return nil
}

// Remove removes the block f, which no manifest may name any more, and its hour's folder if that is
// empty then. That it is gone already is no error. It may come back with a power cut, until the next
// Sweep.
func Remove(fsys disk.FS, dir string, f File) error {
	if _, _, err := f.Hour(); err != nil {
		return err
	}
	s := sweep{fsys: fsys, dir: dir}
	if err := s.remove(f.Name); err != nil {
		return err
	}
	folder := path.Dir(f.Name)
	if names, err := s.list(folder); err != nil || len(names) > 0 {
		return err
	}
	return s.remove(folder)
}

func isHourFolder(folder string) bool {
	block := File{Name: folder + "/00000000" + fileSuffix}
	_, _, err := block.Hour()
	return err == nil
}

func isWindows(name string) bool {
	digits, ok := strings.CutPrefix(name, windowsPrefix)
	generation, err := strconv.ParseUint(digits, 10, 64)
	return ok && err == nil && WindowsName(generation) == name
}
