package view

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"flowd/block"
	"flowd/disk"
	"flowd/flow"
)

// Found is the result of Check.
type Found struct {
	// Hours is the number of hours whose file is their block, and Empty that of expired hours, whose file
	// has no rows.
	Hours, Empty int
	// Wrong are the files that differ from the manifest, and files that do not belong there.
	Wrong []Wrong
}

// Wrong is a file that is not as it should be.
type Wrong struct {
	// File is its name relative to the data folder, with slashes.
	File string
	// What names the values that disagree.
	What string
}

// Check compares the folder with the blocks that the manifest names. It returns nil if there is no such
// folder. With whole it reads all bytes of copies, otherwise only their footers. While a server runs, and
// after it was killed, an hour's file may be that of the previous checkpoint; Wrong includes such files.
func Check(fsys disk.FS, data string, blocks Blocks, whole bool) (*Found, error) {
	names, err := fsys.List(path.Join(data, folder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	columns, err := block.NoRows()
	if err != nil {
		return nil, err
	}
	c := &check{fsys: fsys, data: data, whole: whole, columns: columns, blocks: blocks}
	left := maps.Clone(c.blocks)
	for _, name := range names {
		hour, ok := hourOf(name)
		switch {
		case ok:
			c.hour(hour)
			delete(left, hour)
		case name == hourPrefix+columnsHour:
			if what := c.noRows(columnsName); what != "" {
				c.wrong(columnsName, "%s, and should have no rows", what)
			}
			c.alone(name)
		case !strings.HasPrefix(name, newPrefix): // a file with a temporary name
			c.wrong(path.Join(folder, name), "is not a file of flowd")
		}
	}
	for _, hour := range slices.Sorted(maps.Keys(left)) {
		c.wrong(FileName(hour), "is missing, which should be %s", left[hour].Name)
	}
	return &c.found, nil
}

type check struct {
	fsys    disk.FS
	data    string
	whole   bool
	columns []byte
	blocks  Blocks
	found   Found
}

func (c *check) wrong(file, format string, values ...any) {
	c.found.Wrong = append(c.found.Wrong, Wrong{file, fmt.Sprintf(format, values...)})
}

// hour checks the folder of an hour.
func (c *check) hour(hour flow.Hour) {
	name := FileName(hour)
	b, kept := c.blocks[hour]
	switch what := c.noRows(name); {
	case kept:
		if what := c.differs(hour, b); what != "" {
			c.wrong(name, "is not %s, which the manifest names: %s", b.Name, what)
		} else {
			c.found.Hours++
		}
	case what == "":
		c.found.Empty++
	default:
		c.wrong(name, "is of an hour that the manifest does not have, and %s", what)
	}
	c.alone(hourFolder(hour))
}

// alone reports files besides the one that belongs in a folder.
func (c *check) alone(below string) {
	names, err := c.fsys.List(path.Join(c.data, folder, below))
	if err != nil {
		c.wrong(path.Join(folder, below), "cannot be listed: %v", err)
	}
	for _, name := range names {
		if name != fileName {
			c.wrong(path.Join(folder, below, name), "is not a file of flowd")
		}
	}
}

// noRows returns the problem of a file that should have no rows, or nothing.
func (c *check) noRows(name string) string {
	err := noRows(c.fsys, path.Join(c.data, name), c.columns)
	switch {
	case err == nil:
		return ""
	case errors.Is(err, fs.ErrNotExist):
		return "is missing"
	case errors.Is(err, errOther):
		return "is another file"
	}
	return "cannot be read: " + err.Error()
}

// differs returns the difference between the hour's file and the block, or nothing if it is the same file,
// whatever its content.
func (c *check) differs(hour flow.Hour, b block.File) string {
	if same, err := c.fsys.Same(path.Join(c.data, b.Name), path.Join(c.data, FileName(hour))); err == nil && same {
		return ""
	}
	compare := block.CheckCopy
	if c.whole {
		compare = block.VerifyCopy
	}
	err := compare(c.fsys, c.data, FileName(hour), b)
	var corrupt *block.CorruptError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &corrupt):
		return corrupt.Reason
	case errors.Is(err, fs.ErrNotExist):
		return "it is missing"
	}
	return err.Error()
}
