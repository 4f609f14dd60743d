package flow

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"flowd/flow/swar"
)

// The flows of a batch in binary form:
//
//	+---------+---------+----------------+-----+--------+-----+
//	|  flows  |  names  | length-1, name | ... |  flow  | ... |
//	| uvarint | uvarint | 1 byte, bytes  |     |        |     |
//	+---------+---------+----------------+-----+--------+-----+
//
// Names are in the order in which they first appear, so that the first flow has the name 0, and
// none of them twice; the three names of a tuple share them. A flow is
//
//	+---------+-----+------+-----+-------+----------+----------+
//	| lengths | src | dest | vpc | hour  | bytes_tx | bytes_rx |
//	| 1 byte  |     numbers      | 0 ... | 1 to 8   | 1 to 8   |
//	+---------+-----+------+-----+-------+----------+----------+
//
//	lengths, from the lowest bit: 3 bits: bytes of bytes_tx, less one; 3 bits: the same of
//	bytes_rx; 2 bits: the hour takes 0, 1, 2 or 4 bytes
//
// All numbers are little endian in as few bytes as they fit. Those of names take 1 byte if there
// are up to 256 names, 2 if up to 65,536, or 4. The hour is its difference from the flow before,
// or from 0, with the sign in the lowest bit (0, -1, 1, -2 ... are 0, 1, 2, 3 ...).
//
// The lengths stand in front, and not a bit in each byte as in a varint, so that a flow is
// written and read in whole words, without a branch on any length.
const (
	minRecordFlow = 1 + 3*1 + 0 + 1 + 1
	maxRecordFlow = 1 + 3*4 + 4 + 8 + 8
	txBits        = 3
	hourBits      = 6
)

// hourClass is the two bits for an hour's difference of so many bytes; hourBytes is the reverse.
var (
	hourClass = [5]uint8{0, 1, 2, 3, 3}
	hourBytes = [4]uint8{0, 1, 2, 4}
)

// AppendFlows appends b's flows in binary form: no name is written twice. The same flows in the
// same order give the same bytes in every process. It uses memory of b, so only one that owns b
// may call it.
func (b *Batch) AppendFlows(dst []byte) []byte {
	s := b.working()
	s.refs = slices.Grow(s.refs[:0], len(b.Items))[:len(b.Items)]
	s.names.index(b, s.refs)
	dst = binary.AppendUvarint(dst, uint64(len(b.Items)))
	dst = binary.AppendUvarint(dst, uint64(len(s.names.names)))
	for i := range s.names.names {
		name := &s.names.names[i]
		dst = append(dst, byte(name.length-1))
		dst = append(dst, b.Keys[name.at:int(name.at)+int(name.length)]...)
	}
	width := refWidth(len(s.names.names))
	before := Hour(0)
	for from := 0; from < len(b.Items); from += growFlows {
		to := min(from+growFlows, len(b.Items))
		dst = slices.Grow(dst, (to-from)*maxRecordFlow+swar.WordSize)
		end := appendFlows(dst[len(dst):cap(dst)], b.Items[from:to], s.refs[from:to], width, before)
		dst = dst[:len(dst)+end]
		before = b.Items[to-1].Hour
	}
	return dst
}

// growFlows is for how many flows at once there is made room for the longest that they can be.
const growFlows = 64

// refWidth returns the bytes that the number of a name takes.
func refWidth(names int) int {
	switch {
	case names <= 1<<8:
		return 1
	case names <= 1<<16:
		return 2
	}
	return 4
}

// appendFlows writes items to the start of dst, which has room for the longest ones and a word
// more, and returns where they end. Before is the hour of the flow before.
func appendFlows(dst []byte, items []Item, refs []nameRefs, width int, before Hour) (p int) {
	shift := 8 * uint(width)
	for i := range items[:len(refs)] {
		item, ref := &items[i], &refs[i]
		hour := zigzag(int32(item.Hour - before))
		before = item.Hour
		class := hourClass[byteLen(uint64(hour))]
		tx, rx := max(byteLen(item.Totals.BytesTx), 1), max(byteLen(item.Totals.BytesRx), 1)

		to := dst[p : p+maxRecordFlow+swar.WordSize]
		to[0] = byte(tx-1) | byte(rx-1)<<txBits | class<<hourBits
		q := 1
		if width == 4 {
			binary.LittleEndian.PutUint32(to[q:], ref[0])
			binary.LittleEndian.PutUint64(to[q+4:], uint64(ref[1])|uint64(ref[2])<<32)
		} else {
			binary.LittleEndian.PutUint64(to[q:], uint64(ref[0])|uint64(ref[1])<<shift|uint64(ref[2])<<(2*shift))
		}
		q += 3 * width
		binary.LittleEndian.PutUint32(to[q:], hour)
		q += int(hourBytes[class])
		binary.LittleEndian.PutUint64(to[q:], item.Totals.BytesTx)
		q += tx
		binary.LittleEndian.PutUint64(to[q:], item.Totals.BytesRx)
		p += q + rx
	}
	return p
}

// byteLen returns how many bytes v fits, 0 for 0.
func byteLen(v uint64) int { return (bits.Len64(v) + 7) / 8 }

// zigzag maps small differences of either sign to small numbers.
func zigzag(d int32) uint32 { return uint32(d<<1) ^ uint32(d>>31) }

// unzigzag is the reverse of zigzag.
func unzigzag(z uint32) int32 { return int32(z>>1) ^ -int32(z&1) }
