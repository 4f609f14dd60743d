package httpapi

import (
	"bytes"
	"strconv"
	"strings"

	"flowd/flow"
)

// line is how the fields of a row are written: as the members of a JSON object, or as the values of
// a line of CSV.
type line struct {
	csv    bool
	before []string // each field
	header string   // the names of the fields, as CSV has them in its first line
	end    string
}

// newLine returns the line of a format with these fields.
func newLine(f format, fields ...string) *line {
	l := &line{csv: f == csvFormat, before: make([]string, len(fields)), header: strings.Join(fields, ",")}
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

// lineWriter appends a row, field by field.
type lineWriter struct {
	line *line
	dst  []byte
	at   int // the number of the next field
}

func (l *line) begin(dst []byte) lineWriter { return lineWriter{line: l, dst: dst} }

func (w *lineWriter) finish() []byte { return append(w.dst, w.line.end...) }

func (w *lineWriter) next() {
	w.dst = append(w.dst, w.line.before[w.at]...)
	w.at++
}

// names writes those of k's names that are in which.
func (w *lineWriter) names(k flow.Key, which flow.Fields) {
	src, dest, vpc := k.Names()
	for f, name := range [flow.FieldCount][]byte{src, dest, vpc} {
		if which.Has(flow.Field(f)) {
			w.name(name)
		}
	}
}

// name writes a name of a flow, which is valid UTF-8 without control characters.
func (w *lineWriter) name(name []byte) {
	w.next()
	if w.line.csv {
		w.dst = appendCSV(w.dst, name)
	} else {
		w.dst = appendJSON(w.dst, name)
	}
}

func (w *lineWriter) number(n uint64) {
	w.next()
	w.dst = strconv.AppendUint(w.dst, n, 10)
}

// sum writes a number of any size, or its negative.
func (w *lineWriter) sum(negative bool, n flow.Sum) {
	w.next()
	if negative {
		w.dst = append(w.dst, '-')
	}
	w.dst = appendSum(w.dst, n)
}

// word writes a word of ours, which nothing in needs to be escaped.
func (w *lineWriter) word(word string) {
	w.next()
	if w.line.csv {
		w.dst = append(w.dst, word...)
		return
	}
	w.dst = append(append(append(w.dst, '"'), word...), '"')
}

// appendJSON appends a name as a JSON string.
func appendJSON[S string | []byte](dst []byte, name S) []byte {
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
