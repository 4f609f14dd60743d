package httpapi

import "bytes"

// encoding is how a body is compressed.
type encoding uint8

const (
	noEncoding encoding = iota
	gzipEncoding
	zstdEncoding
	encodingCount
)

// encodingNames are the words of Content-Encoding, and of metrics.
var encodingNames = [encodingCount]string{
	noEncoding: "identity", gzipEncoding: "gzip", zstdEncoding: "zstd",
}

// encodings are the words for them in headers.
var encodings = []struct {
	name     []byte
	encoding encoding
}{
	{[]byte("gzip"), gzipEncoding},
	{[]byte("zstd"), zstdEncoding},
	{[]byte("identity"), noEncoding},
	{[]byte("x-gzip"), gzipEncoding}, // the same by RFC 9110, 8.4.1.3
}

// encodingOf reads a Content-Encoding.
func encodingOf(contentEncoding []byte) (encoding, bool) {
	if len(contentEncoding) == 0 {
		return noEncoding, true
	}
	for _, e := range encodings {
		if bytes.EqualFold(contentEncoding, e.name) {
			return e.encoding, true
		}
	}
	return noEncoding, false
}

// acceptedEncoding returns what to compress an answer with for a header Accept-Encoding with these
// values: what is wanted most, and of those wanted equally zstd before gzip. An answer that is not
// compressed is what everybody gets who accepts neither, even if they say that they do not take it.
func acceptedEncoding(accept [][]byte) encoding {
	const unsaid = -1
	weights := [encodingCount]int{noEncoding: unsaid, gzipEncoding: unsaid, zstdEncoding: unsaid}
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
	best, most := noEncoding, 0
	for _, e := range [...]encoding{zstdEncoding, gzipEncoding, noEncoding} {
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

// takesGzip reports whether a client takes gzip: by its name, or else with all others.
func takesGzip(accept [][]byte) bool {
	others := 0
	for p := range preferences(accept) {
		switch {
		case bytes.EqualFold(p.name, []byte(encodingNames[gzipEncoding])):
			return p.weight > 0
		case string(p.name) == "*":
			others = p.weight
		}
	}
	return others > 0
}
