package flowfile

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
)

// Format is the format of a file's records.
type Format string

const (
	// Auto detects the format from the start of the file.
	Auto Format = ""
	// Zeek is a Zeek conn.log in its own TSV form with header lines.
	Zeek Format = "zeek"
	// ZeekJSON is a Zeek conn.log with one JSON object per line, or an array of them.
	ZeekJSON Format = "zeek-json"
	// VPC is AWS VPC Flow Logs: version 2 in its default order, or any fields in any order with a header
	// line.
	VPC Format = "vpc"
	// NDJSON is flows in flowd's own fields, one object per line or an array of them.
	NDJSON Format = "ndjson"
	// CSV is flows in flowd's own fields with a header line.
	CSV Format = "csv"
)

func (f Format) isJSON() bool { return f == ZeekJSON || f == NDJSON }

// parser returns the parser and the schema of the format.
func (f Format) parser(vpc string) (parser, *schema) {
	switch f {
	case Zeek:
		return newZeekParser(vpc)
	case ZeekJSON:
		return newZeekJSONParser(vpc)
	case VPC:
		return newVPCParser(vpc)
	case CSV:
		return newCSVParser(vpc)
	default:
		return newNDJSONParser(vpc)
	}
}

// decompress returns the content of r, decompressed if it starts with the gzip magic. Concatenated gzip
// files read as one.
func decompress(r io.Reader) (io.Reader, error) {
	buf := bufio.NewReader(r)
	magic, err := buf.Peek(2)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return buf, nil
	}
	return gzip.NewReader(buf)
}

// maxHead bounds the part of a file that detection reads, in bytes.
const maxHead = 64 << 10

// peekHead returns the start of the file without its byte order mark and leading white space: a line, or
// a JSON array up to the end of its first object. It does not wait for more than that, so a pipe is read
// as its data arrives. It returns an empty head for an empty file.
func peekHead(buf *bufio.Reader) ([]byte, error) {
	if bom, _ := buf.Peek(3); bytes.Equal(bom, []byte("\xef\xbb\xbf")) {
		if _, err := buf.Discard(3); err != nil {
			return nil, err
		}
	}
	for n := 1; ; n = buf.Buffered() + 1 {
		_, err := buf.Peek(n)
		if err != nil && err != io.EOF {
			return nil, err
		}
		all, _ := buf.Peek(buf.Buffered())
		head := bytes.TrimLeft(all, " \t\r\n")
		if err == io.EOF || len(all) >= maxHead {
			return head, nil
		}
		if len(head) > 0 && bytes.IndexByte(head, headTerminator(head[0])) >= 0 {
			return head, nil
		}
	}
}

// headTerminator returns the byte that ends the head, given its first byte.
func headTerminator(first byte) byte {
	if first == '[' {
		return '}'
	}
	return '\n'
}

// detect returns the format of a file that starts with head. An empty file is valid in any format.
func detect(head []byte) (Format, error) {
	if len(head) == 0 {
		return NDJSON, nil
	}
	if head[0] == '{' || head[0] == '[' {
		if bytes.Contains(head, []byte(`"id.orig_h"`)) {
			return ZeekJSON, nil
		}
		return NDJSON, nil
	}
	line, _, _ := bytes.Cut(head, []byte{'\n'})
	line = bytes.TrimSuffix(line, []byte{'\r'})
	switch {
	case head[0] == '#':
		return Zeek, nil
	case looksLikeVPC(line):
		return VPC, nil
	case bytes.Contains(line, []byte("src_app")):
		return CSV, nil
	}
	return Auto, fmt.Errorf("%q does not begin like a known format (%s, %s, %s, %s, %s)",
		line[:min(len(line), maxValue)], Zeek, ZeekJSON, VPC, NDJSON, CSV)
}
