package flowfile

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
)

// Format is what the records of a file look like.
type Format string

const (
	// Auto detects the format from the beginning of the file.
	Auto Format = ""
	// Zeek is a Zeek conn.log in its own TSV form with header lines.
	Zeek Format = "zeek"
	// ZeekJSON is a Zeek conn.log with one JSON object per line, or an array of them.
	ZeekJSON Format = "zeek-json"
	// VPC is AWS VPC Flow Logs: version 2 in its default order, or any order and further
	// fields with a header line.
	VPC Format = "vpc"
	// NDJSON is flows in this program's own fields, one object per line or an array of them.
	NDJSON Format = "ndjson"
	// CSV is flows in this program's own fields with a header line.
	CSV Format = "csv"
)

func (f Format) isJSON() bool { return f == ZeekJSON || f == NDJSON }

// parser returns the two parts that know the format.
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

// unpack returns what r holds, unpacked if it begins like gzip. Several gzip files behind one
// another read as one.
func unpack(r io.Reader) (io.Reader, error) {
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

// maxHead is how far detection looks.
const maxHead = 64 << 10

// peekHead returns the beginning of the file without its byte order mark and leading space: a
// line, or of a JSON array up to where its first object ends. It waits for no more than that,
// so that a pipe is served as it comes. It is empty if the file is.
func peekHead(buf *bufio.Reader) ([]byte, error) {
	if mark, _ := buf.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
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
		if len(head) > 0 && bytes.IndexByte(head, headEnd(head[0])) >= 0 {
			return head, nil
		}
	}
}

// headEnd is the byte that ends what detection needs of a head which begins with first.
func headEnd(first byte) byte {
	if first == '[' {
		return '}'
	}
	return '\n'
}

// detect tells the format of a file that begins with head. An empty file is good in any
// format, and has no flows.
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
	return Auto, fmt.Errorf("%q begins none of the known formats (%s, %s, %s, %s, %s)",
		line[:min(len(line), maxValue)], Zeek, ZeekJSON, VPC, NDJSON, CSV)
}
