package client

import (
	"bytes"
	"fmt"
	"hash/crc32"
)

// A batch is a file of its own in the folder, so that what was answered for is gone by removing it:
//
//	00000000000000000042.batch      the number of the batch in the order of this folder
//
//	flowd-batch 1 crc32c=9ae0daaf length=8123 flows=100 encoding=gzip seq=17 agent=web-1.7QXEW3A5ZB2LD\n
//	body                            as it is sent: a JSON array, compressed if encoding says so
//
// The checksum is that of all behind it: the line from " length" on, and the body. Length is that of
// the body in bytes. The agent's name is the last, as it may have any visible character. Sequence and
// name are those that the server gets, so the batch keeps them whoever sends it.
//
// The other files are
//
//	LOCK                            one client at a time
//	AGENT                           flowd-agent 1 crc32c=... next=65537 agent=web-1.7QXEW3A5ZB2LD\n
//	*.unfinished                    a file that is being written; renamed once it is whole
//	refused/                        batches that the server refused, in the same form
const (
	batchMagic  = "flowd-batch "
	batchForm   = "flowd-batch 1 %s"
	headForm    = " length=%d flows=%d encoding=%s seq=%d agent=%s\n"
	maxHead     = 256
	sumLength   = len("crc32c=") + 8
	headVersion = "1 "
)

// castagnoli is the table of the checksums.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksumText(parts ...[]byte) string {
	sum := uint32(0)
	for _, part := range parts {
		sum = crc32.Update(sum, castagnoli, part)
	}
	return fmt.Sprintf("crc32c=%08x", sum)
}

// encodings are the names of encodings in a file.
var encodings = map[Encoding]string{Plain: "none", Gzip: "gzip", Zstandard: "zstd"}

// versionError is a file that another version of this package wrote.
type versionError struct{ file string }

func (e *versionError) Error() string {
	return "client: " + e.file + " was written by another version of the client, which this one cannot read; " +
		"send it with that version first, or move it away"
}

// formatBatch returns the file of a batch.
func formatBatch(p *parcel, body []byte) []byte {
	head := fmt.Appendf(nil, headForm, len(body), p.flows, encodings[p.encoding], p.seq, p.agent)
	file := make([]byte, 0, len(batchForm)+sumLength+len(head)+len(body))
	file = fmt.Appendf(file, batchForm, checksumText(head, body))
	file = append(file, head...)
	return append(file, body...)
}

// batchHead is the first line of a batch's file.
type batchHead struct {
	parcel parcel
	sum    string
	line   []byte // what the sum is of
	size   int    // of the whole line
	length int    // of the body
}

// parseHead reads the first line of a file, which text begins with. Wrong says what is wrong with it.
func parseHead(text []byte) (h batchHead, wrong string) {
	rest, ok := bytes.CutPrefix(text, []byte(batchMagic))
	if !ok {
		return h, "does not begin with " + batchMagic
	}
	if version, _, whole := bytes.Cut(rest, []byte{' '}); whole && isNumber(version) && string(version) != "1" {
		return h, wrongVersion
	}
	end := bytes.IndexByte(text, '\n') + 1
	from := len(batchMagic) + len(headVersion) + sumLength
	if !bytes.HasPrefix(rest, []byte(headVersion)) || end <= from {
		return h, "has no whole first line"
	}
	h.sum, h.line, h.size = string(text[from-sumLength:from]), text[from:end], end
	var encoding string
	p := &h.parcel
	if _, err := fmt.Sscanf(string(h.line), headForm, &h.length, &p.flows, &encoding, &p.seq, &p.agent); err != nil {
		return h, "has a first line that cannot be read: " + err.Error()
	}
	for e, name := range encodings {
		if name == encoding {
			p.encoding = e
			again := fmt.Appendf(nil, headForm, h.length, p.flows, encoding, p.seq, p.agent)
			if !bytes.Equal(again, h.line) || h.length < 0 || p.flows < 1 || p.seq < 1 {
				break
			}
			return h, ""
		}
	}
	return h, "has a first line that no client writes"
}

func isNumber(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(text) > 0
}

// wrongVersion is what parseHead finds wrong with a file of another version.
const wrongVersion = "is of another version"

// parseBatch returns the body of a file, which shares its memory, or what is wrong with it.
func parseBatch(text []byte) (h batchHead, body []byte, wrong string) {
	h, wrong = parseHead(text)
	if wrong != "" {
		return h, nil, wrong
	}
	body = text[h.size:]
	if len(body) != h.length {
		return h, nil, fmt.Sprintf("has a body of %d bytes, its first line says %d", len(body), h.length)
	}
	if sum := checksumText(h.line, body); sum != h.sum {
		return h, nil, fmt.Sprintf("has the checksum %s, its first line says %s", sum, h.sum)
	}
	return h, body, ""
}
