package flowfile

import (
	"bytes"
	"fmt"
)

// columns knows in which column of a line each field stands.
type columns struct {
	at [fields]int // -1 where the file has no such column
	n  int         // how many columns a line has
}

// required are the fields that no file can be without; a VPC can be given for all.
var required = [...]int{srcApp, destApp, bytesTx, bytesRx, when}

// newColumns reads the names of the columns from a header. A field that the schema has no
// name for needs no column.
func newColumns(header [][]byte, s *schema) (*columns, error) {
	c := &columns{n: len(header)}
	for field, name := range s.names {
		c.at[field] = -1
		for i, column := range header {
			if name == "" || string(column) != name {
				continue
			}
			if c.at[field] >= 0 {
				return nil, fmt.Errorf("the header names %s twice, as columns %d and %d", name, c.at[field]+1, i+1)
			}
			c.at[field] = i
		}
	}
	for _, field := range required {
		if s.names[field] != "" && c.at[field] < 0 {
			return nil, fmt.Errorf("the header has no column %s", s.names[field])
		}
	}
	if c.at[vpcID] < 0 && s.vpc == "" {
		return nil, ErrNoVPC
	}
	return c, nil
}

// pick sets the fields of rec to their cells.
func (c *columns) pick(cells [][]byte, rec *record) error {
	if len(cells) != c.n {
		return &skip{reason: "the line has another number of columns than the header"}
	}
	for field, at := range c.at {
		if at >= 0 {
			rec[field] = cells[at]
		}
	}
	return nil
}

// split cuts line at every sep, into the memory of cells.
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
