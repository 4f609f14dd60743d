package format

// Source is the text of an answer, which is mostly one long list.
type Source interface {
	// Next appends more of the text, until dst has full bytes or more, or the text is at its end,
	// which it tells. After an error the text is not complete, and what was appended is worth
	// nothing.
	Next(dst []byte, full int) (_ []byte, more bool, err error)
	// Close is called once, when no more is wanted.
	Close()
}

// List writes rows one after the other.
type List[T any] struct {
	Punctuation
	// Write appends a row.
	Write func(row *T, dst []byte) []byte
	Rows  []T // not yet written
	// From has the rows that follow; it is nil if there are none.
	From Cursor[T]

	begun bool // Open is written
	comma bool // a row is written
}

// Cursor lends the rows of a list, some at a time.
type Cursor[T any] interface {
	// Next returns the next rows, lent until it is called again; none at the end, and with an error.
	Next() ([]T, error)
	Close()
}

// Punctuation is what stands before and behind a list, between its rows, and behind each of them.
// What is written with the last row has at most half the bytes of a row.
type Punctuation struct{ Open, Between, After, End string }

// Punctuate returns that of a format. Header is the first line of CSV.
func Punctuate(f Format, header string) Punctuation {
	switch f {
	case NDJSON:
		return Punctuation{After: "\n"}
	case CSV:
		return Punctuation{Open: header + lineEnd, After: lineEnd}
	}
	return Punctuation{Open: "[", Between: ",", End: "]"}
}

// lineEnd ends a line of CSV (RFC 4180).
const lineEnd = "\r\n"

// Next implements Source.
func (l *List[T]) Next(dst []byte, full int) ([]byte, bool, error) {
	if !l.begun {
		l.begun = true
		dst = append(dst, l.Open...)
	}
	for {
		if len(l.Rows) == 0 {
			if err := l.refill(); err != nil {
				return dst, false, err
			}
			if len(l.Rows) == 0 {
				return append(dst, l.End...), false, nil
			}
		}
		if len(dst) >= full {
			return dst, true, nil
		}
		if l.comma {
			dst = append(dst, l.Between...)
		}
		l.comma = true
		dst = append(l.Write(&l.Rows[0], dst), l.After...)
		l.Rows = l.Rows[1:]
	}
}

func (l *List[T]) refill() (err error) {
	if l.From != nil {
		l.Rows, err = l.From.Next()
	}
	return err
}

// Close implements Source.
func (l *List[T]) Close() {
	if l.From != nil {
		l.From.Close()
	}
}
