package flowjson

import (
	"encoding/binary"

	"flowd/flow/swar"
)

// copyPlain copies bytes from body[p:] to keys[k:] up to the first that is not plain, in whole
// words, so what follows in keys is garbage to be overwritten. It returns where it stopped in
// both. It stops short where fewer than two words are left in body; keys must have room for body
// and two words more.
//
// Two words at once hold nearly every name, and the place of its end is computed: a branch for
// each word would be guessed wrong as often as names differ in length.
func copyPlain(keys []byte, k int, body []byte, p int) (int, int) {
	for p+2*swar.WordSize <= len(body) {
		from, to := body[p:p+2*swar.WordSize], keys[k:k+2*swar.WordSize]
		w0, w1 := swar.Word(from, 0), swar.Word(from, swar.WordSize)
		binary.LittleEndian.PutUint64(to, w0)
		binary.LittleEndian.PutUint64(to[swar.WordSize:], w1)
		n0, n1 := swar.LanesBefore(swar.NotPlain(w0)), swar.LanesBefore(swar.NotPlain(w1))
		n := n0 + n1*(n0/swar.WordSize)
		k, p = k+n, p+n
		if n < 2*swar.WordSize {
			break
		}
	}
	return k, p
}

// plainNumber reads the digits at body[p:] and returns their value and where they end. That is
// p again if there is no digit, a zero before others, or more digits than it can be sure of, at
// least 16: the general path says which.
func plainNumber(body []byte, p int) (v uint64, next int) {
	if p+2*swar.WordSize > len(body) {
		return digits(body, p)
	}
	from := body[p : p+2*swar.WordSize]
	w := swar.Word(from, 0) ^ swar.Ones*'0'
	n := swar.LanesBefore(swar.NotDigit(w))
	if n == 0 || w&0xff == 0 && n > 1 {
		return 0, p
	}
	v = swar.EightDigits(w << (64 - 8*n))
	if n < swar.WordSize {
		return v, p + n
	}
	w = swar.Word(from, swar.WordSize) ^ swar.Ones*'0'
	if n = swar.LanesBefore(swar.NotDigit(w)); n == swar.WordSize {
		return digits(body, p)
	}
	return v*powers[n] + swar.EightDigits(w<<(64-8*n)), p + swar.WordSize + n
}

// powers are those of ten.
var powers = [swar.WordSize + 1]uint64{1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000}

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
