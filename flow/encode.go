package flow

import (
	"bytes"
	"strconv"
)

// AppendJSON appends f as a JSON object with the fields in the contract's order.
func (f *Flow) AppendJSON(dst []byte) []byte {
	row := Row{Key: f.Key(), Totals: Totals{f.BytesTx, f.BytesRx}, Hour: f.Hour}
	return row.AppendJSON(dst)
}

// AppendJSON appends r as a JSON object:
//
//	{"src_app":"a","dest_app":"b","vpc_id":"c","bytes_tx":1,"bytes_rx":2,"hour":3}
func (r *Row) AppendJSON(dst []byte) []byte {
	src, dest, vpc := r.Key.Names()
	dst = append(dst, `{"src_app":"`...)
	dst = appendName(dst, src)
	dst = append(dst, `","dest_app":"`...)
	dst = appendName(dst, dest)
	dst = append(dst, `","vpc_id":"`...)
	dst = appendName(dst, vpc)
	dst = append(dst, `","bytes_tx":`...)
	dst = strconv.AppendUint(dst, r.Totals.BytesTx, 10)
	dst = append(dst, `,"bytes_rx":`...)
	dst = strconv.AppendUint(dst, r.Totals.BytesRx, 10)
	dst = append(dst, `,"hour":`...)
	dst = strconv.AppendUint(dst, uint64(r.Hour), 10)
	return append(dst, '}')
}

// appendName appends a name as it stands between quotes. Names are valid UTF-8 without control
// characters, so the quote and the backslash are all that JSON wants escaped.
func appendName(dst, name []byte) []byte {
	for {
		i := bytes.IndexAny(name, `"\`)
		if i < 0 {
			return append(dst, name...)
		}
		dst = append(dst, name[:i]...)
		dst = append(dst, '\\', name[i])
		name = name[i+1:]
	}
}
