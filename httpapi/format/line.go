package format

import (
	"bytes"
	"strconv"
	"strings"

	"flowd/flow"
)

// Line is how the fields of a row are written: as the members of a JSON object, or as the values of
// a line of CSV.
type Line struct {
	csv    bool
	before []string // each field
	Header string   // the names of the fields, as CSV has them in its first line
	end    string
}

// NewLine returns the line of a format with these fields.
func NewLine(f Format, fields ...string) *Line {
	l := &Line{csv: f == CSV, before: make([]string, len(fields)), Header: strings.Join(fields, ",")}
	for i, name := range fields {
		switch {
		case l.csv && i > 0:
			l.before[i] = ","
		case !l.csv && i == 0:
			l.before[i] = `{"` + name + `":`
		case !l.csv:
			l.before[i] = `,"` + name + `":`
		}
	}
	if !l.csv {
		l.end = "}"
	}
	return l
}

// LineWriter appends a row, field by field.
type LineWriter struct {
	line *Line
	dst  []byte
	at   int // the number of the next field
}

// Begin begins a row, which is appended to dst.
func (l *Line) Begin(dst []byte) LineWriter { return LineWriter{line: l, dst: dst} }

// Finish ends the row, and returns dst with it.
func (w *LineWriter) Finish() []byte { return append(w.dst, w.line.end...) }

func (w *LineWriter) next() {
	w.dst = append(w.dst, w.line.before[w.at]...)
	w.at++
}

// Names writes those of k's names that are in which.
func (w *LineWriter) Names(k flow.Key, which flow.Fields) {
	src, dest, vpc := k.Names()
	for f, name := range [flow.FieldCount][]byte{src, dest, vpc} {
		if which.Has(flow.Field(f)) {
			w.Name(name)
		}
	}
}

// Name writes a name of a flow, which is valid UTF-8 without control characters.
func (w *LineWriter) Name(name []byte) {
	w.next()
	if w.line.csv {
		w.dst = appendCSV(w.dst, name)
	} else {
		w.dst = AppendJSON(w.dst, name)
	}
}

// Number writes a number.
func (w *LineWriter) Number(n uint64) {
	w.next()
	w.dst = strconv.AppendUint(w.dst, n, 10)
}

// Sum writes a number of any size, or its negative.
func (w *LineWriter) Sum(negative bool, n flow.Sum) {
	w.next()
	if negative {
		w.dst = append(w.dst, '-')
	}
	w.dst = AppendSum(w.dst, n)
}

// Word writes a word of ours, which nothing in needs to be escaped.
func (w *LineWriter) Word(word string) {
	w.next()
	if w.line.csv {
		w.dst = append(w.dst, word...)
		return
	}
	w.dst = append(append(append(w.dst, '"'), word...), '"')
}

// AppendJSON appends a name as a JSON string.
func AppendJSON[S string | []byte](dst []byte, name S) []byte {
	dst = append(dst, '"')
	for i := range len(name) {
		c := name[i]
		if c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

// appendCSV appends a name as a value of CSV, in quotes where it must be.
func appendCSV(dst, name []byte) []byte {
	if bytes.IndexByte(name, ',') < 0 && bytes.IndexByte(name, '"') < 0 {
		return append(dst, name...)
	}
	dst = append(dst, '"')
	for _, c := range name {
		if c == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

// AppendSum appends s in decimal. Hardly any is as large as 2^64.
func AppendSum(dst []byte, s flow.Sum) []byte {
	if s.Hi == 0 {
		return strconv.AppendUint(dst, s.Lo, 10)
	}
	return append(dst, s.String()...)
}
