package flow

import (
	"slices"
	"strconv"
)

// AppendJSON appends f as a JSON object with the fields in the contract's order.
func (f *Flow) AppendJSON(dst []byte) []byte {
	row := Row{Key: f.Key(), Totals: Totals{f.BytesTx, f.BytesRx}, Hour: f.Hour}
	return row.AppendJSON(dst)
}

// maxRowJSON is what a row takes at most beside its names: what is always there, two totals and
// an hour.
const maxRowJSON = len(`{"src_app":"","dest_app":"","vpc_id":"","bytes_tx":,"bytes_rx":,"hour":}`) + 3*20

// AppendJSON appends r as a JSON object:
//
//	{"src_app":"a","dest_app":"b","vpc_id":"c","bytes_tx":1,"bytes_rx":2,"hour":3}
func (r *Row) AppendJSON(dst []byte) []byte {
	src, dest, vpc := r.Key.Names()
	dst = slices.Grow(dst, maxRowJSON+len(r.Key))
	if needsEscape(r.Key[keyHeader:]) {
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
	dst = strconv.AppendUint(dst, r.Totals.BytesTx, 10)
	dst = append(dst, `,"bytes_rx":`...)
	dst = strconv.AppendUint(dst, r.Totals.BytesRx, 10)
	dst = append(dst, `,"hour":`...)
	dst = strconv.AppendUint(dst, uint64(r.Hour), 10)
	return append(dst, '}')
}

// needsEscape reports whether there is a byte in names that cannot stand for itself in JSON. Names
// are valid UTF-8 without control characters, so that is the quote and the backslash alone.
func needsEscape(names []byte) bool {
	if len(names) < wordSize {
		for _, c := range names {
			if c == '"' || c == '\\' {
				return true
			}
		}
		return false
	}
	found := uint64(0)
	for p := 0; p < len(names)-wordSize; p += wordSize {
		found |= quoteOrSlash(word(names, p))
	}
	return found|quoteOrSlash(word(names, len(names)-wordSize)) != 0
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
