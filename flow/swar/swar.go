// Package swar looks at text in words of eight bytes at a time, without branches on single bytes.
//
// Each byte of a word is a lane. The tests for a lane that is zero, below a bound, or above one are those of
// "Bit Twiddling Hacks" (S. E. Anderson): a borrow may mark lanes above the first true one, so only the
// lowest mark is used.
package swar

import (
	"encoding/binary"
	"math/bits"
)

// WordSize is the number of lanes of a word. Ones and Highs have the lowest and the highest bit of each lane set.
const (
	WordSize = 8
	Ones     = 0x0101010101010101
	Highs    = 0x8080808080808080
)

// Word returns the word at b[p:], whose first byte is in the lowest lane.
func Word(b []byte, p int) uint64 { return binary.LittleEndian.Uint64(b[p:]) }

// NotPlain marks the lanes of w that end or complicate a name: the quote, the backslash,
// control characters, and all that is not ASCII.
func NotPlain(w uint64) uint64 {
	return QuoteOrSlash(w) | ((w-Ones*' ')&^w|w|(w+Ones))&Highs
}

// QuoteOrSlash marks the lanes of w that are a quote or a backslash.
func QuoteOrSlash(w uint64) uint64 {
	quote, slash := w^Ones*'"', w^Ones*'\\'
	return ((quote-Ones)&^quote | (slash-Ones)&^slash) & Highs
}

// LanesBefore returns how many lanes there are below the lowest mark.
func LanesBefore(marks uint64) int { return bits.TrailingZeros64(marks) / 8 }

// Plain returns how many bytes at the beginning of b are plain, or less where b is shorter than
// the two words that are looked at together.
func Plain(b []byte) int {
	p := 0
	for ; p+2*WordSize <= len(b); p += 2 * WordSize {
		n := LanesBefore(NotPlain(Word(b, p)))
		n += LanesBefore(NotPlain(Word(b, p+WordSize))) * (n / WordSize)
		if n < 2*WordSize {
			return p + n
		}
	}
	return p
}

// NotDigit marks the lanes that are more than 9.
func NotDigit(w uint64) uint64 { return (w + Ones*(0x7f-9) | w) & Highs }

// EightDigits returns the value of eight digits, the first in the lowest lane. Pairs are joined
// to hundreds, those to ten thousands, and those to the whole (D. Lemire, "Quickly parsing eight
// digits").
func EightDigits(w uint64) uint64 {
	w = w*10 + w>>8
	const pair, mul1, mul2 = 0x000000ff000000ff, 100 + 1_000_000<<32, 1 + 10_000<<32
	return (w&pair*mul1 + w>>16&pair*mul2) >> 32
}

// DigitWord returns the eight digits of v, less than 10^8, the first in the lowest lane. It
// splits all lanes at once, into halves of four digits, pairs, and digits, by multiplications
// that stand for divisions by 100 and by 10: the reverse of EightDigits.
func DigitWord(v uint64) uint64 {
	w := v/10_000 | v%10_000<<32
	hundreds := w * 10_486 >> 20 & 0x7f_0000_007f
	w = hundreds | (w-hundreds*100)<<16
	tens := w * 103 >> 10 & 0x0f_000f_000f_000f
	return tens | (w-tens*10)<<8
}
