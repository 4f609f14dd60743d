package query

import (
	"math/big"
	"strconv"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"flowd/flow"
	"flowd/humanize"
)

// hourText formats an hour for people: as a time if it counts since the Unix epoch.
func hourText(h flow.Hour) string {
	if begin := humanize.HourBegin(h); begin != "-" {
		return begin
	}
	return strconv.FormatUint(uint64(h), 10)
}

// byteUnits are multiples of 1024, as in df -h and du -h.
const byteUnits = "KMGTPEZY"

// bytesText formats a number of bytes with three digits and a unit: 1.46K, 14.6K, 146K.
func bytesText(n *big.Int) string {
	v, _ := new(big.Float).SetInt(n).Float64()
	sign := ""
	if v < 0 {
		sign, v = "-", -v
	}
	if v < 1024 {
		return n.String()
	}
	unit := -1
	// A value that would be rounded to 1024 is written as 1.00 of the next unit.
	for v >= 1023.5 && unit < len(byteUnits)-1 {
		v /= 1024
		unit++
	}
	digits := 0
	switch {
	case v < 9.995:
		digits = 2
	case v < 99.95:
		digits = 1
	}
	return sign + strconv.FormatFloat(v, 'f', digits, 64) + byteUnits[unit:unit+1]
}

// textWidth returns the number of character cells that text takes on a terminal.
func textWidth(text string) int {
	if isPlain(text) {
		return len(text)
	}
	return uniseg.StringWidth(text)
}

// isPlain reports whether each byte of printable text is a character of one cell.
func isPlain(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

const ellipsis = "…"

// shorten shortens text to at most width cells, at least 1. It cuts out the middle, since names differ at
// both ends.
func shorten(text string, width int) string {
	if textWidth(text) <= width {
		return text
	}
	head, tail := width/2, (width-1)/2
	return firstPlaces(text, head) + ellipsis + lastPlaces(text, tail)
}

// firstPlaces returns the longest prefix of text that fits.
func firstPlaces(text string, width int) string {
	at := 0
	for g := uniseg.NewGraphemes(text); g.Next(); {
		if width -= g.Width(); width < 0 {
			break
		}
		_, at = g.Positions()
	}
	return text[:at]
}

// lastPlaces returns the longest suffix of text that fits.
func lastPlaces(text string, width int) string {
	left, at := textWidth(text), len(text)
	for g := uniseg.NewGraphemes(text); g.Next(); {
		if left <= width {
			at, _ = g.Positions()
			break
		}
		left -= g.Width()
	}
	return text[at:]
}
