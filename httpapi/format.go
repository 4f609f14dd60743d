package httpapi

import (
	"bytes"
)

// format is how the rows of an answer are written.
type format uint8

const (
	anyFormat format = iota // as Accept says
	jsonFormat
	ndjsonFormat
	csvFormat
	formats
)

var formatNames = [formats]string{jsonFormat: "json", ndjsonFormat: "ndjson", csvFormat: "csv"}

// answerType is a media type that rows can be answered in.
type answerType struct {
	kind, name string // as Accept has them
	header     string // Content-Type
	format     format
}

// answerTypes are in the order in which they are taken where a client does not care. The first of
// each format is what format= gets.
var answerTypes = [...]answerType{
	{"application", "application/json", jsonType, jsonFormat},
	{"application", "application/x-ndjson", "application/x-ndjson", ndjsonFormat},
	{"application", "application/jsonl", "application/jsonl", ndjsonFormat},
	{"text", "text/csv", "text/csv; charset=utf-8", csvFormat},
}

const (
	acceptsAll  = 1 + iota // */*
	acceptsKind            // text/*
	acceptsType            // text/csv
)

// accepts tells how closely a range of Accept names t, 0 if it does not.
func (t *answerType) accepts(name []byte) int {
	switch kind, any := bytes.CutSuffix(name, []byte("/*")); {
	case any && string(kind) == "*":
		return acceptsAll
	case any && bytes.EqualFold(kind, []byte(t.kind)):
		return acceptsKind
	case bytes.EqualFold(name, []byte(t.name)):
		return acceptsType
	}
	return 0
}

// wish is what Accept says of a type: the words of the range that names it most closely.
type wish struct{ closeness, weight, at int }

// before reports whether w is to be granted rather than o: the type that is wanted more, among
// equals the one that was named more closely, and then the one that was named first.
func (w wish) before(o wish) bool {
	switch {
	case w.weight != o.weight:
		return w.weight > o.weight
	case w.closeness != o.closeness:
		return w.closeness > o.closeness
	}
	return w.at < o.at
}

// typeOf returns the type to answer a request in, whose headers Accept have these values. What the parameter format says goes before Accept, and
// who accepts none of the types gets JSON.
func typeOf(accept [][]byte, given format) *answerType {
	if given == anyFormat {
		return acceptedType(accept)
	}
	for i := range answerTypes {
		if answerTypes[i].format == given {
			return &answerTypes[i]
		}
	}
	return &answerTypes[0]
}

// acceptedType returns the type that a header Accept with these values asks for.
func acceptedType(accept [][]byte) *answerType {
	var wishes [len(answerTypes)]wish
	at := 0
	for p := range preferences(accept) {
		at++
		for i := range wishes {
			if c := answerTypes[i].accepts(p.name); c > wishes[i].closeness {
				wishes[i] = wish{c, p.weight, at}
			}
		}
	}
	best := 0
	for i := range wishes {
		if wishes[i].before(wishes[best]) {
			best = i
		}
	}
	if wishes[best].weight == 0 {
		best = 0
	}
	return &answerTypes[best]
}
