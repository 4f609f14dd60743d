package flowjson

import "flowd/flow"

// usual reads the flow at pos if it has the usual shape: the six fields in the contract's order,
// no white space but an optional space after each colon and comma (as Python writes them), names
// in plain ASCII, numbers of at most 18 digits. It reports false, with nothing changed, if
// anything is different, even if that is legal.
//
// It is one straight line because that is what makes it fast: each step is a comparison with a
// constant, done as one or two loads, and a branch that is hardly ever taken.
func (d *decoder) usual() bool {
	const (
		src  = `{"src_app":`
		dest = `"dest_app":`
		vpc  = `"vpc_id":`
		tx   = `"bytes_tx":`
		rx   = `"bytes_rx":`
		hour = `"hour":`
	)
	body, keys, p := d.body, d.keys, d.pos
	if d.index == d.limit || len(body)-p < len(src) || string(body[p:p+len(src)]) != src {
		return false
	}
	start := d.used + flow.KeyHeader
	srcEnd, p := usualName(keys, start, body, p+len(src))
	if p = comma(body, p); len(body)-p < len(dest) || string(body[p:p+len(dest)]) != dest {
		return false
	}
	destEnd, p := usualName(keys, srcEnd, body, p+len(dest))
	if p = comma(body, p); len(body)-p < len(vpc) || string(body[p:p+len(vpc)]) != vpc {
		return false
	}
	vpcEnd, p := usualName(keys, destEnd, body, p+len(vpc))
	if p = comma(body, p); len(body)-p < len(tx) || string(body[p:p+len(tx)]) != tx {
		return false
	}
	bytesTx, p := usualNumber(body, p+len(tx))
	if p = comma(body, p); len(body)-p < len(rx) || string(body[p:p+len(rx)]) != rx {
		return false
	}
	bytesRx, p := usualNumber(body, p+len(rx))
	if p = comma(body, p); len(body)-p < len(hour) || string(body[p:p+len(hour)]) != hour {
		return false
	}
	label, p := usualNumber(body, p+len(hour))
	if p >= len(body) || body[p] != '}' || label > flow.MaxHour {
		return false
	}
	// A name of no byte or of more than MaxName makes its length, less one, not fit a byte.
	s, e, v := srcEnd-start-1, destEnd-srcEnd-1, vpcEnd-destEnd-1
	if uint(s|e|v) >= flow.MaxName {
		return false
	}
	header := keys[d.used:start]
	header[0], header[1], header[2] = byte(s), byte(e), byte(v)
	d.add(vpcEnd, flow.Totals{BytesTx: bytesTx, BytesRx: bytesRx}, flow.Hour(label))
	d.pos = p + 1
	d.index++
	return true
}

// nowhere is the position after something that was not as usual: behind every body, so that the
// step that follows fails too.
const nowhere = 1 << 40

// usualName copies the plain name that is quoted at body[p:] to keys[k:], and returns where both
// end.
func usualName(keys []byte, k int, body []byte, p int) (int, int) {
	if p < len(body) && body[p] == ' ' {
		p++
	}
	if p >= len(body) || body[p] != '"' {
		return k, nowhere
	}
	k, p = copyPlain(keys, k, body, p+1)
	if p >= len(body) || body[p] != '"' {
		return k, nowhere
	}
	return k, p + 1
}

// usualNumber returns the value of the plain number at body[p:], and where it ends.
func usualNumber(body []byte, p int) (uint64, int) {
	if p < len(body) && body[p] == ' ' {
		p++
	}
	v, next := plainNumber(body, p)
	if next == p {
		return 0, nowhere
	}
	return v, next
}

// comma steps over a comma and the space that may follow it.
func comma(body []byte, p int) int {
	if p+1 >= len(body) || body[p] != ',' {
		return nowhere
	}
	if body[p+1] == ' ' {
		return p + 2
	}
	return p + 1
}
