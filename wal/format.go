package wal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"
)

// A segment is a file NNNNNNNNNNNN.wal, its number in 12 digits, counting from 1. All numbers are little
// endian. The first page holds only the header, so that appending never writes to it again:
//
//	      0         8        12        16        24        32        36
//	      +---------+---------+---------+---------+---------+---------+--------
//	page 0| magic   | version | 0       | number  | salt    | CRC     | zeros
//	      +---------+---------+---------+---------+---------+---------+--------
//	page 1| frame | frame | ...
//	      | frame | zeros to the end of the page | zeros, or what a dropped segment left
//
// CRC is CRC32C of the 32 bytes before it. These 36 bytes have the same place in every version, so that an
// unknown version is distinguished from a damaged one. The salt is random, and new whenever the segment is
// reused. An unfinished segment has zeros or half a header here, and zeros in the first page behind it, so
// that it cannot be mistaken for one that lost its header.
//
// A frame begins at a multiple of 8 bytes and holds one group:
//
//	0         4         8         12        16        24        32
//	+---------+---------+---------+---------+---------+---------+----------------------+
//	| header  | payload | payload | records | group   | durable | payload              |
//	| CRC     | CRC     | length  |         |         |         | uvarint length, bytes|
//	+---------+---------+---------+---------+---------+---------+ ... for each record  |
//	                                                            +----------------------+
//
// The header's CRC32C covers the segment's salt and bytes 4 to 32. So a frame of an earlier incarnation
// never verifies, and a client that chooses a payload cannot forge one. The payload's CRC32C covers the
// payload alone. durable is the number of the first group that was not known to be synced when this frame
// was written: with Fsync its own. All groups before it had been synced, so if one of them does not verify,
// that is damage and not a torn tail.
const (
	pageBytes   = 4096
	headerBytes = 36
	frameHeader = 32
	frameAlign  = 8
	firstFrame  = pageBytes
	magic       = "flowdwal"
	version     = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// RecordOverhead is the most bytes that a record takes in a group in addition to its own.
const RecordOverhead = binary.MaxVarintLen32

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }

// segmentName returns the name of a segment's file.
func segmentName(number uint64) string { return fmt.Sprintf("%012d.wal", number) }

// segmentNumber returns the number in a file's name, and whether it is the name of a segment.
func segmentNumber(name string) (uint64, bool) {
	if len(name) != len("000000000000.wal") || name[12:] != ".wal" {
		return 0, false
	}
	var n uint64
	for _, c := range []byte(name[:12]) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, n > 0
}

// putHeader writes a segment's header to b.
func putHeader(b []byte, number, salt uint64) {
	copy(b, magic)
	binary.LittleEndian.PutUint32(b[8:], version)
	binary.LittleEndian.PutUint32(b[12:], 0)
	binary.LittleEndian.PutUint64(b[16:], number)
	binary.LittleEndian.PutUint64(b[24:], salt)
	binary.LittleEndian.PutUint32(b[32:], crc32.Checksum(b[:32], castagnoli))
}

// header is the content of a segment's first page.
type header struct {
	version uint32
	number  uint64
	salt    uint64
}

// readHeader returns the header in b, and the reason if it is not valid: "" if it is valid.
func readHeader(b []byte) (header, string) {
	if len(b) < headerBytes {
		return header{}, fmt.Sprintf("%d bytes are no header", len(b))
	}
	if string(b[:8]) != magic {
		return header{}, fmt.Sprintf("begins with %q, not with %q", b[:8], magic)
	}
	says, is := binary.LittleEndian.Uint32(b[32:]), crc32.Checksum(b[:32], castagnoli)
	if says != is {
		return header{}, fmt.Sprintf("the header's CRC is %08x, it says %08x", is, says)
	}
	return header{
		version: binary.LittleEndian.Uint32(b[8:]),
		number:  binary.LittleEndian.Uint64(b[16:]),
		salt:    binary.LittleEndian.Uint64(b[24:]),
	}, ""
}

// saltSum returns the CRC of a salt, the initial value of the CRC of each frame's header.
func saltSum(salt uint64) uint32 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], salt)
	return crc32.Checksum(b[:], castagnoli)
}

// frame is a frame's header.
type frame struct {
	payloadSum uint32
	length     uint32
	records    uint32
	group      uint64
	durable    uint64
}

// size returns the number of bytes from the frame to the next one.
func (f frame) size() int64 { return frameSize(int64(f.length)) }

// frameSize returns the size of a frame with this many bytes of payload.
func frameSize(payload int64) int64 { return roundUp(frameHeader+payload, frameAlign) }

// put writes the header to b, for a segment whose salt has the CRC salted.
func (f frame) put(b []byte, salted uint32) {
	binary.LittleEndian.PutUint32(b[4:], f.payloadSum)
	binary.LittleEndian.PutUint32(b[8:], f.length)
	binary.LittleEndian.PutUint32(b[12:], f.records)
	binary.LittleEndian.PutUint64(b[16:], f.group)
	binary.LittleEndian.PutUint64(b[24:], f.durable)
	binary.LittleEndian.PutUint32(b, crc32.Update(salted, castagnoli, b[4:frameHeader]))
}

// readFrame returns the frame's header at the start of b, and the reason if it is not valid: "" if it is
// valid.
func readFrame(b []byte, salted uint32) (frame, string) {
	says, is := binary.LittleEndian.Uint32(b), crc32.Update(salted, castagnoli, b[4:frameHeader])
	if says != is {
		return frame{}, fmt.Sprintf("the CRC of the frame's header is %08x, it says %08x", is, says)
	}
	return frame{
		payloadSum: binary.LittleEndian.Uint32(b[4:]),
		length:     binary.LittleEndian.Uint32(b[8:]),
		records:    binary.LittleEndian.Uint32(b[12:]),
		group:      binary.LittleEndian.Uint64(b[16:]),
		durable:    binary.LittleEndian.Uint64(b[24:]),
	}, ""
}

// frameVerifies reports whether b is a valid header of a frame.
func frameVerifies(b []byte, salted uint32) bool {
	return binary.LittleEndian.Uint32(b) == crc32.Update(salted, castagnoli, b[4:frameHeader])
}

// payloadSize returns the number of bytes that the records take in a group.
func payloadSize(records [][]byte) int64 {
	size := 0
	for _, r := range records {
		size += (bits.Len(uint(len(r)|1))+6)/7 + len(r) // the length before the record has 7 bits per byte
	}
	return int64(size)
}

// appendPayload appends the records in the form of a group.
func appendPayload(b []byte, records [][]byte) []byte {
	for _, r := range records {
		b = binary.AppendUvarint(b, uint64(len(r)))
		b = append(b, r...)
	}
	return b
}
