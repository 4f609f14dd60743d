package flowfile

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// zeekNames are Zeek's names of the fields. vpc_id is not part of Zeek, but sites add it.
var zeekNames = [numFields]string{"id.orig_h", "id.resp_h", "vpc_id", "orig_bytes", "resp_bytes", "ts"}

// zeekParser reads Zeek's TSV format. Its header lines define the rest, and may repeat where files were
// concatenated:
//
//	#separator \x09
//	#empty_field<sep>(empty)
//	#unset_field<sep>-
//	#path<sep>conn
//	#fields<sep>ts<sep>uid<sep>id.orig_h ...
type zeekParser struct {
	schema    *schema
	separator []byte
	empty     []byte
	unset     []byte
	sawPath   bool // a #path line was read
	columns   *columns
	cells     [][]byte
}

func newZeekParser(vpc string) (parser, *schema) {
	s := &schema{
		names:       zeekNames,
		unsetIsZero: true, // Zeek does not set the bytes of a connection without any
		hour:        hourOfEpoch,
		hourProblem: "is not a time in seconds",
		defaultVPC:  vpc,
	}
	p := &zeekParser{schema: s, separator: []byte{'\t'}, empty: []byte("(empty)"), unset: []byte{'-'}}
	return p, s
}

var (
	errZeekNoFields = errors.New("a record before any #fields line")
	errZeekNoPath   = errors.New(`a record before any #path line: expected "#path conn"`)
)

func (p *zeekParser) parse(line []byte, rec *record) error {
	if line[0] == '#' {
		return p.header(line)
	}
	if p.columns == nil {
		return errZeekNoFields
	}
	if !p.sawPath {
		return errZeekNoPath
	}
	p.cells = split(p.cells, line, p.separator)
	if err := p.columns.extract(p.cells, rec); err != nil {
		return err
	}
	for field, text := range rec {
		switch {
		case bytes.Equal(text, p.unset):
			rec[field] = nil
		case bytes.Equal(text, p.empty):
			rec[field] = text[:0]
		}
	}
	return nil
}

// header reads a line that starts with "#". Unknown ones are comments.
func (p *zeekParser) header(line []byte) error {
	if text, ok := bytes.CutPrefix(line, []byte("#separator ")); ok {
		separator, err := unescape(text)
		if err != nil {
			return err
		}
		p.separator = separator
		return errNoRecord
	}
	name, value, _ := bytes.Cut(line, p.separator)
	switch string(name) {
	case "#empty_field":
		p.empty = bytes.Clone(value)
	case "#unset_field":
		p.unset = bytes.Clone(value)
	case "#path":
		if string(value) != "conn" {
			return fmt.Errorf("#path is %q, not \"conn\"", value[:min(len(value), maxValue)])
		}
		p.sawPath = true
	case "#fields":
		columns, err := newColumns(split(p.cells, value, p.separator), p.schema)
		if err != nil {
			return err
		}
		p.columns = columns
	}
	return errNoRecord
}

// unescape decodes the value of a #separator line, which writes some bytes as \x09.
func unescape(text []byte) ([]byte, error) {
	var out []byte
	for rest := text; len(rest) > 0; {
		if !bytes.HasPrefix(rest, []byte(`\x`)) {
			out, rest = append(out, rest[0]), rest[1:]
			continue
		}
		n, err := strconv.ParseUint(string(rest[2:min(4, len(rest))]), 16, 8)
		if err != nil || len(rest) < 4 {
			return nil, fmt.Errorf("#separator %q: expected two hexadecimal digits after \\x", text)
		}
		out, rest = append(out, byte(n)), rest[4:]
	}
	if len(out) == 0 {
		return nil, errors.New("#separator is empty")
	}
	return out, nil
}
