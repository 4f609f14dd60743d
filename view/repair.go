package view

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"syscall"
	"time"

	"flowd/block"
	"flowd/disk"
	"flowd/flow"
)

// Repair makes the folder show blocks, whatever a crash left there. It must be called before Start. It
// leaves the changes of files in use, and of copies, to the goroutine. Errors are only logged, since the
// data does not depend on the folder.
func (f *Folder) Repair(blocks Blocks) {
	if f == nil {
		return
	}
	err := f.begin()
	switch {
	case f.off:
		err = errors.Join(err, f.removeAll())
	case err == nil:
		err = f.look(blocks)
	}
	if err != nil {
		f.o.Logger.Warn("the folder parquet/ could not be looked through", "error", err)
	}
	if f.off {
		return
	}
	f.latest.Store(&blocks)
	f.plan(&blocks)
	if f.o.Mode == Link {
		f.pass(false)
	}
}

// begin creates the folder with the file that never has rows, and determines whether files can be linked.
func (f *Folder) begin() error {
	if f.off {
		return nil
	}
	temporary := newName(columnsHour)
	if err := f.remove(temporary); err != nil {
		return err
	}
	if err := f.o.FS.MkdirAll(f.path(path.Dir(columnsName))); err != nil {
		return err
	}
	if noRows(f.o.FS, f.path(columnsName), f.columns) != nil {
		if err := f.write(temporary, f.columns); err != nil {
			return err
		}
		if err := f.put(temporary, columnsName, true); err != nil {
			return err
		}
	}
	if f.o.Mode != Link {
		return nil
	}
	err := f.o.FS.Link(f.path(columnsName), f.path(temporary))
	if noLinks(err) {
		f.off = true
		f.o.Logger.Warn("the file system of the data folder has no hard links, so there is no folder parquet/: "+
			"set parquet-folder to copy, which takes the bytes of each hour twice, or to off", "folder", f.o.Data, "error", err)
		return nil
	}
	return errors.Join(err, f.remove(temporary))
}

// noLinks reports whether an error of linking an own file means that the file system has no hard links.
func noLinks(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EXDEV)
}

// look determines what the folder shows, and removes files with temporary names.
func (f *Folder) look(blocks Blocks) error {
	names, err := f.o.FS.List(f.path(folder))
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, newPrefix) {
			if err := f.remove(path.Join(folder, name)); err != nil {
				return err
			}
			continue
		}
		hour, ok := hourOf(name)
		if !ok {
			continue
		}
		f.shown[hour] = unknown
		b, kept := blocks[hour]
		switch {
		case kept && f.shows(hour, b):
			f.shown[hour] = b.Name
		case !kept && noRows(f.o.FS, f.path(FileName(hour)), f.columns) == nil:
			f.shown[hour] = noBlock
			f.emptied[hour] = time.Now() // or earlier
		}
	}
	return nil
}

// unknown is a name that no block has.
const unknown = "?"

// shows reports whether the hour's file is the block. A copy is recognised by its footer, which has the
// checksums of everything before it, and was synced with it.
func (f *Folder) shows(hour flow.Hour, b block.File) bool {
	if f.o.Mode == Link {
		same, err := f.o.FS.Same(f.path(b.Name), f.path(FileName(hour)))
		return err == nil && same
	}
	return block.CheckCopy(f.o.FS, f.o.Data, FileName(hour), b) == nil
}

// removeAll removes the folder, except for files of others.
func (f *Folder) removeAll() error {
	names, err := f.o.FS.List(f.path(folder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		switch hour, ok := hourOf(name); {
		case ok:
			err = f.removeHour(hour)
		case strings.HasPrefix(name, newPrefix):
			err = f.remove(path.Join(folder, name))
		case name == hourPrefix+columnsHour:
			err = f.remove(columnsName)
			_ = f.o.FS.Remove(f.path(path.Dir(columnsName))) // fails if there are files of others
		}
		if err != nil {
			return err
		}
	}
	_ = f.o.FS.Remove(f.path(folder)) // fails if there are files of others
	return nil
}

// copyBytes is the number of bytes copied at once.
const copyBytes = 1 << 20

// copy copies a file and syncs the copy, so that the copy is complete before it gets its final name, even
// after a crash.
func (f *Folder) copy(from, to string) error {
	source, err := f.o.FS.Open(f.path(from))
	if err != nil {
		return err
	}
	size, err := source.Size()
	if err == nil {
		err = f.create(to, func(w io.Writer) error {
			for at := int64(0); at < size; at += copyBytes {
				if _, err := io.Copy(w, io.NewSectionReader(source, at, min(copyBytes, size-at))); err != nil {
					return fmt.Errorf("copy %s: %w", from, err)
				}
			}
			return nil
		})
	}
	return errors.Join(err, source.Close())
}

func (f *Folder) write(name string, text []byte) error {
	return f.create(name, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// create creates a file with the bytes that fill writes, and syncs it. After an error it removes the file.
func (f *Folder) create(name string, fill func(io.Writer) error) error {
	if err := f.remove(name); err != nil {
		return err
	}
	file, err := f.o.FS.Create(f.path(name))
	if err != nil {
		return err
	}
	err = fill(io.NewOffsetWriter(file, 0))
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err != nil {
		err = errors.Join(err, f.remove(name))
	}
	return err
}

var errOther = errors.New("is another file")

// noRows returns nil if a file is the one without rows, columns.
func noRows(fsys disk.FS, name string, columns []byte) error {
	file, err := fsys.Open(name)
	if err != nil {
		return err
	}
	size, err := file.Size()
	if err == nil && size != int64(len(columns)) {
		err = errOther
	}
	text := make([]byte, len(columns))
	if err == nil {
		_, err = io.ReadFull(io.NewSectionReader(file, 0, size), text)
	}
	if err == nil && !bytes.Equal(text, columns) {
		err = errOther
	}
	return errors.Join(err, file.Close())
}
