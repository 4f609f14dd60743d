package flow

import (
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// A record is what the log keeps of a batch: when it came, what names it, and its flows.
//
//	+---------+------+-----------+----------------+------------------+---------------+-------+
//	| version | kind | unixMilli | length, client | name of the kind | fingerprint   | flows |
//	|  1, 2   |      |  varint   | uvarint, bytes |                  | version 2: 8  |       |
//	+---------+------+-----------+----------------+------------------+---------------+-------+
//
//	kind 0: no name
//	kind 1: length (uvarint), key
//	kind 2: length (uvarint), agent, seq (uvarint)
//
// Version 2 is that of a batch of which some flows were folded (Batch.Fold): the flows are those that count,
// and the fingerprint, little-endian, that of the flows as they came, which is what tells whether the
// batch comes again.
//
// Varints are those of encoding/binary in their shortest form. The flows are drawn at
// AppendFlows. A record has no checksum and does not tell its own length: the log does both.
const (
	recordVersion = 1
	foldedVersion = 2

	kindUnnamed = 0
	kindKey     = 1
	kindAgent   = 2
)

// RecordHead is a record without its flows unpacked.
type RecordHead struct {
	// UnixMilli is when the batch came, in milliseconds since 1970 by the clock of the server.
	UnixMilli int64
	// Origin names the batch. Its strings are copies.
	Origin Origin
	// Folded says that some flows were folded.
	Folded bool
	// Print is the fingerprint of the flows as they came, if Folded is set.
	Print uint64
	// Flows is what ReadFlows reads, to the end of the record, and shares its memory.
	Flows []byte
}

// AppendRecord appends the record that head is of. Its Origin must pass Check, and its Flows be from
// AppendFlows.
func AppendRecord(dst []byte, head *RecordHead) []byte {
	version, o := byte(recordVersion), &head.Origin
	if head.Folded {
		version = foldedVersion
	}
	kind := byte(kindUnnamed)
	switch {
	case o.Key != "":
		kind = kindKey
	case o.Agent != "":
		kind = kindAgent
	}
	dst = append(dst, version, kind)
	dst = binary.AppendVarint(dst, head.UnixMilli)
	dst = appendText(dst, o.Client)
	switch kind {
	case kindKey:
		dst = appendText(dst, o.Key)
	case kindAgent:
		dst = appendText(dst, o.Agent)
		dst = binary.AppendUvarint(dst, o.Seq)
	}
	if head.Folded {
		dst = binary.LittleEndian.AppendUint64(dst, head.Print)
	}
	return append(dst, head.Flows...)
}

func appendText(dst []byte, text string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

// ReadRecord reads the head of a record; Flows shares record's memory. It returns a
// *RecordVersionError for a record of another version, a *RecordError for one that AppendRecord
// does not write.
func ReadRecord(record []byte) (RecordHead, error) {
	if len(record) == 0 {
		return RecordHead{}, &RecordError{0, "is empty"}
	}
	if record[0] != recordVersion && record[0] != foldedVersion {
		return RecordHead{}, &RecordVersionError{Found: record[0], Known: foldedVersion}
	}
	r := recordReader{rest: record[1:], size: len(record)}
	kind := r.byte("kind")
	head := RecordHead{Folded: record[0] == foldedVersion, UnixMilli: r.varint("time")}
	head.Origin.Client = r.text("client", MaxClient)
	switch kind {
	case kindUnnamed:
	case kindKey:
		head.Origin.Key = r.text("key", MaxIdempotencyKey)
	case kindAgent:
		head.Origin.Agent = r.text("agent", MaxAgent)
		head.Origin.Seq = r.uvarint("sequence")
	default:
		r.fail(fmt.Sprintf("has kind %d of a name; 0 to %d are known", kind, kindAgent))
	}
	if err := head.Origin.Check(); r.err == nil && err != nil {
		r.fail(err.Error())
	}
	if r.err == nil && kind != kindUnnamed && !head.Origin.Named() {
		r.fail(fmt.Sprintf("has no name, but kind %d of one", kind))
	}
	if head.Folded {
		head.Print = r.fingerprint()
	}
	if r.err != nil {
		return RecordHead{}, r.err
	}
	head.Flows = r.rest
	return head, nil
}

// Fingerprint returns that of the flows as they came.
func (h *RecordHead) Fingerprint() uint64 {
	if h.Folded {
		return h.Print
	}
	return Fingerprint(h.Flows)
}

// Fingerprint returns the same number for batches of the same flows, and nearly always another for others: the
// xxhash of the bytes that AppendFlows wrote. All processes that write flows in the same form agree on it.
func Fingerprint(flows []byte) uint64 { return xxhash.Sum64(flows) }

// RecordVersionError is a record that another version of this program wrote.
type RecordVersionError struct {
	// Found is the version of the record, Known the highest that this program reads.
	Found, Known byte
}

func (e *RecordVersionError) Error() string {
	return fmt.Sprintf("flow: a record has version %d; this program reads versions up to %d", e.Found, e.Known)
}

// RecordError is a record that this program did not write so.
type RecordError struct {
	// Offset is where it is wrong, in bytes from the start of the input.
	Offset int
	// What says what is wrong there.
	What string
}

func (e *RecordError) Error() string {
	return fmt.Sprintf("flow: a record is wrong at byte %d: %s", e.Offset, e.What)
}

// recordReader reads the parts of a record in a row. After an error it reads zeros, so that its
// caller looks for the error once, at the end.
type recordReader struct {
	rest []byte
	size int // of all that is read
	err  error
}

// offset returns where rest begins.
func (r *recordReader) offset() int { return r.size - len(r.rest) }

func (r *recordReader) fail(what string) {
	if r.err == nil {
		r.err = &RecordError{r.offset(), what}
	}
	r.rest = nil
}

func (r *recordReader) byte(what string) byte {
	if len(r.rest) == 0 {
		r.fail("ends before the " + what)
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *recordReader) varint(what string) int64 {
	u := r.uvarint(what)
	return int64(u>>1) ^ -int64(u&1)
}

func (r *recordReader) uvarint(what string) uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || n > 1 && r.rest[n-1] == 0 {
		r.fail("has no whole number of the shortest form for the " + what)
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *recordReader) fingerprint() uint64 {
	if len(r.rest) < 8 {
		r.fail("ends in the fingerprint")
		return 0
	}
	print := binary.LittleEndian.Uint64(r.rest)
	r.rest = r.rest[8:]
	return print
}

func (r *recordReader) text(what string, most int) string {
	n := r.uvarint("length of the " + what)
	if n > uint64(min(most, len(r.rest))) {
		r.fail(fmt.Sprintf("has %d bytes of %s, with %d bytes left and at most %d allowed", n, what, len(r.rest), most))
		return ""
	}
	text := string(r.rest[:n])
	r.rest = r.rest[n:]
	return text
}
