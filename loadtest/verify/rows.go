package verify

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/goccy/go-json"
)

// row is one tuple of an answer. It is read by code that shares nothing with the server's, so
// that one mistake cannot cancel out another.
type row struct {
	SrcApp  string `json:"src_app"`
	DestApp string `json:"dest_app"`
	VPCID   string `json:"vpc_id"`
	BytesTx uint64 `json:"bytes_tx"`
	BytesRx uint64 `json:"bytes_rx"`
	Hour    uint32 `json:"hour"`
}

// rowScanner reads the rows of a JSON array one after the other, so that an hour of any size
// takes the memory of one row.
type rowScanner struct {
	br    *bufio.Reader
	row   row
	count int
	text  []byte
	err   error
}

// maxRow bounds the text of a row: three names of 256 bytes, six for each byte if all are
// escaped, and the rest.
const maxRow = 8 << 10

func newRowScanner(r io.Reader) *rowScanner {
	return &rowScanner{br: bufio.NewReaderSize(r, 64<<10)}
}

// Next reads a row and reports whether there was one.
func (s *rowScanner) Next() bool {
	before := byte(',')
	if s.count == 0 {
		before = '['
	}
	c, err := s.symbol()
	switch {
	case err != nil:
		return s.fail(err)
	case c == before:
	case c == ']' && s.count > 0:
		return s.end()
	default:
		return s.fail(fmt.Errorf("%q where %q was expected", c, before))
	}
	c, err = s.symbol()
	switch {
	case err != nil:
		return s.fail(err)
	case c == ']' && s.count == 0:
		return s.end()
	case c != '{':
		return s.fail(fmt.Errorf("%q where a row was expected", c))
	}
	if err := s.object(); err != nil {
		return s.fail(err)
	}
	s.row = row{}
	if err := json.Unmarshal(s.text, &s.row); err != nil {
		return s.fail(fmt.Errorf("%s: %w", s.text, err))
	}
	s.count++
	return true
}

// Row returns the row that Next read.
func (s *rowScanner) Row() *row { return &s.row }

// Err returns why Next ended, nil if it was the end of the array.
func (s *rowScanner) Err() error { return s.err }

// symbol returns the next byte that is not white space.
func (s *rowScanner) symbol() (byte, error) {
	for {
		c, err := s.br.ReadByte()
		if err != nil || c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return c, err
		}
	}
}

// object reads a row from after its brace to the brace that ends it: the first one that is
// not inside of a string, as rows hold no objects.
func (s *rowScanner) object() error {
	s.text = append(s.text[:0], '{')
	for len(s.text) <= maxRow {
		part, err := s.br.ReadSlice('}')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		s.text = append(s.text, part...)
		if err == nil && !insideString(s.text) {
			return nil
		}
	}
	return fmt.Errorf("it is longer than %d bytes", maxRow)
}

// insideString tells whether text ends within a string.
func insideString(text []byte) bool {
	if bytes.IndexByte(text, '\\') < 0 {
		return bytes.Count(text, []byte(`"`))%2 == 1
	}
	inside := false
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\':
			i++
		case text[i] == '"':
			inside = !inside
		}
	}
	return inside
}

// end makes sure that nothing follows the array.
func (s *rowScanner) end() bool {
	c, err := s.symbol()
	switch {
	case err == nil:
		return s.fail(fmt.Errorf("%q after the array", c))
	case !errors.Is(err, io.EOF):
		return s.fail(err)
	}
	return false
}

func (s *rowScanner) fail(err error) bool {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	s.err = fmt.Errorf("row %d of the answer: %w", s.count+1, err)
	return false
}
