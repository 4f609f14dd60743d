// Package humanize writes numbers, sizes, hours and text of others for people to read.
package humanize

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"flowd/flow"
)

// Count returns n with the singular or plural of a noun: "1 file", "2 files".
func Count[N int | uint64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Limit returns a limit in bytes exactly, in the largest unit that divides it: "8 MiB", "1500 bytes".
func Limit(bytes int64) string {
	switch {
	case bytes >= 1<<20 && bytes%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", bytes>>20)
	case bytes >= 1<<10 && bytes%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d bytes", bytes)
}

// Size returns a size in bytes, rounded to a tenth of its unit: "12.3 MiB", "1.5 KiB", "17 B".
func Size(bytes int64) string {
	switch {
	case bytes >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
	case bytes >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(bytes)/(1<<10))
	}
	return fmt.Sprintf("%d B", bytes)
}

// firstEpochHour is the hour from which on hours count from the Unix epoch, as is recommended: hour 100,000
// was in 1981. Smaller hours are numbers of an operator's own.
const firstEpochHour = 100_000

// HourBegin returns when an hour began, in UTC, or "-" if it does not count from the Unix epoch.
func HourBegin(h flow.Hour) string {
	if h < firstEpochHour {
		return "-"
	}
	return time.Unix(int64(h)*3600, 0).UTC().Format("2006-01-02 15:04 UTC")
}

// Printable returns text that moves nothing on a terminal but its own characters. Other characters are
// written as Go writes them: \x1b, \u202e.
func Printable(text string) string {
	if utf8.ValidString(text) && !strings.ContainsFunc(text, isUnprintable) {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case isUnprintable(r):
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		default:
			b.WriteRune(r)
		}
		text = text[size:]
	}
	return b.String()
}

// isUnprintable tells whether r controls how other characters are shown. The joiners do as well, but only
// those beside them, and scripts and emoji need them.
func isUnprintable(r rune) bool {
	const nonJoiner, joiner = '\u200c', '\u200d'
	return !unicode.IsGraphic(r) && r != nonJoiner && r != joiner
}
