package flowfile

import (
	"bytes"
	"fmt"
)

// vpcDefault is the version 2 default format, in which files without a header line are.
const vpcDefault = "version account-id interface-id srcaddr dstaddr srcport dstport protocol " +
	"packets bytes start end action log-status"

// vpcNames are AWS's names of the fields. A record counts what went from srcaddr to dstaddr;
// what came back is a record of its own, so there is nothing received.
var vpcNames = [fields]string{"srcaddr", "dstaddr", "vpc-id", "bytes", "", "start"}

// vpcParser reads AWS VPC Flow Logs.
type vpcParser struct {
	schema  *schema
	columns *columns
	status  int // column of log-status, -1 for none
	version int // column of the version in files without a header, else -1
	cells   [][]byte
}

func newVPCParser(vpc string) (parser, *schema) {
	s := &schema{
		names:     vpcNames,
		zeroUnset: true,
		hour:      hourOfEpoch,
		notHour:   "is not a time in seconds",
		vpc:       vpc,
	}
	return &vpcParser{schema: s}, s
}

// looksLikeVPC reports whether line is a header, or a record in the default format.
func looksLikeVPC(line []byte) bool {
	cells := split(nil, line, []byte{' '})
	return isVPCHeader(cells) || len(cells) == bytes.Count([]byte(vpcDefault), []byte{' '})+1 && string(cells[0]) == "2"
}

// isVPCHeader reports whether cells are the names of columns. No record has such addresses.
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
	// Joined files have their headers in the middle, so every line is looked at. It begins
	// with a letter, which records in the default order do not.
	if c := line[0]; 'a' <= c && c <= 'z' && isVPCHeader(p.cells) {
		if err := p.header(p.cells); err != nil {
			return err
		}
		p.version = -1
		return errNoRecord
	}
	if p.columns == nil {
		if err := p.header(split(nil, []byte(vpcDefault), []byte{' '})); err != nil {
			return err
		}
	}
	if err := p.columns.pick(p.cells, rec); err != nil {
		return err
	}
	if p.version >= 0 && string(p.cells[p.version]) != "2" {
		return skipFor("version", "is not 2, and the file has no header line", p.cells[p.version])
	}
	if p.status >= 0 {
		switch string(p.cells[p.status]) {
		case "NODATA":
			return &skip{reason: "log-status is NODATA: no traffic in the interval"}
		case "SKIPDATA":
			return &skip{reason: "log-status is SKIPDATA: AWS left records out"}
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
