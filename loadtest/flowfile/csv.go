package flowfile

import (
	"bytes"
	"slices"
)

// ownNames are this program's own names of the fields.
var ownNames = [fields]string{"src_app", "dest_app", "vpc_id", "bytes_tx", "bytes_rx", "hour"}

func ownSchema(vpc string) *schema {
	return &schema{
		names:   ownNames,
		hour:    parseCount,
		notHour: "is not an integer from 0 to 2^31-1",
		vpc:     vpc,
	}
}

// csvParser reads CSV with a header line that names this program's own fields in any order,
// among others. Cells may be quoted; a quoted line end is not served, since no name may hold one.
type csvParser struct {
	schema  *schema
	columns *columns
	cells   [][]byte
	unquote []byte
}

func newCSVParser(vpc string) (parser, *schema) {
	s := ownSchema(vpc)
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
	if err := p.columns.pick(p.cells, rec); err != nil {
		return err
	}
	for field, text := range rec {
		if len(text) == 0 {
			rec[field] = nil
		}
	}
	return nil
}

// split cuts a line into p.cells as RFC 4180 says: at commas, but for those in quotes, where ""
// stands for a quote.
func (p *csvParser) split(line []byte) error {
	p.cells = p.cells[:0]
	// Unquoting only ever shortens, so with this much room no cell moves once it is cut.
	p.unquote = slices.Grow(p.unquote[:0], len(line))
	for {
		var cell []byte
		if len(line) > 0 && line[0] == '"' {
			from := len(p.unquote)
			rest, err := p.quoted(line[1:])
			if err != nil {
				return err
			}
			cell, line = p.unquote[from:], rest
		} else {
			end := bytes.IndexByte(line, ',')
			if end < 0 {
				end = len(line)
			}
			cell, line = line[:end], line[end:]
			if bytes.IndexByte(cell, '"') >= 0 {
				return skipFor("a cell", "has a quote but does not begin with one", cell)
			}
		}
		p.cells = append(p.cells, cell)
		if len(line) == 0 {
			return nil
		}
		line = line[1:] // the comma
	}
}

// quoted appends the cell that text begins with, past its opening quote, to p.unquote, and
// returns what follows its closing quote: nothing, or a comma and more.
func (p *csvParser) quoted(text []byte) (rest []byte, err error) {
	for {
		end := bytes.IndexByte(text, '"')
		if end < 0 {
			return nil, skipFor("a cell", "has no closing quote on its line", text)
		}
		p.unquote = append(p.unquote, text[:end]...)
		text = text[end+1:]
		switch {
		case len(text) == 0 || text[0] == ',':
			return text, nil
		case text[0] != '"':
			return nil, skipFor("a cell", "goes on after its closing quote", text)
		}
		p.unquote = append(p.unquote, '"')
		text = text[1:]
	}
}
