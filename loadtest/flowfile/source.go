package flowfile

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// errTooLong skips a record longer than MaxRecord.
var errTooLong = &skip{reason: "the record is longer than 1 MiB"}

// lines is a source of one record per line. Its records lie in the reader's own buffer, which
// has room for the longest record and its line end.
type lines struct {
	in *bufio.Reader
	n  int
}

func (l *lines) line() int { return l.n }

func (l *lines) next() ([]byte, error) {
	text, err := l.in.ReadSlice('\n')
	if err == io.EOF && len(text) > 0 {
		err = nil // the last line, without its end
	}
	if err != io.EOF {
		l.n++
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

// discard reads to the end of a line that is too long.
func (l *lines) discard() error {
	for {
		switch _, err := l.in.ReadSlice('\n'); {
		case err == nil || err == io.EOF:
			return errTooLong
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

// array is a source of the elements of one JSON array. It looks at brackets and strings only;
// whether an element is good JSON is for the parser to say.
type array struct {
	in    *bufio.Reader
	elem  []byte
	n     int // line ends seen
	begin int // line of elem
	state arrayState
}

type arrayState uint8

const (
	beforeArray  arrayState = iota
	firstElement            // after "[": an element or "]"
	nextElement             // after ",": an element
	afterElement            // after an element: "," or "]"
	afterArray              // only space
)

var (
	errArrayOpen  = errors.New("the file ends inside its JSON array: expected ]")
	errArrayAfter = errors.New("there is more after the end of the JSON array")
	errArrayComma = errors.New("expected , or ] after an element of the JSON array")
	errArrayEmpty = errors.New("expected an element of the JSON array before , or ]")
)

func (a *array) line() int { return max(a.begin, 1) }

// next returns the next element. Where the structure of the array itself is broken there is no
// place to go on from, so that ends the scan.
func (a *array) next() ([]byte, error) {
	for {
		c, err := a.skipSpace()
		if err == io.EOF && a.state != afterArray {
			return nil, errArrayOpen
		}
		if err != nil {
			return nil, err
		}
		a.begin = a.n + 1
		switch {
		case a.state == beforeArray: // c is the "[" that made this an array
			a.state = firstElement
		case a.state == afterArray:
			return nil, errArrayAfter
		case a.state == afterElement && c == ',':
			a.state = nextElement
		case a.state != nextElement && c == ']':
			a.state = afterArray
		case a.state == afterElement:
			return nil, errArrayComma
		case c == ',' || c == ']':
			return nil, errArrayEmpty
		default:
			if err := a.in.UnreadByte(); err != nil {
				return nil, err
			}
			a.state = afterElement
			return a.element()
		}
	}
}

// skipSpace returns the next byte that is not space.
func (a *array) skipSpace() (byte, error) {
	for {
		switch c, err := a.in.ReadByte(); {
		case err != nil:
			return 0, err
		case c == '\n':
			a.n++
		case c != ' ' && c != '\t' && c != '\r':
			return c, nil
		}
	}
}

// element reads one element up to the comma or bracket that ends it, which stays unread.
func (a *array) element() ([]byte, error) {
	a.elem = a.elem[:0]
	depth, inString, escaped, tooLong := 0, false, false, false
	for {
		c, err := a.in.ReadByte()
		if err == io.EOF {
			return nil, errArrayOpen
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
			a.n++
		}
		if tooLong = tooLong || len(a.elem) == MaxRecord; !tooLong {
			a.elem = append(a.elem, c)
		}
	}
}
