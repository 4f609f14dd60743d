// Package flowfile reads flows from the files that people have: Zeek conn.log (TSV and JSON),
// AWS VPC Flow Logs, and this program's own fields as NDJSON, as a JSON array or as CSV, each
// plain or in gzip.
//
// A file goes through four small parts. A source cuts it into texts of one record each, a
// parser finds the fields of interest in such a text, a schema turns them into a flow, and the
// Scanner drives them and keeps account of what was left out:
//
//	io.Reader --gunzip--> source (lines, array) --> parser --> schema --> Scanner.Flow
//
// Memory is bounded whatever the file holds: records longer than MaxRecord are skipped, and
// names are kept only up to a fixed number.
package flowfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"flowd/flow"
)

// MaxRecord is the longest record in bytes, once unpacked. Longer ones are skipped.
const MaxRecord = 1 << 20

// Options says how to read a file. The zero value detects the format and has no VPC to fall
// back on.
type Options struct {
	// Format is the format of the records, or Auto. Gzip is always detected.
	Format Format
	// VPC is the vpc_id of records that name none. Without it, a file whose format has no place
	// for a VPC is an error (ErrNoVPC).
	VPC string
}

// ErrNoVPC is what a file ends with that names no VPC, when Options.VPC is empty too.
var ErrNoVPC = errors.New("the file names no VPC, and none was given for it")

// Error ends a scan. It says at which line, counted from 1 in the unpacked file.
type Error struct {
	Line int
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns what went wrong at the line.
func (e *Error) Unwrap() error { return e.Err }

// Scanner reads the flows of one file. It belongs to one goroutine.
type Scanner struct {
	in      io.Reader
	opts    Options
	source  source
	parser  parser
	schema  *schema
	names   names
	rec     record
	flow    flow.Flow
	skipped Skipped
	err     error
}

// source cuts a file into records.
type source interface {
	// next returns the text of the next record, which lives until the following call; a *skip
	// where the text is too long; and io.EOF after the last one.
	next() ([]byte, error)
	// line returns the line on which the record returned last began.
	line() int
}

// parser finds the fields of a record in its text.
type parser interface {
	// parse sets rec, which is all nil before, to the texts of the fields. They live as long as
	// text does. It returns errNoRecord for a text that is none (a comment, a header), a *skip
	// for one that cannot be used, and any other error to end the scan.
	parse(text []byte, rec *record) error
}

// errNoRecord is a parser's word for a text that is not meant to be a record.
var errNoRecord = errors.New("no record")

// New returns a scanner of r, which it neither reads before the first Next nor closes.
func New(r io.Reader, o Options) *Scanner {
	return &Scanner{in: r, opts: o, names: names{}}
}

// Next reads up to the next usable flow and reports whether there is one. After false, Err
// tells an end from an error.
func (s *Scanner) Next() bool {
	if s.source == nil && s.err == nil {
		s.err = s.open()
	}
	for s.err == nil {
		err := s.read()
		if err == nil {
			return true
		}
		s.take(err)
	}
	return false
}

// take keeps account of a record that is no flow, or ends the scan.
func (s *Scanner) take(err error) {
	var sk *skip
	switch {
	case errors.As(err, &sk):
		s.skipped.add(s.source.line(), sk)
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
	s.rec = record{}
	if err := s.parser.parse(text, &s.rec); err != nil {
		return err
	}
	return s.schema.fill(&s.flow, &s.rec, s.names)
}

// open detects what the file is and sets the parts up for it.
func (s *Scanner) open() error {
	if s.opts.VPC != "" {
		if _, problem := s.names.get([]byte(s.opts.VPC)); problem != "" {
			return fmt.Errorf("the name of the VPC, %q, %s", s.opts.VPC, problem)
		}
	}
	in, err := unpack(s.in)
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
		s.source = &array{in: buf}
	} else {
		s.source = &lines{in: buf}
	}
	return nil
}

// Flow returns the flow that Next read. It is overwritten by the following Next; its strings
// are not.
func (s *Scanner) Flow() *flow.Flow { return &s.flow }

// Err returns what ended the scan: nil at the end of the file, else an error that names the
// line, mostly an *Error.
func (s *Scanner) Err() error {
	if s.err == io.EOF {
		return nil
	}
	return s.err
}

// Skipped returns what was left out so far.
func (s *Scanner) Skipped() *Skipped { return &s.skipped }
