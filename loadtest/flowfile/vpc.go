package flowfile

import (
	"bytes"
	"fmt"
)

// vpcDefaultHeader is the default format of version 2, which files without a header line use.
const vpcDefaultHeader = "version account-id interface-id srcaddr dstaddr srcport dstport protocol " +
	"packets bytes start end action log-status"

// vpcNames are AWS's names of the fields. A record only counts bytes from srcaddr to dstaddr; the
// reverse direction is a separate record, so no bytes are received.
var vpcNames = [numFields]string{"srcaddr", "dstaddr", "vpc-id", "bytes", "", "start"}

// vpcParser reads AWS VPC Flow Logs.
type vpcParser struct {
	schema  *schema
	columns *columns
	status  int // column of log-status; -1 if absent
	version int // column of the version in files without a header; otherwise -1
	cells   [][]byte
}

func newVPCParser(vpc string) (parser, *schema) {
	s := &schema{
		names:       vpcNames,
		unsetIsZero: true,
		hour:        hourOfEpoch,
		hourProblem: "is not a time in seconds",
		defaultVPC:  vpc,
	}
	return &vpcParser{schema: s}, s
}

// looksLikeVPC reports whether line is a header, or a record in the default format.
func looksLikeVPC(line []byte) bool {
	cells := split(nil, line, []byte{' '})
	return isVPCHeader(cells) || len(cells) == bytes.Count([]byte(vpcDefaultHeader), []byte{' '})+1 && string(cells[0]) == "2"
}

// isVPCHeader reports whether cells are column names. No record has addresses like these.
func isVPCHeader(cells [][]byte) bool {
	src, dst := false, false
	for _, cell := range cells {
		src = src || string(cell) == "srcaddr"
		dst = dst || string(cell) == "dstaddr"
	}
	return src && dst
}

func (p *vpcParser) parse(line []byte, rec *record) error {
	p.cells = split(p.cells, line, []byte{' '})
	// Concatenated files have headers in the middle, so every line is checked. A header
	// starts with a letter, which records in the default order do not.
	if c := line[0]; 'a' <= c && c <= 'z' && isVPCHeader(p.cells) {
		if err := p.header(p.cells); err != nil {
			return err
		}
		p.version = -1
		return errNoRecord
	}
	if p.columns == nil {
		if err := p.header(split(nil, []byte(vpcDefaultHeader), []byte{' '})); err != nil {
			return err
		}
	}
	if err := p.columns.extract(p.cells, rec); err != nil {
		return err
	}
	if p.version >= 0 && string(p.cells[p.version]) != "2" {
		return newSkipError("version", "is not 2, and the file has no header line", p.cells[p.version])
	}
	if p.status >= 0 {
		switch string(p.cells[p.status]) {
		case "NODATA":
			return &skipError{reason: "log-status is NODATA: no traffic in the interval"}
		case "SKIPDATA":
			return &skipError{reason: "log-status is SKIPDATA: AWS left records out"}
		}
	}
	for field, text := range rec {
		if string(text) == "-" {
			rec[field] = nil
		}
	}
	return nil
}

func (p *vpcParser) header(names [][]byte) error {
	columns, err := newColumns(names, p.schema)
	if err != nil {
		return fmt.Errorf("AWS VPC Flow Log: %w", err)
	}
	p.columns, p.status, p.version = columns, -1, -1
	for i, name := range names {
		switch string(name) {
		case "log-status":
			p.status = i
		case "version":
			p.version = i
		}
	}
	return nil
}
