// Package flowfile reads flows from common file formats: Zeek conn.log (TSV and JSON), AWS VPC Flow
// Logs, and flowd's own fields as NDJSON, as a JSON array or as CSV, each plain or in gzip.
//
// A file passes through four small parts. A source splits it into the text of one record each, a parser
// finds the fields in that text, a schema converts them into a flow, and the Scanner drives them and
// counts the skipped records:
//
//	io.Reader --gunzip--> source (lines, array) --> parser --> schema --> Scanner.Flow
//
// Memory is bounded regardless of the file: records longer than MaxRecord are skipped, and the number of
// interned names is limited.
package flowfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"flowd/flow"
)

// MaxRecord is the longest record in bytes, after decompression. Longer ones are skipped.
const MaxRecord = 1 << 20

// Options say how to read a file. The zero value detects the format and has no default VPC.
type Options struct {
	// Format is the format of the records, or Auto. Gzip is always detected.
	Format Format
	// VPC is the vpc_id of records without one. If it is empty, a file whose format has no place for a
	// VPC fails with ErrNoVPC.
	VPC string
}

// ErrNoVPC ends the scan of a file without VPCs if Options.VPC is empty.
var ErrNoVPC = errors.New("the file has no VPC, and no default VPC was given")

// Error ends a scan. Line counts from 1 in the decompressed file.
type Error struct {
	Line int
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Scanner reads the flows of one file. It is not safe for concurrent use.
type Scanner struct {
	in       io.Reader
	opts     Options
	source   source
	parser   parser
	schema   *schema
	interned internTable
	record   record
	flow     flow.Flow
	skipped  Skipped
	err      error
}

// source splits a file into records.
type source interface {
	// next returns the text of the next record, which is valid until the next call. It returns a
	// *skipError for a text that is too long, and io.EOF after the last one.
	next() ([]byte, error)
	// line returns the line on which the last returned record began.
	line() int
}

// parser finds the fields of a record in its text.
type parser interface {
	// parse sets the fields of rec, which is all nil before, to parts of text. They are valid as long as
	// text is. It returns errNoRecord for a comment or a header, a *skipError for an unusable record,
	// and any other error to end the scan.
	parse(text []byte, rec *record) error
}

// errNoRecord is returned by a parser for a text that is not a record.
var errNoRecord = errors.New("no record")

// New returns a scanner of r. It does not read r before the first Next, and never closes it.
func New(r io.Reader, o Options) *Scanner {
	return &Scanner{in: r, opts: o, interned: internTable{}}
}

// Next reads up to the next usable flow and reports whether it found one. If it returns false, Err
// distinguishes the end of the file from an error.
func (s *Scanner) Next() bool {
	if s.source == nil && s.err == nil {
		s.err = s.open()
	}
	for s.err == nil {
		err := s.read()
		if err == nil {
			return true
		}
		s.handle(err)
	}
	return false
}

// handle counts a skipped record, or ends the scan.
func (s *Scanner) handle(err error) {
	var skipped *skipError
	switch {
	case errors.As(err, &skipped):
		s.skipped.add(s.source.line(), skipped)
	case err == errNoRecord:
	case err == io.EOF:
		s.err = io.EOF
	default:
		s.err = &Error{s.source.line(), err}
	}
}

// read reads one record into s.flow.
func (s *Scanner) read() error {
	text, err := s.source.next()
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return errNoRecord
	}
	s.record = record{}
	if err := s.parser.parse(text, &s.record); err != nil {
		return err
	}
	return s.schema.toFlow(&s.flow, &s.record, s.interned)
}

// open detects the format and creates the source, the parser and the schema.
func (s *Scanner) open() error {
	if s.opts.VPC != "" {
		if _, problem := s.interned.intern([]byte(s.opts.VPC)); problem != "" {
			return fmt.Errorf("the name of the VPC, %q, %s", s.opts.VPC, problem)
		}
	}
	in, err := decompress(s.in)
	if err != nil {
		return &Error{1, err}
	}
	buf := bufio.NewReaderSize(in, MaxRecord+len("\r\n"))
	head, err := peekHead(buf)
	if err != nil {
		return &Error{1, err}
	}
	format := s.opts.Format
	if format == Auto {
		if format, err = detect(head); err != nil {
			return &Error{1, err}
		}
	}
	s.parser, s.schema = format.parser(s.opts.VPC)
	if format.isJSON() && bytes.HasPrefix(head, []byte{'['}) {
		s.source = &arraySource{in: buf}
	} else {
		s.source = &lineSource{in: buf}
	}
	return nil
}

// Flow returns the flow that Next read. The next call of Next overwrites it, but not its strings.
func (s *Scanner) Flow() *flow.Flow { return &s.flow }

// Err returns the error that ended the scan, usually an *Error; nil at the end of the file.
func (s *Scanner) Err() error {
	if s.err == io.EOF {
		return nil
	}
	return s.err
}

// Skipped returns the records skipped so far.
func (s *Scanner) Skipped() *Skipped { return &s.skipped }
