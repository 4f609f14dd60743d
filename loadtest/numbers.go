package loadtest

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Seconds writes a time with three digits.
func Seconds(s float64) string {
	switch {
	case s >= 59.95:
		return time.Duration(s * float64(time.Second)).Round(time.Second).String()
	case s >= 0.9995:
		return threeDigits(s) + "s"
	case s >= 0.9995e-3:
		return threeDigits(s*1e3) + "ms"
	}
	return threeDigits(s*1e6) + "µs"
}

// SI writes a number with three digits, a prefix and a unit, which may be empty: "12.3 MB".
func SI(v float64, unit string) string {
	prefix := ""
	for _, p := range siPrefixes {
		if v >= p.factor*0.9995 {
			v, prefix = v/p.factor, p.prefix
			break
		}
	}
	return strings.TrimSuffix(threeDigits(v)+" "+prefix+unit, " ")
}

var siPrefixes = []struct {
	factor float64
	prefix string
}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}}

func threeDigits(v float64) string {
	switch {
	case v >= 99.95:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.995:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// Plural returns n with the singular or plural of a noun: "1 flow", "2 flows".
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// OneLine keeps what an answer said from breaking the lines of a report.
func OneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// WriteColumns writes lines of a report. What is before the tab of a line is a label, and what is behind it begins in
// the same column on all lines.
func WriteColumns(w io.Writer, text string) error {
	const labelWidth, gap = 10, 2
	t := tabwriter.NewWriter(w, labelWidth, 0, gap, ' ', 0)
	if _, err := io.WriteString(t, text); err != nil {
		return err
	}
	return t.Flush()
}
