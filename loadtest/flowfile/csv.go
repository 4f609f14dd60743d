package flowfile

import (
	"bytes"
	"slices"
)

// flowdNames are flowd's own names of the fields.
var flowdNames = [numFields]string{"src_app", "dest_app", "vpc_id", "bytes_tx", "bytes_rx", "hour"}

func flowdSchema(vpc string) *schema {
	return &schema{
		names:       flowdNames,
		hour:        parseCount,
		hourProblem: "is not an integer from 0 to 2^31-1",
		defaultVPC:  vpc,
	}
}

// csvParser reads CSV with a header line that has flowd's own fields in any order, among others. Cells
// may be quoted, but must not contain line ends, which no name may have.
type csvParser struct {
	schema   *schema
	columns  *columns
	cells    [][]byte
	unquoted []byte
}

func newCSVParser(vpc string) (parser, *schema) {
	s := flowdSchema(vpc)
	return &csvParser{schema: s}, s
}

func (p *csvParser) parse(line []byte, rec *record) error {
	if err := p.split(line); err != nil {
		return err
	}
	if p.columns == nil {
		columns, err := newColumns(p.cells, p.schema)
		if err != nil {
			return err
		}
		p.columns = columns
		return errNoRecord
	}
	if err := p.columns.extract(p.cells, rec); err != nil {
		return err
	}
	for field, text := range rec {
		if len(text) == 0 {
			rec[field] = nil
		}
	}
	return nil
}

// split splits a line into p.cells according to RFC 4180: at commas outside of quotes, where "" stands
// for a quote.
func (p *csvParser) split(line []byte) error {
	p.cells = p.cells[:0]
	// Unquoting never lengthens a cell, so with this capacity the buffer does not move.
	p.unquoted = slices.Grow(p.unquoted[:0], len(line))
	for {
		var cell []byte
		if len(line) > 0 && line[0] == '"' {
			start := len(p.unquoted)
			rest, err := p.readQuoted(line[1:])
			if err != nil {
				return err
			}
			cell, line = p.unquoted[start:], rest
		} else {
			end := bytes.IndexByte(line, ',')
			if end < 0 {
				end = len(line)
			}
			cell, line = line[:end], line[end:]
			if bytes.IndexByte(cell, '"') >= 0 {
				return newSkipError("a cell", "has a quote but does not begin with one", cell)
			}
		}
		p.cells = append(p.cells, cell)
		if len(line) == 0 {
			return nil
		}
		line = line[1:] // the comma
	}
}

// readQuoted appends the cell at the start of text, after its opening quote, to p.unquoted. It returns
// the rest after its closing quote: empty, or a comma and more.
func (p *csvParser) readQuoted(text []byte) (rest []byte, err error) {
	for {
		end := bytes.IndexByte(text, '"')
		if end < 0 {
			return nil, newSkipError("a cell", "has no closing quote on its line", text)
		}
		p.unquoted = append(p.unquoted, text[:end]...)
		text = text[end+1:]
		switch {
		case len(text) == 0 || text[0] == ',':
			return text, nil
		case text[0] != '"':
			return nil, newSkipError("a cell", "goes on after its closing quote", text)
		}
		p.unquoted = append(p.unquoted, '"')
		text = text[1:]
	}
}
