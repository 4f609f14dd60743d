package flowjson

import (
	"fmt"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"

	"flowd/flow"
	"flowd/flow/swar"
)

// maxDepth bounds how deep arrays and objects may stand in each other, the array of flows and
// the flow included. It lets skip keep its stack in one word.
const maxDepth = 64

// name reads the value of a member that is a name.
func (d *decoder) name(o *object, f field) bool {
	if d.pos == d.end || d.body[d.pos] != '"' {
		return d.wrongKind(o, f)
	}
	if end := d.pos + 1 + swar.Plain(d.body[d.pos+1:d.end]); end < d.end && d.body[end] == '"' {
		if n := end - d.pos - 1; n > 0 && n <= flow.MaxName {
			o.names[f] = d.body[d.pos+1 : end]
			d.pos = end + 1
			return true
		}
	}
	value, escaped, ok := d.text()
	if !ok {
		return false
	}
	lone := false
	if escaped {
		value, lone = unescape(value)
	}
	wrong := flow.CheckName(value)
	if lone && len(value) <= flow.MaxName {
		wrong = `has half of a surrogate pair, as in "\ud800", which is no character`
	}
	if wrong != "" {
		o.bad = true
		d.fail(d.pointer(fieldNames[f]), wrong)
	}
	o.names[f] = value
	return true
}

// number reads the value of a member that is a number.
func (d *decoder) number(o *object, f field) bool {
	v, next := plainNumber(d.body[:d.end], d.pos)
	if next > d.pos && v <= fieldMax[f] && (next == d.end || !continuesNumber(d.body[next])) {
		o.numbers[f] = v
		d.pos = next
		return true
	}
	if d.pos == d.end || d.body[d.pos] != '-' && d.body[d.pos]-'0' > 9 {
		return d.wrongKind(o, f)
	}
	start := d.pos
	if !d.skipNumber() {
		return false
	}
	text := d.body[start:d.pos]
	v, wrong := integer(text, fieldMax[f])
	if wrong != "" {
		o.bad = true
		d.fail(d.pointer(fieldNames[f]), fmt.Sprintf("is %s; an integer from 0 to %d is required", wrong, fieldMax[f]))
	}
	o.numbers[f] = v
	return true
}

// continuesNumber reports whether c, after digits, makes them something other than an integer.
func continuesNumber(c byte) bool { return c == '.' || c|0x20 == 'e' }

// integer returns the value of a JSON number, or what keeps it from being an integer of 0 to
// most.
func integer(text []byte, most uint64) (v uint64, wrong string) {
	if text[0] == '-' {
		return 0, "negative"
	}
	for _, c := range text {
		if c-'0' > 9 {
			return 0, "written with a fraction or an exponent"
		}
		digit := uint64(c - '0')
		hi, lo := bits.Mul64(v, 10)
		if v = lo + digit; hi != 0 || v < lo || v > most {
			return 0, "too large"
		}
	}
	return v, ""
}

// wrongKind skips a value that is not of the kind that f wants, and says so.
func (d *decoder) wrongKind(o *object, f field) bool {
	kind := d.kind()
	if !d.skip() {
		return false
	}
	o.bad = true
	want := "a string of 1 to 256 bytes"
	if f > vpcID {
		want = fmt.Sprintf("an integer from 0 to %d", fieldMax[f])
	}
	d.fail(d.pointer(fieldNames[f]), "is "+kind+"; "+want+" is required")
	return true
}

// unescape returns what the inside of a JSON string stands for; text has valid escapes. Half of
// a surrogate pair becomes U+FFFD and is reported.
func unescape(text []byte) (plain []byte, loneSurrogate bool) {
	plain = make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			plain = append(plain, text[i])
			continue
		}
		i++
		if text[i] != 'u' {
			plain = append(plain, escapes[text[i]])
			continue
		}
		r := hex4(text[i+1:])
		i += 4
		if utf16.IsSurrogate(r) {
			pair := rune(utf8.RuneError)
			if i+6 < len(text) && text[i+1] == '\\' && text[i+2] == 'u' {
				pair = utf16.DecodeRune(r, hex4(text[i+3:]))
			}
			if r = pair; r == utf8.RuneError {
				loneSurrogate = true
			} else {
				i += 6
			}
		}
		plain = utf8.AppendRune(plain, r)
	}
	return plain, loneSurrogate
}

// escapes maps the character after a backslash to what both stand for; zero is not an escape.
var escapes = [256]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// hex4 returns the value of four hexadecimal digits.
func hex4(b []byte) (r rune) {
	for _, c := range b[:4] {
		r = r<<4 | rune(hexDigit(c))
	}
	return r
}

// hexDigit returns the value of a hexadecimal digit, or 16.
func hexDigit(c byte) byte {
	switch {
	case c-'0' <= 9:
		return c - '0'
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 16
}
