package flow

import (
	"encoding/binary"
	"math/bits"
)

// Scanning works on words of eight bytes, each byte a lane. The tests for a lane that is zero,
// below a bound, or above one are those of "Bit Twiddling Hacks" (S. E. Anderson): a borrow may
// mark lanes above the first true one, so only the lowest mark is used.
const (
	wordSize = 8
	ones     = 0x0101010101010101
	highs    = 0x8080808080808080
)

func word(b []byte, p int) uint64 { return binary.LittleEndian.Uint64(b[p:]) }

// notPlain marks the lanes of w that end or complicate a name: the quote, the backslash,
// control characters, and all that is not ASCII.
func notPlain(w uint64) uint64 {
	return quoteOrSlash(w) | ((w-ones*' ')&^w|w|(w+ones))&highs
}

// quoteOrSlash marks the lanes of w that are a quote or a backslash.
func quoteOrSlash(w uint64) uint64 {
	quote, slash := w^ones*'"', w^ones*'\\'
	return ((quote-ones)&^quote | (slash-ones)&^slash) & highs
}

// copyPlain copies bytes from body[p:] to keys[k:] up to the first that is not plain, in whole
// words, so what follows in keys is garbage to be overwritten. It returns where it stopped in
// both. It stops short where fewer than two words are left in body; keys must have room for body
// and two words more.
//
// Two words at once hold nearly every name, and the place of its end is computed: a branch for
// each word would be guessed wrong as often as names differ in length.
func copyPlain(keys []byte, k int, body []byte, p int) (int, int) {
	for p+2*wordSize <= len(body) {
		from, to := body[p:p+2*wordSize], keys[k:k+2*wordSize]
		w0, w1 := word(from, 0), word(from, wordSize)
		binary.LittleEndian.PutUint64(to, w0)
		binary.LittleEndian.PutUint64(to[wordSize:], w1)
		n0, n1 := lanesBefore(notPlain(w0)), lanesBefore(notPlain(w1))
		n := n0 + n1*(n0/wordSize)
		k, p = k+n, p+n
		if n < 2*wordSize {
			break
		}
	}
	return k, p
}

// lanesBefore returns how many lanes there are below the lowest mark.
func lanesBefore(marks uint64) int { return bits.TrailingZeros64(marks) / 8 }

// plain returns how many bytes at the beginning of b are plain, or less where b is shorter than
// the two words that are looked at together.
func plain(b []byte) int {
	p := 0
	for ; p+2*wordSize <= len(b); p += 2 * wordSize {
		n := lanesBefore(notPlain(word(b, p)))
		n += lanesBefore(notPlain(word(b, p+wordSize))) * (n / wordSize)
		if n < 2*wordSize {
			return p + n
		}
	}
	return p
}

// plainNumber reads the digits at body[p:] and returns their value and where they end. That is
// p again if there is no digit, a zero before others, or more digits than it can be sure of, at
// least 16: the general path says which.
func plainNumber(body []byte, p int) (v uint64, next int) {
	if p+2*wordSize > len(body) {
		return digits(body, p)
	}
	from := body[p : p+2*wordSize]
	w := word(from, 0) ^ ones*'0'
	n := lanesBefore(notDigit(w))
	if n == 0 || w&0xff == 0 && n > 1 {
		return 0, p
	}
	v = eightDigits(w << (64 - 8*n))
	if n < wordSize {
		return v, p + n
	}
	w = word(from, wordSize) ^ ones*'0'
	if n = lanesBefore(notDigit(w)); n == wordSize {
		return digits(body, p)
	}
	return v*powers[n] + eightDigits(w<<(64-8*n)), p + wordSize + n
}

// notDigit marks the lanes that are more than 9.
func notDigit(w uint64) uint64 { return (w + ones*(0x7f-9) | w) & highs }

// powers are those of ten.
var powers = [wordSize + 1]uint64{1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000}

// eightDigits returns the value of eight digits, the first in the lowest lane. Pairs are joined
// to hundreds, those to ten thousands, and those to the whole (D. Lemire, "Quickly parsing eight
// digits").
func eightDigits(w uint64) uint64 {
	w = w*10 + w>>8
	const pair, mul1, mul2 = 0x000000ff000000ff, 100 + 1_000_000<<32, 1 + 10_000<<32
	return (w&pair*mul1 + w>>16&pair*mul2) >> 32
}

// digits does what plainNumber does, digit by digit.
func digits(body []byte, p int) (v uint64, next int) {
	start := p
	for ; p < len(body); p++ {
		c := body[p] - '0'
		if c > 9 {
			break
		}
		if p-start == 18 || v == 0 && p > start {
			return 0, start
		}
		v = v*10 + uint64(c)
	}
	return v, p
}
