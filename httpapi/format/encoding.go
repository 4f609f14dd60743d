package format

import "bytes"

// Encoding is how a body is compressed.
type Encoding uint8

const (
	Identity Encoding = iota
	Gzip
	Zstd
	Encodings
)

// EncodingNames are the words of Content-Encoding, and of metrics.
var EncodingNames = [Encodings]string{
	Identity: "identity", Gzip: "gzip", Zstd: "zstd",
}

// encodings are the words for them in headers.
var encodings = []struct {
	name     []byte
	encoding Encoding
}{
	{[]byte("gzip"), Gzip},
	{[]byte("zstd"), Zstd},
	{[]byte("identity"), Identity},
	{[]byte("x-gzip"), Gzip}, // the same by RFC 9110, 8.4.1.3
}

// EncodingOf reads a Content-Encoding.
func EncodingOf(contentEncoding []byte) (Encoding, bool) {
	if len(contentEncoding) == 0 {
		return Identity, true
	}
	for _, e := range encodings {
		if bytes.EqualFold(contentEncoding, e.name) {
			return e.encoding, true
		}
	}
	return Identity, false
}

// AcceptedEncoding returns what to compress an answer with for a header Accept-Encoding with these
// values: what is wanted most, and of those wanted equally zstd before gzip. An answer that is not
// compressed is what a client gets that accepts neither, even if it says that it does not take that.
func AcceptedEncoding(accept [][]byte) Encoding {
	const unsaid = -1
	weights := [Encodings]int{Identity: unsaid, Gzip: unsaid, Zstd: unsaid}
	others := unsaid
	for p := range preferences(accept) {
		if string(p.name) == "*" {
			others = p.weight
			continue
		}
		for _, known := range encodings {
			if bytes.EqualFold(p.name, known.name) {
				weights[known.encoding] = max(weights[known.encoding], p.weight)
			}
		}
	}
	best, most := Identity, 0
	for _, e := range [...]Encoding{Zstd, Gzip, Identity} {
		weight := weights[e]
		if weight == unsaid {
			weight = others
		}
		if weight > most {
			best, most = e, weight
		}
	}
	return best
}

// TakesGzip reports whether a client takes gzip: by its name, or else with all others.
func TakesGzip(accept [][]byte) bool {
	others := 0
	for p := range preferences(accept) {
		switch {
		case bytes.EqualFold(p.name, []byte(EncodingNames[Gzip])):
			return p.weight > 0
		case string(p.name) == "*":
			others = p.weight
		}
	}
	return others > 0
}
