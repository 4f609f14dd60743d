package flow

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Key is a tuple in the one form that is hashed, compared and stored:
//
//	byte 0         1          2         3 ...
//	+----------+-----------+----------+---------+----------+--------+
//	| len(src) | len(dest) | len(vpc) | src_app | dest_app | vpc_id |
//	|    - 1   |    - 1    |    - 1   |         |          |        |
//	+----------+-----------+----------+---------+----------+--------+
//
// Names are 1 to 256 bytes, so a length less one fits a byte. The lengths come first, so two
// different tuples never share the same bytes ("a","bc" and "ab","c" differ in byte 0), and a
// key tells its own length, of 6 to 771 bytes.
type Key []byte

// KeyHeader is how many bytes of a key come before its names: the length of each, less one.
const KeyHeader = 3

// AppendKey appends the key of a tuple to dst. Each name must be 1 to MaxName bytes long.
func AppendKey(dst []byte, srcApp, destApp, vpcID string) Key {
	dst = append(dst, byte(len(srcApp)-1), byte(len(destApp)-1), byte(len(vpcID)-1))
	dst = append(dst, srcApp...)
	dst = append(dst, destApp...)
	return append(dst, vpcID...)
}

// KeyLen returns the length of the key that begins with header, which needs three bytes.
func KeyLen(header []byte) int {
	_ = header[2]
	return KeyHeader + 3 + int(header[0]) + int(header[1]) + int(header[2])
}

// Names returns the three names, which share k's memory.
func (k Key) Names() (srcApp, destApp, vpcID []byte) {
	src := KeyHeader + int(k[0]) + 1
	dest := src + int(k[1]) + 1
	return k[KeyHeader:src], k[src:dest], k[dest : dest+int(k[2])+1]
}

// CheckName returns what is wrong with a name of a tuple, for the sender, or an empty string.
func CheckName(name []byte) string {
	switch {
	case len(name) == 0:
		return "is empty; 1 to 256 bytes are required"
	case len(name) > MaxName:
		return fmt.Sprintf("is %d bytes long; 1 to 256 bytes are required", len(name))
	case !utf8.Valid(name):
		return "is not valid UTF-8"
	}
	for _, r := range string(name) {
		if unicode.IsControl(r) {
			return fmt.Sprintf("has the control character U+%04X", r)
		}
	}
	return ""
}
