package client

import (
	"bytes"
	"fmt"
	"hash/crc32"
)

// Each batch is a file of its own in the folder, so that removing the file completes the batch:
//
//	00000000000000000042.batch      the number of the batch in the order of this folder
//
//	flowd-batch 1 crc32c=9ae0daaf length=8123 flows=100 encoding=gzip seq=17 agent=web-1.7QXEW3A5ZB2LD\n
//	body                            as it is sent: a JSON array, compressed according to encoding
//
// The checksum covers everything after it: the line from " length" on, and the body. length is the
// length of the body in bytes. agent comes last, since it may contain any visible character. seq and
// agent are those that the server sees, so a later client sends the batch under the same ones.
//
// The other files are
//
//	LOCK                            one client at a time
//	AGENT                           flowd-agent 1 crc32c=... next=65537 agent=web-1.7QXEW3A5ZB2LD\n
//	*.unfinished                    a file that is being written; renamed once it is complete
//	refused/                        batches that the server refused, in the same format
const (
	batchMagic     = "flowd-batch "
	batchFormat    = "flowd-batch 1 %s"
	headFormat     = " length=%d flows=%d encoding=%s seq=%d agent=%s\n"
	maxHead        = 256
	checksumLength = len("crc32c=") + 8
	headVersion    = "1 "
)

// castagnoli is the CRC-32C table of the checksums.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(parts ...[]byte) string {
	sum := uint32(0)
	for _, part := range parts {
		sum = crc32.Update(sum, castagnoli, part)
	}
	return fmt.Sprintf("crc32c=%08x", sum)
}

// encodings maps encodings to their names in a file.
var encodings = map[Encoding]string{Plain: "none", Gzip: "gzip", Zstandard: "zstd"}

// versionError tells that another version of this package wrote a file.
type versionError struct{ file string }

func (e *versionError) Error() string {
	return "client: " + e.file + " was written by another version of the client, which this one cannot read; " +
		"send it with that version first, or move it away"
}

// formatBatch returns the content of a batch's file.
func formatBatch(b *sealedBatch, body []byte) []byte {
	head := fmt.Appendf(nil, headFormat, len(body), b.flows, encodings[b.encoding], b.seq, b.agent)
	file := make([]byte, 0, len(batchFormat)+checksumLength+len(head)+len(body))
	file = fmt.Appendf(file, batchFormat, checksum(head, body))
	file = append(file, head...)
	return append(file, body...)
}

// batchHead is the first line of a batch's file.
type batchHead struct {
	batch     sealedBatch
	checksum  string
	fields    []byte // the part of the line that the checksum covers
	lineBytes int    // length of the whole line
	bodyBytes int    // length of the body
}

// parseHead parses the first line of a file that begins with data. problem explains a line that is not
// valid; otherwise it is empty.
func parseHead(data []byte) (h batchHead, problem string) {
	rest, ok := bytes.CutPrefix(data, []byte(batchMagic))
	if !ok {
		return h, "does not begin with " + batchMagic
	}
	if version, _, whole := bytes.Cut(rest, []byte{' '}); whole && isNumber(version) && string(version) != "1" {
		return h, unknownVersion
	}
	end := bytes.IndexByte(data, '\n') + 1
	fieldsStart := len(batchMagic) + len(headVersion) + checksumLength
	if !bytes.HasPrefix(rest, []byte(headVersion)) || end <= fieldsStart {
		return h, "has an incomplete first line"
	}
	h.checksum, h.fields, h.lineBytes = string(data[fieldsStart-checksumLength:fieldsStart]), data[fieldsStart:end], end
	var encoding string
	b := &h.batch
	if _, err := fmt.Sscanf(string(h.fields), headFormat, &h.bodyBytes, &b.flows, &encoding, &b.seq, &b.agent); err != nil {
		return h, "has a first line that cannot be read: " + err.Error()
	}
	for e, name := range encodings {
		if name == encoding {
			b.encoding = e
			rewritten := fmt.Appendf(nil, headFormat, h.bodyBytes, b.flows, encoding, b.seq, b.agent)
			if !bytes.Equal(rewritten, h.fields) || h.bodyBytes < 0 || b.flows < 1 || b.seq < 1 {
				break
			}
			return h, ""
		}
	}
	return h, "has a first line that is not valid"
}

func isNumber(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(text) > 0
}

// unknownVersion is the problem that parseHead returns for a file of another version.
const unknownVersion = "is of another version"

// parseBatch returns the head and the body of a file; body shares data's memory. problem explains a file
// that is not valid; otherwise it is empty.
func parseBatch(data []byte) (h batchHead, body []byte, problem string) {
	h, problem = parseHead(data)
	if problem != "" {
		return h, nil, problem
	}
	body = data[h.lineBytes:]
	if len(body) != h.bodyBytes {
		return h, nil, fmt.Sprintf("has a body of %d bytes, its first line says %d", len(body), h.bodyBytes)
	}
	if sum := checksum(h.fields, body); sum != h.checksum {
		return h, nil, fmt.Sprintf("has the checksum %s, its first line says %s", sum, h.checksum)
	}
	return h, body, ""
}
