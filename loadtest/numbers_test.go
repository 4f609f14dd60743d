package loadtest

import "testing"

func TestSeconds(t *testing.T) {
	for s, want := range map[float64]string{
		0: "0.00µs", 1e-6: "1.00µs", 0.000604: "604µs", 0.0009996: "1.00ms", 0.01: "10.0ms", 0.9999: "1.00s", 12.34: "12.3s",
		59.96: "1m0s", 3600: "1h0m0s",
	} {
		if got := Seconds(s); got != want {
			t.Errorf("%v seconds are written %q, want %q", s, got, want)
		}
	}
}

func TestSI(t *testing.T) {
	for _, c := range []struct {
		value      float64
		unit, want string
	}{
		{0, "", "0.00"}, {0, "B", "0.00 B"}, {12.34, "", "12.3"}, {999.4, "", "999"}, {999.6, "", "1.00 k"},
		{1234, "B", "1.23 kB"}, {999_600, "", "1.00 M"}, {2.5e9, "B", "2.50 GB"}, {5e12, "B", "5000 GB"},
	} {
		if got := SI(c.value, c.unit); got != c.want {
			t.Errorf("%v %s is written %q, want %q", c.value, c.unit, got, c.want)
		}
	}
}

func TestExamplesAreExplained(t *testing.T) {
	for text, want := range map[string]string{
		`{"type":"about:blank","title":"Bad Request","status":400,"detail":"no hour"}`: "Bad Request: no hour",
		`{"detail":"no hour"}`:    "no hour",
		`{"title":"Bad Request"}`: "Bad Request",
		`{"error":"other"}`:       `{"error":"other"}`,
		`{"title":"cut of`:        `{"title":"cut of`,
		"":                        "",
	} {
		if got := (&outcome{example: text}).explain(); got != want {
			t.Errorf("%s is explained as %q, want %q", text, got, want)
		}
	}
}
