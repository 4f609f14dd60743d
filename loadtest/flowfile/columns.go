package flowfile

import (
	"bytes"
	"fmt"
)

// columns maps fields to the columns of a line.
type columns struct {
	index [numFields]int // -1 if the file has no such column
	count int            // number of columns of a line
}

// required are the fields that every file must have. The VPC can have a default.
var required = [...]int{srcApp, destApp, bytesTx, bytesRx, timestamp}

// newColumns reads the column names of a header. A field without a name in the schema needs no column.
func newColumns(header [][]byte, s *schema) (*columns, error) {
	c := &columns{count: len(header)}
	for field, name := range s.names {
		c.index[field] = -1
		for i, column := range header {
			if name == "" || string(column) != name {
				continue
			}
			if c.index[field] >= 0 {
				return nil, fmt.Errorf("the header names %s twice, as columns %d and %d", name, c.index[field]+1, i+1)
			}
			c.index[field] = i
		}
	}
	for _, field := range required {
		if s.names[field] != "" && c.index[field] < 0 {
			return nil, fmt.Errorf("the header has no column %s", s.names[field])
		}
	}
	if c.index[vpcID] < 0 && s.defaultVPC == "" {
		return nil, ErrNoVPC
	}
	return c, nil
}

// extract sets the fields of rec to their cells.
func (c *columns) extract(cells [][]byte, rec *record) error {
	if len(cells) != c.count {
		return &skipError{reason: "the line has another number of columns than the header"}
	}
	for field, i := range c.index {
		if i >= 0 {
			rec[field] = cells[i]
		}
	}
	return nil
}

// split splits line at every sep. It reuses the memory of cells.
func split(cells [][]byte, line, sep []byte) [][]byte {
	cells = cells[:0]
	for {
		cell, rest, more := bytes.Cut(line, sep)
		cells = append(cells, cell)
		if !more {
			return cells
		}
		line = rest
	}
}
