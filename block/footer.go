package block

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
)

// A block is a Parquet file like any other. So that a reader can trust what it reads without having
// read all of it, each row group has a checksum in the footer, and the footer has one in the manifest:
//
//	+------+-------------+-----+-------------+---------+-------------------+--------+------+
//	| PAR1 | row group 0 | ... | row group n | indexes | footer            | length | PAR1 |
//	+------+-------------+-----+-------------+---------+-------------------+--------+------+
//	|<- section 0 ------>|     |<-section n->|         |<- File.Footer -------------------->|
//	|<- File.CRC ------------------------------------------------------------------------->|
//
// Parquet's own checksums cover the compressed bytes of a page alone: not the page's header, and not
// the footer, where a flipped bit can make other numbers of the same pages.

// section is the bytes of a row group in the file; the first also has the file's first four.
type section struct {
	From, Length int64
	CRC          uint32
}

// sectionsKey is the footer's entry with the sections, a line each: from, length, CRC-32C in hex.
const sectionsKey = "flowd.row_groups"

// trailer is the length of the end of a Parquet file: four bytes of the footer's length, and its magic.
const trailer = 8

const magic = "PAR1"

func formatSections(sections []section) string {
	var b strings.Builder
	for _, s := range sections {
		fmt.Fprintf(&b, "%d %d %08x\n", s.From, s.Length, s.CRC)
	}
	return b.String()
}

// parseSections reads what formatSections wrote of a file of size bytes.
func parseSections(text string, size int64) ([]section, error) {
	var sections []section
	end := int64(0)
	for line := range strings.Lines(text) {
		var s section
		if _, err := fmt.Sscanf(line, "%d %d %x\n", &s.From, &s.Length, &s.CRC); err != nil {
			return nil, fmt.Errorf("%q is no row group: %w", line, err)
		}
		if s.From != end || s.Length <= 0 || s.Length > size-end {
			return nil, fmt.Errorf("row group %d has bytes %d to %d of %d", len(sections), s.From, s.From+s.Length, size)
		}
		end += s.Length
		sections = append(sections, s)
	}
	if again := formatSections(sections); again != text {
		return nil, fmt.Errorf("row groups %q are not in the form %q", text, again)
	}
	return sections, nil
}

// footerLength returns how many bytes before the trailer the footer of a file of size bytes takes.
func footerLength(last []byte, size int64) (int64, error) {
	if string(last[4:]) != magic {
		return 0, fmt.Errorf("the last bytes are %q, not %q", last[4:], magic)
	}
	length := int64(binary.LittleEndian.Uint32(last))
	if most := size - trailer - int64(len(magic)); length > most {
		return 0, fmt.Errorf("the footer has %d bytes, and there is room for %d", length, most)
	}
	return length, nil
}

// footerChecksum returns the CRC-32C of footer and trailer, with which tail ends.
func footerChecksum(tail []byte) (uint32, error) {
	if len(tail) < trailer {
		return 0, errors.New("block: the file has no footer")
	}
	length := int64(binary.LittleEndian.Uint32(tail[len(tail)-trailer:])) + trailer
	if length > int64(len(tail)) {
		return 0, fmt.Errorf("block: the footer has %d bytes, of which %d were seen", length, len(tail))
	}
	return crc32.Checksum(tail[int64(len(tail))-length:], castagnoli), nil
}
