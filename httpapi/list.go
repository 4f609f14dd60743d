package httpapi

// source is the text of an answer, which is mostly one long list.
type source interface {
	// next appends more of the text, until dst has full bytes or more, or the text is at its end,
	// which it tells. After an error the text is not complete, and what was appended is worth
	// nothing.
	next(dst []byte, full int) (_ []byte, more bool, err error)
	// close is called once, when no more is wanted.
	close()
}

// list writes rows one after the other.
type list[T any] struct {
	punctuation
	// write appends a row.
	write func(row *T, dst []byte) []byte
	rows  []T // not yet written
	// from has the rows that follow; it is nil if there are none.
	from rowCursor[T]

	begun bool // open is written
	comma bool // a row is written
}

// rowCursor lends the rows of a list, some at a time.
type rowCursor[T any] interface {
	// next returns the next rows, lent until it is called again; none at the end, and with an error.
	next() ([]T, error)
	close()
}

// punctuation is what stands before and behind a list, between its rows, and behind each of them.
// What is written with the last row is at most as much as half a row.
type punctuation struct{ open, between, after, end string }

// punctuate returns that of a format. Header is the first line of CSV.
func punctuate(f format, header string) punctuation {
	switch f {
	case ndjsonFormat:
		return punctuation{after: "\n"}
	case csvFormat:
		return punctuation{open: header + lineEnd, after: lineEnd}
	}
	return punctuation{open: "[", between: ",", end: "]"}
}

// lineEnd ends a line of CSV (RFC 4180).
const lineEnd = "\r\n"

func (l *list[T]) next(dst []byte, full int) ([]byte, bool, error) {
	if !l.begun {
		l.begun = true
		dst = append(dst, l.open...)
	}
	for {
		if len(l.rows) == 0 {
			if err := l.refill(); err != nil {
				return dst, false, err
			}
			if len(l.rows) == 0 {
				return append(dst, l.end...), false, nil
			}
		}
		if len(dst) >= full {
			return dst, true, nil
		}
		if l.comma {
			dst = append(dst, l.between...)
		}
		l.comma = true
		dst = append(l.write(&l.rows[0], dst), l.after...)
		l.rows = l.rows[1:]
	}
}

func (l *list[T]) refill() (err error) {
	if l.from != nil {
		l.rows, err = l.from.next()
	}
	return err
}

func (l *list[T]) close() {
	if l.from != nil {
		l.from.close()
	}
}
