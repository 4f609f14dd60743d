package view

import (
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"time"

	"flowd/disk"
	"flowd/flow"
)

// plan determines the changes from the current files to blocks. Hours whose file already is their block do
// not change.
func (f *Folder) plan(blocks *Blocks) {
	f.planned = blocks
	want := make(map[flow.Hour]string, len(*blocks))
	for hour, b := range *blocks {
		want[hour] = b.Name
	}
	for hour := range f.shown {
		if _, kept := want[hour]; !kept {
			want[hour] = noBlock
		}
	}
	for hour, name := range want {
		if shown, ok := f.shown[hour]; ok && shown == name {
			delete(f.changes, hour) // the next change or start removes its temporary name, if any
			continue
		}
		if c := f.changes[hour]; c == nil {
			f.changes[hour] = &change{block: name}
		} else if c.block != name {
			c.block, c.ready = name, false
		}
	}
	f.behind.Store(int64(len(f.changes)))
}

// pass makes the changes that are possible; with forced it replaces files in use too. It returns the number
// of changes that files in use prevent, and the number that failed.
func (f *Folder) pass(forced bool) (inUse, failures int) {
	if latest := f.latest.Load(); latest != nil && latest != f.planned {
		f.plan(latest)
	}
	now := time.Now()
	for _, hour := range slices.Sorted(maps.Keys(f.changes)) {
		c := f.changes[hour]
		err := f.apply(hour, c, forced || !c.since.IsZero() && now.Sub(c.since) > patience)
		switch {
		case err == nil:
			delete(f.changes, hour)
		case errors.Is(err, disk.ErrInUse):
			if c.since.IsZero() {
				c.since = now
			}
			inUse++
		case errors.Is(err, fs.ErrNotExist) && f.latest.Load() != f.planned:
			// A newer manifest no longer names the block; the next pass shows its successor.
		default:
			failures++
			f.logOnce(FileName(hour), err)
		}
	}
	f.behind.Store(int64(len(f.changes)))
	if len(f.changes) == 0 {
		f.said = ""
	}
	return inUse, failures
}

// apply makes a change.
func (f *Folder) apply(hour flow.Hour, c *change, forced bool) error {
	temporary := newName(strconv.FormatUint(uint64(hour), 10))
	err := f.prepare(hour, c, temporary)
	if err == nil {
		err = f.put(temporary, FileName(hour), forced)
	}
	if err == nil {
		f.shown[hour] = c.block
		delete(f.emptied, hour)
		if c.block == noBlock {
			f.emptied[hour] = time.Now()
		}
		return nil
	}
	if !errors.Is(err, disk.ErrInUse) && c.block == noBlock {
		// The bytes of an expired hour must not stay because there is no room for another name.
		if removing := f.removeHour(hour); removing != nil {
			return errors.Join(err, removing)
		}
		return nil
	}
	return err
}

// prepare creates the new file under its temporary name.
func (f *Folder) prepare(hour flow.Hour, c *change, temporary string) error {
	if c.ready {
		return nil
	}
	if err := f.remove(temporary); err != nil {
		return err
	}
	if err := f.o.FS.MkdirAll(f.path(path.Join(folder, hourFolder(hour)))); err != nil {
		return err
	}
	from := c.block
	if from == noBlock {
		from = columnsName
	}
	err := f.bring(from, temporary)
	if err != nil && from == columnsName {
		err = f.write(temporary, f.columns) // the number of hard links of a file is limited
	}
	c.ready = err == nil
	return err
}

// bring links or copies a file.
func (f *Folder) bring(from, to string) error {
	if f.o.Mode == Link {
		return f.o.FS.Link(f.path(from), f.path(to))
	}
	return f.copy(from, to)
}

// put renames temporary to name, which it replaces. A rename between two names of the same file leaves
// both, so the temporary name is removed if it still exists. That also covers a rename that succeeded but
// returned an error.
func (f *Folder) put(temporary, name string, forced bool) error {
	rename := f.o.FS.RenameUnused
	if forced {
		rename = f.o.FS.Rename
	}
	if err := rename(f.path(temporary), f.path(name)); err != nil {
		return err
	}
	return f.remove(temporary)
}

// sweep removes the hours whose files have had no rows for long enough.
func (f *Folder) sweep(now time.Time) {
	due := false
	for _, since := range f.emptied {
		due = due || now.Sub(since) >= emptySweep
	}
	if !due {
		return
	}
	for hour, since := range f.emptied {
		if now.Sub(since) < emptyAtLeast || f.changes[hour] != nil {
			continue
		}
		if err := f.removeHour(hour); err != nil {
			f.logOnce(FileName(hour), err)
			return
		}
	}
}

// removeHour removes an hour's file and folder.
func (f *Folder) removeHour(hour flow.Hour) error {
	if err := f.remove(FileName(hour)); err != nil {
		return err
	}
	delete(f.shown, hour)
	delete(f.emptied, hour)
	// This fails for a folder with other files, which stays.
	_ = f.o.FS.Remove(f.path(path.Join(folder, hourFolder(hour))))
	return nil
}

// remove removes a file. A missing file is no error.
func (f *Folder) remove(name string) error {
	if err := f.o.FS.Remove(f.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
