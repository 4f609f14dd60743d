package flowjson

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"flowd/flow"
	"flowd/flow/swar"
)

// AppendFlow appends f to dst as a JSON object with the fields in the contract's order.
func AppendFlow(dst []byte, f *flow.Flow) []byte {
	row := flow.Row{Key: f.Key(), Totals: flow.Totals{BytesTx: f.BytesTx, BytesRx: f.BytesRx}, Hour: f.Hour}
	return AppendRow(dst, &row)
}

// maxRowJSON is what a row takes at most beside its names: what is always there, three numbers,
// and the room that the last one needs to be written.
const maxRowJSON = len(`{"src_app":"","dest_app":"","vpc_id":"","bytes_tx":,"bytes_rx":,"hour":}`) + 3*maxDigits + swar.WordSize

// AppendRow appends r to dst as a JSON object:
//
//	{"src_app":"a","dest_app":"b","vpc_id":"c","bytes_tx":1,"bytes_rx":2,"hour":3}
func AppendRow(dst []byte, r *flow.Row) []byte {
	src, dest, vpc := r.Key.Names()
	dst = slices.Grow(dst, maxRowJSON+len(r.Key))
	if needsEscape(r.Key[len(r.Key)-len(src)-len(dest)-len(vpc):]) {
		dst = slices.Grow(dst, maxRowJSON+2*len(r.Key))
		dst = append(dst, `{"src_app":"`...)
		dst = appendEscaped(dst, src)
		dst = append(dst, `","dest_app":"`...)
		dst = appendEscaped(dst, dest)
		dst = append(dst, `","vpc_id":"`...)
		dst = appendEscaped(dst, vpc)
	} else {
		dst = append(dst, `{"src_app":"`...)
		dst = append(dst, src...)
		dst = append(dst, `","dest_app":"`...)
		dst = append(dst, dest...)
		dst = append(dst, `","vpc_id":"`...)
		dst = append(dst, vpc...)
	}
	dst = append(dst, `","bytes_tx":`...)
	dst = appendUint(dst, r.Totals.BytesTx)
	dst = append(dst, `,"bytes_rx":`...)
	dst = appendUint(dst, r.Totals.BytesRx)
	dst = append(dst, `,"hour":`...)
	dst = appendUint(dst, uint64(r.Hour))
	return append(dst, '}')
}

// needsEscape reports whether there is a byte in names that cannot stand for itself in JSON. Names
// are valid UTF-8 without control characters, so that is the quote and the backslash alone.
func needsEscape(names []byte) bool {
	if len(names) < swar.WordSize {
		for _, c := range names {
			if c == '"' || c == '\\' {
				return true
			}
		}
		return false
	}
	found := uint64(0)
	for p := 0; p < len(names)-swar.WordSize; p += swar.WordSize {
		found |= swar.QuoteOrSlash(swar.Word(names, p))
	}
	return found|swar.QuoteOrSlash(swar.Word(names, len(names)-swar.WordSize)) != 0
}

// appendEscaped appends a name as it stands between quotes.
func appendEscaped(dst, name []byte) []byte {
	for _, c := range name {
		if c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return dst
}

const (
	maxDigits = 20 // of 2^64-1
	tenTo8    = 100_000_000
)

// appendUint appends v in decimal. Dst must have room for maxDigits and a word more. Numbers are
// two fifths of the time that a row takes with strconv, half of that with whole words of digits.
func appendUint(dst []byte, v uint64) []byte {
	if v >= tenTo8 {
		dst = appendUint(dst, v/tenTo8)
		return appendWord(dst, swar.DigitWord(v%tenTo8), swar.WordSize)
	}
	w := swar.DigitWord(v)
	n := max(swar.WordSize-bits.TrailingZeros64(w)/8, 1)
	return appendWord(dst, w>>(8*(swar.WordSize-n)), n)
}

// appendWord appends the n digits in the lowest lanes of w.
func appendWord(dst []byte, w uint64, n int) []byte {
	from := len(dst)
	binary.LittleEndian.PutUint64(dst[from:from+swar.WordSize], w|swar.Ones*'0')
	return dst[:from+n]
}
