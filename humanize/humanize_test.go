package humanize

import (
	"testing"

	"flowd/flow"
)

func TestNumbers(t *testing.T) {
	for got, want := range map[string]string{
		Count(0, "file"): "0 files", Count(1, "file"): "1 file", Count(uint64(2), "file"): "2 files",
		Limit(0): "0 bytes", Limit(1023): "1023 bytes", Limit(1024): "1 KiB", Limit(1500): "1500 bytes",
		Limit(1536 << 10): "1536 KiB", Limit(8 << 20): "8 MiB",
		Size(17): "17 B", Size(1536): "1.5 KiB", Size(8 << 20): "8.0 MiB", Size(3 << 30): "3072.0 MiB",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestHourBegin(t *testing.T) {
	for h, want := range map[flow.Hour]string{0: "-", 99_999: "-", 100_000: "1981-05-29 16:00 UTC", 482_659: "2025-01-22 19:00 UTC"} {
		if got := HourBegin(h); got != want {
			t.Errorf("hour %d is %s, want %s", h, got, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "",
		"checkout-api":          "checkout-api",
		"支払い 🛒 n̈ \u200e":       `支払い 🛒 n̈ \u200e`,
		"a\x1b[31mb\x07":        `a\x1b[31mb\a`,
		"tab\tline\nback\r":     `tab\tline\nback\r`,
		"\u202egnp.exe":         `\u202egnp.exe`,
		"\u2028\u0085\ufeff":    `\u2028\u0085\ufeff`,
		"👩\u200d💻 क्\u200dष":    "👩\u200d💻 क्\u200dष",
		"bad \xff\xc3( utf8":    `bad \xff\xc3( utf8`,
		"back\\slash 'quoted' ": "back\\slash 'quoted' ",
	} {
		if got := Printable(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}
