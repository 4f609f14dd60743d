package query

import (
	"math/big"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"flowd/flow"
	"flowd/humanize"
)

func TestBytesText(t *testing.T) {
	for n, want := range map[string]string{
		"0": "0", "1": "1", "-1": "-1", "1023": "1023", "1024": "1.00K", "-1536": "-1.50K",
		"10188": "9.95K", "10189": "9.95K", "10235": "10.0K", "102348": "99.9K", "102349": "100K", "102399": "100K",
		"1047040": "1022K", "1048063": "1023K", "1048064": "1.00M", "1048575": "1.00M", "1048576": "1.00M",
		"1073741824": "1.00G", "18446744073709551615": "16.0E", "1180591620717411303424": "1.00Z",
		"1267650600228229401496703205376": "1048576Y",
	} {
		number, _ := new(big.Int).SetString(n, 10)
		if got := bytesText(number); got != want {
			t.Errorf("%s is %s, want %s", n, got, want)
		}
	}
}

func TestHourText(t *testing.T) {
	for h, want := range map[flow.Hour]string{
		0: "0", 99_999: "99999", 100_000: "1981-05-29 16:00 UTC", 482_659: "2025-01-22 19:00 UTC",
	} {
		if got := hourText(h); got != want {
			t.Errorf("hour %d is %s, want %s", h, got, want)
		}
	}
}

func TestShorten(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"checkout-api", 12, "checkout-api"},
		{"checkout-api", 11, "check…t-api"},
		{"checkout-api", 10, "check…-api"},
		{"checkout-api", 5, "ch…pi"},
		{"checkout-api", 2, "c…"},
		{"checkout-api", 1, "…"},
		{"支払い支払い", 12, "支払い支払い"},
		{"支払い支払い", 11, "支払…払い"},
		{"支払い支払い", 10, "支払…払い"},
		{"支払い支払い", 6, "支…い"},
		{"👩\u200d💻👩\u200d💻👩\u200d💻", 5, "👩\u200d💻…👩\u200d💻"},
	} {
		if got := shorten(c.text, c.width); got != c.want {
			t.Errorf("%q in %d places is %q, want %q", c.text, c.width, got, c.want)
		}
	}
}

// Whatever a name is, it is shown in as many places as there are, on one line.
func TestShownNamesFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := humanize.Printable(string(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes")) + rapid.String().Draw(t, "text"))
		width := rapid.IntRange(1, 50).Draw(t, "width")
		short := shorten(text, width)
		if textWidth(short) > width || !utf8.ValidString(short) || strings.ContainsAny(short, "\n\r\t\x1b\x7f") {
			t.Fatalf("%q is shown as %q in %d places", text, short, width)
		}
		if textWidth(text) <= width && short != text {
			t.Fatalf("%q is shown as %q, although there are %d places", text, short, width)
		}
	})
}
