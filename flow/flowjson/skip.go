package flowjson

import (
	"math/bits"

	"flowd/flow/swar"
)

// space steps over white space. A line feed ends a line of NDJSON, so it is never met there.
func (d *decoder) space() {
	for d.pos < d.end && d.body[d.pos] <= ' ' {
		switch d.body[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

// text steps over the string at pos and returns what stands between its quotes; escaped says
// whether there are escapes in it, which are valid. The bytes need not be UTF-8.
func (d *decoder) text() (inside []byte, escaped, ok bool) {
	d.pos++
	start := d.pos
	for {
		d.pos += ordinary(d.body[d.pos:d.end])
		switch {
		case d.pos == d.end:
			return nil, false, d.syntax(d.here(), "a string does not end")
		case d.body[d.pos] == '"':
			d.pos++
			return d.body[start : d.pos-1], escaped, true
		case d.body[d.pos] != '\\':
			return nil, false, d.syntax(d.here(), "a control character in a string must be escaped")
		}
		escaped = true
		if !d.escape() {
			return nil, false, d.syntax(d.here(), `an escape other than \" \\ \/ \b \f \n \r \t \uXXXX`)
		}
	}
}

// ordinary returns how many bytes of b stand for themselves inside a string.
func ordinary(b []byte) int {
	p := 0
	for ; p+swar.WordSize <= len(b); p += swar.WordSize {
		w := swar.Word(b, p)
		if m := swar.QuoteOrSlash(w) | (w-swar.Ones*' ')&^w&swar.Highs; m != 0 {
			return p + bits.TrailingZeros64(m)/8
		}
	}
	for ; p < len(b); p++ {
		if c := b[p]; c == '"' || c == '\\' || c < ' ' {
			break
		}
	}
	return p
}

// escape steps over the backslash at pos and what belongs to it.
func (d *decoder) escape() bool {
	rest := d.body[d.pos:d.end]
	if len(rest) < 2 {
		return false
	}
	if escapes[rest[1]] != 0 {
		d.pos += 2
		return true
	}
	if rest[1] != 'u' || len(rest) < 6 {
		return false
	}
	for _, c := range rest[2:6] {
		if hexDigit(c) > 15 {
			return false
		}
	}
	d.pos += 6
	return true
}

// skip steps over any JSON value. The kinds of the arrays and objects it is inside of are the
// bits of one word.
func (d *decoder) skip() bool {
	var stack uint64 // lowest bit: innermost; 1 is an object
	depth := 0
	for {
		opened, ok := d.skipOne(&stack, &depth)
		if !ok {
			return false
		}
		if opened {
			continue
		}
		for { // a value has ended
			if depth == 0 {
				return true
			}
			d.space()
			more, ok := d.next(stack&1 != 0)
			if !ok {
				return false
			}
			if more {
				break
			}
			stack >>= 1
			depth--
		}
		if stack&1 != 0 && !d.skipName() {
			return false
		}
	}
}

// skipOne steps over a value, or, if it is an array or object that is not empty, into it.
func (d *decoder) skipOne(stack *uint64, depth *int) (opened, ok bool) {
	if d.pos == d.end {
		return false, d.syntax(d.here(), "a value is expected")
	}
	switch c := d.body[d.pos]; {
	case c == '"':
		_, _, ok := d.text()
		return false, ok
	case c == '{' || c == '[':
		// Two levels are the array of flows and the flow.
		if *depth == maxDepth-2 {
			return false, d.syntax(d.here(), "arrays and objects stand more than 64 deep in each other")
		}
		d.pos++
		d.space()
		if d.pos < d.end && d.body[d.pos] == c+2 { // the closing bracket or brace
			d.pos++
			return false, true
		}
		*stack <<= 1
		*depth++
		if c == '[' {
			return true, true
		}
		*stack |= 1
		return true, d.skipName()
	case c == '-' || c-'0' <= 9:
		return false, d.skipNumber()
	}
	for _, literal := range [...]string{"null", "true", "false"} {
		if n := len(literal); d.end-d.pos >= n && string(d.body[d.pos:d.pos+n]) == literal {
			d.pos += n
			return false, true
		}
	}
	return false, d.syntax(d.here(), "a value is expected")
}

// next steps over what follows a value inside of an array or object, and reports whether that
// announces another one.
func (d *decoder) next(inObject bool) (more, ok bool) {
	closing := byte(']')
	if inObject {
		closing = '}'
	}
	switch {
	case d.pos < d.end && d.body[d.pos] == ',':
		d.pos++
		d.space()
		return true, true
	case d.pos < d.end && d.body[d.pos] == closing:
		d.pos++
		return false, true
	}
	return false, d.syntax(d.here(), "',' or '"+string(closing)+"' is expected after a value")
}

// skipName steps over a member's name and its colon.
func (d *decoder) skipName() bool {
	if d.pos == d.end || d.body[d.pos] != '"' {
		return d.syntax(d.here(), "the name of a member, in double quotes, is expected")
	}
	if _, _, ok := d.text(); !ok {
		return false
	}
	d.space()
	if d.pos == d.end || d.body[d.pos] != ':' {
		return d.syntax(d.here(), "':' is expected after the name of a member")
	}
	d.pos++
	d.space()
	return true
}

// skipNumber steps over a number.
func (d *decoder) skipNumber() bool {
	if d.body[d.pos] == '-' {
		d.pos++
	}
	zero := d.pos < d.end && d.body[d.pos] == '0'
	n := d.skipDigits()
	if n == 0 || zero && n > 1 {
		return d.syntax(d.here(), "a number begins with a digit, and with zero only if that is all before the point")
	}
	if d.pos < d.end && d.body[d.pos] == '.' {
		d.pos++
		if d.skipDigits() == 0 {
			return d.syntax(d.here(), "a digit is expected after the point")
		}
	}
	if d.pos < d.end && d.body[d.pos]|0x20 == 'e' {
		d.pos++
		if d.pos < d.end && (d.body[d.pos] == '+' || d.body[d.pos] == '-') {
			d.pos++
		}
		if d.skipDigits() == 0 {
			return d.syntax(d.here(), "a digit is expected in the exponent")
		}
	}
	return true
}

func (d *decoder) skipDigits() (n int) {
	for ; d.pos < d.end && d.body[d.pos]-'0' <= 9; d.pos++ {
		n++
	}
	return n
}

// kind names the value at pos for an error.
func (d *decoder) kind() string {
	if d.pos == d.end {
		return "nothing"
	}
	switch c := d.body[d.pos]; {
	case c == '"':
		return "a string"
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case c == 'n':
		return "null"
	case c == 't', c == 'f':
		return "a boolean"
	}
	return "a number"
}
