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
// both. It stops short where fewer than a word is left in body; keys must have room for body
// and a word more.
func copyPlain(keys []byte, k int, body []byte, p int) (int, int) {
	for p+wordSize <= len(body) {
		w := word(body, p)
		binary.LittleEndian.PutUint64(keys[k:], w)
		if m := notPlain(w); m != 0 {
			n := bits.TrailingZeros64(m) / 8
			return k + n, p + n
		}
		k += wordSize
		p += wordSize
	}
	return k, p
}

// allPlain reports whether no byte of name is marked by notPlain.
func allPlain(name []byte) bool {
	p := 0
	for ; p+wordSize <= len(name); p += wordSize {
		if notPlain(word(name, p)) != 0 {
			return false
		}
	}
	tail := uint64(ones * 'x')
	for ; p < len(name); p++ {
		tail = tail<<8 | uint64(name[p])
	}
	return notPlain(tail) == 0
}

// plainNumber reads the digits at body[p:] and returns their value and where they end. That is
// p again if there is no digit, a zero before others, or more than 18 digits: the general path
// says which.
func plainNumber(body []byte, p int) (v uint64, next int) {
	if p+wordSize > len(body) {
		return digits(body, p, p, 0)
	}
	w := word(body, p) ^ ones*'0'
	m := (w + ones*(0x7f-9) | w) & highs // marks what is not a digit
	n := bits.TrailingZeros64(m) / 8     // 8 when all are
	if w&0xff == 0 && n != 1 || n == 0 {
		return 0, p
	}
	v = eightDigits(w << (64 - 8*n))
	if n < wordSize {
		return v, p + n
	}
	return digits(body, p, p+wordSize, v)
}

// eightDigits returns the value of eight digits, the first in the lowest lane. Pairs are joined
// to hundreds, those to ten thousands, and those to the whole (D. Lemire, "Quickly parsing eight
// digits").
func eightDigits(w uint64) uint64 {
	w = w*10 + w>>8
	const pair, mul1, mul2 = 0x000000ff000000ff, 100 + 1_000_000<<32, 1 + 10_000<<32
	return (w&pair*mul1 + w>>16&pair*mul2) >> 32
}

// digits goes on reading a number that began at start and has the value v up to p.
func digits(body []byte, start, p int, v uint64) (uint64, int) {
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
