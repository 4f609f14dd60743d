package manifest

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/goccy/go-json"

	"flowd/block"
)

// The manifest is a line about the rest, and the rest as JSON that people can read:
//
//	flowd-manifest 2 length 00001234 crc32c 89abcdef\n
//	{\n  "generation": 7, ...\n}\n
//
// Every version has this first line: the format's version, the bytes that follow it, and the CRC-32C
// of the line without its last nine bytes, and of the lines that follow. So damage is told from a newer
// version, whatever that changed: a flipped bit in the 2 fails the checksum.
//
// Version 2 has the trusted clock, who opened an hour, and which hours expired. Version 1, which is
// read too, is the same without them.
const (
	newestVersion = 2
	firstVersion  = 1
	firstLine     = "flowd-manifest %d length %08d crc32c "
	checksumForm  = "%08x\n"
)

func format(m *Manifest) ([]byte, error) {
	if reason := m.fault(); reason != "" {
		return nil, fmt.Errorf("manifest: manifest of generation %d: %s", m.Generation, reason)
	}
	if m.Clock == nil {
		return nil, fmt.Errorf("manifest: manifest of generation %d: it has no clock", m.Generation)
	}
	form := formOf(m)
	body, err := form.marshal()
	if err != nil {
		return nil, fmt.Errorf("manifest: manifest of generation %d: %w", m.Generation, err)
	}
	return seal(newestVersion, body), nil
}

// seal puts the first line before body.
func seal(version uint64, body []byte) []byte {
	head := fmt.Sprintf(firstLine, version, len(body))
	head += fmt.Sprintf(checksumForm, checksum(head, body))
	return append([]byte(head), body...)
}

// castagnoli is the polynomial of CRC-32C, which processors compute themselves.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(head string, body []byte) uint32 {
	return crc32.Update(crc32.Checksum([]byte(head), castagnoli), castagnoli, body)
}

// parse reads what format wrote.
func parse(text []byte) (*Manifest, error) {
	version, body, err := unseal(text)
	if err != nil {
		return nil, err
	}
	if version > newestVersion {
		return nil, &NewerError{Found: version, Known: newestVersion}
	}
	if version < firstVersion {
		return nil, corrupt("format %d was never written", version)
	}
	return parseBody(version, body)
}

// unseal returns the version and what follows the first line.
func unseal(text []byte) (version uint64, body []byte, err error) {
	if len(text) == 0 {
		return 0, nil, corrupt("it is empty")
	}
	line, body, found := bytes.Cut(text, []byte("\n"))
	var length uint64
	var crc uint32
	head := ""
	if found {
		if n, _ := fmt.Sscanf(string(line)+"\n", firstLine+checksumForm, &version, &length, &crc); n == 3 {
			head = fmt.Sprintf(firstLine, version, length)
		}
	}
	// Sscanf is lenient about spaces, signs and zeros; what is written has one form.
	if head == "" || head+fmt.Sprintf(checksumForm, crc) != string(line)+"\n" {
		return 0, nil, corrupt("its first line is %.80q, not of the form %q", line,
			"flowd-manifest 2 length 00001234 crc32c 89abcdef")
	}
	if length != uint64(len(body)) {
		return 0, nil, corrupt("%d bytes follow the first line, which says %d", len(body), length)
	}
	if found := checksum(head, body); found != crc {
		return 0, nil, corrupt("it has checksum %08x, and its first line says %08x", found, crc)
	}
	return version, body, nil
}

func parseBody(version uint64, body []byte) (*Manifest, error) {
	var form manifestForm
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	err := guardJSON(func() error { return decoder.Decode(&form) })
	if err != nil {
		return nil, corrupt("its JSON does not fit format %d: %s", version, strings.TrimSpace(err.Error()))
	}
	if (version == firstVersion) != (form.Clock == nil) {
		return nil, corrupt("format %d with or without a clock: one of format 1 has none, and any later one has one", version)
	}
	m := form.manifest()
	if reason := m.fault(); reason != "" {
		return nil, corrupt("%s", reason)
	}
	return m, nil
}

// guardJSON calls f, which decodes bytes whose checksum is right: should the decoder panic all the same,
// the server says which file it was.
func guardJSON(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("not readable as JSON: %v", p)
		}
	}()
	return f()
}

func corrupt(format string, values ...any) error {
	return &block.CorruptError{Name: Name, Offset: -1, Reason: fmt.Sprintf(format, values...)}
}

// fault says what is wrong with m, or nothing.
func (m *Manifest) fault() string {
	for i := range m.Hours {
		e := &m.Hours[i]
		if i > 0 && m.Hours[i-1].Hour >= e.Hour {
			return fmt.Sprintf("hour %d comes after hour %d", e.Hour, m.Hours[i-1].Hour)
		}
		if e.Block == (block.File{}) {
			continue
		}
		hour, generation, err := e.Block.Hour()
		if err != nil || hour != e.Hour {
			return fmt.Sprintf("hour %d has the file %q", e.Hour, e.Block.Name)
		}
		if generation > m.Generation {
			return fmt.Sprintf("generation %d has the file %q of a later one", m.Generation, e.Block.Name)
		}
	}
	for i, r := range m.Expired {
		if r.From > r.To || i > 0 && m.Expired[i-1].To >= r.From {
			return fmt.Sprintf("the expired hours %d to %d are not in order", r.From, r.To)
		}
	}
	if !json.Valid(m.Log) {
		return "it has no position of the log"
	}
	if m.Windows != nil && !isWindows(m.Windows.Name) {
		return fmt.Sprintf("the dedupe windows have the file %q", m.Windows.Name)
	}
	return ""
}
