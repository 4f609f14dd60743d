package flowfile

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// errTooLong skips a record longer than MaxRecord.
var errTooLong = &skipError{reason: "the record is longer than 1 MiB"}

// lineSource is a source of one record per line. Its records share the reader's buffer, which has room
// for the longest record and its line end.
type lineSource struct {
	in         *bufio.Reader
	lineNumber int
}

func (l *lineSource) line() int { return l.lineNumber }

func (l *lineSource) next() ([]byte, error) {
	text, err := l.in.ReadSlice('\n')
	if err == io.EOF && len(text) > 0 {
		err = nil // the last line has no line end
	}
	if err != io.EOF {
		l.lineNumber++
	}
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, l.discard()
	}
	if err != nil {
		return nil, err
	}
	text = bytes.TrimSuffix(text, []byte{'\n'})
	text = bytes.TrimSuffix(text, []byte{'\r'})
	if len(text) > MaxRecord {
		return nil, errTooLong
	}
	return text, nil
}

// discard reads up to the end of a line that is too long.
func (l *lineSource) discard() error {
	for {
		switch _, err := l.in.ReadSlice('\n'); {
		case err == nil || err == io.EOF:
			return errTooLong
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

// arraySource is a source of the elements of one JSON array. It only tracks brackets and strings; the
// parser checks that an element is valid JSON.
type arraySource struct {
	in       *bufio.Reader
	elem     []byte
	newlines int // read so far
	elemLine int // line on which elem begins
	state    arrayState
}

type arrayState uint8

const (
	beforeArray  arrayState = iota
	firstElement            // after "[": an element or "]"
	nextElement             // after ",": an element
	afterElement            // after an element: "," or "]"
	afterArray              // only white space
)

var (
	errUnclosedArray  = errors.New("the JSON array is not closed: expected ]")
	errAfterArray     = errors.New("unexpected data after the end of the JSON array")
	errMissingComma   = errors.New("expected , or ] after an element of the JSON array")
	errMissingElement = errors.New("expected an element of the JSON array before , or ]")
)

func (a *arraySource) line() int { return max(a.elemLine, 1) }

// next returns the next element. A broken array ends the scan, since the next element cannot be found.
func (a *arraySource) next() ([]byte, error) {
	for {
		c, err := a.skipSpace()
		if err == io.EOF && a.state != afterArray {
			return nil, errUnclosedArray
		}
		if err != nil {
			return nil, err
		}
		a.elemLine = a.newlines + 1
		switch {
		case a.state == beforeArray: // c is the "[" that open has seen
			a.state = firstElement
		case a.state == afterArray:
			return nil, errAfterArray
		case a.state == afterElement && c == ',':
			a.state = nextElement
		case a.state != nextElement && c == ']':
			a.state = afterArray
		case a.state == afterElement:
			return nil, errMissingComma
		case c == ',' || c == ']':
			return nil, errMissingElement
		default:
			if err := a.in.UnreadByte(); err != nil {
				return nil, err
			}
			a.state = afterElement
			return a.element()
		}
	}
}

// skipSpace returns the next byte that is not white space.
func (a *arraySource) skipSpace() (byte, error) {
	for {
		switch c, err := a.in.ReadByte(); {
		case err != nil:
			return 0, err
		case c == '\n':
			a.newlines++
		case c != ' ' && c != '\t' && c != '\r':
			return c, nil
		}
	}
}

// element reads one element. It does not consume the comma or bracket that ends it.
func (a *arraySource) element() ([]byte, error) {
	a.elem = a.elem[:0]
	depth, inString, escaped, tooLong := 0, false, false, false
	for {
		c, err := a.in.ReadByte()
		if err == io.EOF {
			return nil, errUnclosedArray
		}
		if err != nil {
			return nil, err
		}
		switch {
		case escaped:
			escaped = false
		case inString:
			escaped = c == '\\'
			inString = c != '"'
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			depth++
		case depth == 0 && (c == ',' || c == ']'):
			if err := a.in.UnreadByte(); err != nil {
				return nil, err
			}
			if tooLong {
				return nil, errTooLong
			}
			return bytes.TrimRight(a.elem, " \t\r\n"), nil
		case c == '}' || c == ']':
			depth = max(depth-1, 0)
		}
		if c == '\n' {
			a.newlines++
		}
		if tooLong = tooLong || len(a.elem) == MaxRecord; !tooLong {
			a.elem = append(a.elem, c)
		}
	}
}
