// Package format has the forms in which flowd answers: JSON, NDJSON and CSV, and their encodings. It finds the one that
// a client prefers, and writes rows in it.
package format

import (
	"bytes"
)

// Format is how the rows of an answer are written.
type Format uint8

const (
	Any Format = iota // as Accept says
	JSON
	NDJSON
	CSV
	count
)

// JSONType is the media type of JSON.
const JSONType = "application/json"

// Names are the values of the parameter format. Any has none.
var Names = [count]string{JSON: "json", NDJSON: "ndjson", CSV: "csv"}

// Type is a media type that rows can be answered in.
type Type struct {
	kind, Name string // as Accept has them
	Header     string // Content-Type
	Format     Format
}

// types are in the order in which they are taken where a client does not care. The first of
// each format is what format= gets.
var types = [...]Type{
	{"application", "application/json", JSONType, JSON},
	{"application", "application/x-ndjson", "application/x-ndjson", NDJSON},
	{"application", "application/jsonl", "application/jsonl", NDJSON},
	{"text", "text/csv", "text/csv; charset=utf-8", CSV},
}

const (
	acceptsAll  = 1 + iota // */*
	acceptsKind            // text/*
	acceptsType            // text/csv
)

// accepts tells how closely a range of Accept names t, 0 if it does not.
func (t *Type) accepts(name []byte) int {
	switch kind, any := bytes.CutSuffix(name, []byte("/*")); {
	case any && string(kind) == "*":
		return acceptsAll
	case any && bytes.EqualFold(kind, []byte(t.kind)):
		return acceptsKind
	case bytes.EqualFold(name, []byte(t.Name)):
		return acceptsType
	}
	return 0
}

// rank is what Accept says of a type: the words of the range that names it most closely.
type rank struct{ closeness, weight, at int }

// before reports whether w is to be granted rather than o: the type that is wanted more, among
// equals the one that was named more closely, and then the one that was named first.
func (w rank) before(o rank) bool {
	switch {
	case w.weight != o.weight:
		return w.weight > o.weight
	case w.closeness != o.closeness:
		return w.closeness > o.closeness
	}
	return w.at < o.at
}

// TypeOf returns the type to answer a request in, whose headers Accept have these values. What the parameter format says goes before Accept, and
// a client that accepts no known type gets JSON.
func TypeOf(accept [][]byte, given Format) *Type {
	if given == Any {
		return acceptedType(accept)
	}
	for i := range types {
		if types[i].Format == given {
			return &types[i]
		}
	}
	return &types[0]
}

// acceptedType returns the type that a header Accept with these values asks for.
func acceptedType(accept [][]byte) *Type {
	var wishes [len(types)]rank
	at := 0
	for p := range preferences(accept) {
		at++
		for i := range wishes {
			if c := types[i].accepts(p.name); c > wishes[i].closeness {
				wishes[i] = rank{c, p.weight, at}
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
	return &types[best]
}
