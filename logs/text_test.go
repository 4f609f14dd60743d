package logs

import (
	"bytes"
	"log"
	"log/slog"
	"strings"
	"testing"
)

// A text is as long as what is written of it, in either format, whatever a client put into it.
func TestTextsAreCut(t *testing.T) {
	for name, unit := range map[string]string{
		"letters": "a", "quotes": `"`, "zeros": "\x00", "no UTF-8": "\xff", "umlauts": "ü", "not printable": "\u2028",
		"beyond 16 bits": "\U000e0001", "smileys": "😀", "tabs": "\t", "marks": "<&>",
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Repeat(unit, 100_000)
			for format, handler := range map[string]func(*bytes.Buffer) slog.Handler{
				"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
				"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
			} {
				var with, without bytes.Buffer
				slog.New(handler(&with)).Info("", Text("key", text))
				slog.New(handler(&without)).Info("", "key", `"`)
				if n := with.Len() - without.Len(); n > maxText+30 {
					t.Errorf("%s takes %d bytes: %s", format, n, with.String())
				}
			}
			if got := Text("key", text).Value.String(); !strings.HasPrefix(got, unit) || !strings.Contains(got, "00 bytes)") {
				t.Errorf("%q", got)
			}
			for _, whole := range []string{"", unit, strings.Repeat(unit, maxText/10)} {
				if got := Text("key", []byte(whole)).Value.String(); got != whole {
					t.Errorf("%q became %q", whole, got)
				}
			}
			if got := Long("key", text).Value.String(); len(got) <= maxText || len(got) > maxLong+30 {
				t.Errorf("a long text of %d bytes", len(got))
			}
		})
	}
	if got := Text("key", strings.Repeat("a", 256)).Value.String(); len(got) != 256 {
		t.Errorf("what just fits became %q", got)
	}
	if got := Text("key", strings.Repeat("a", 257)).Value.String(); got != strings.Repeat("a", 256)+"... (257 bytes)" {
		t.Errorf("one more became %q", got)
	}
	if got := Text("key", strings.Repeat("a", 255)+"ü").Value.String(); got != strings.Repeat("a", 255)+"... (257 bytes)" {
		t.Errorf("a letter that does not fit became %q", got)
	}
}

// Libraries that log by package log are bounded too.
func TestWriter(t *testing.T) {
	l, o := newLimiter(t, slog.LevelInfo)
	library := log.New(l.Writer(slog.LevelWarn, "from a library"), "", 0)
	for i := range 100 {
		library.Printf("trouble %d", i)
	}
	l.Flush()
	lines := o.lines()
	if len(lines) != 6 || lines[1].Msg != "from a library" || lines[1].Detail != "trouble 1" || lines[5].More != 95 {
		t.Errorf("%v", lines)
	}
}

// A client's name cannot make a line long.
func TestClientsAreCut(t *testing.T) {
	l, o := newLimiter(t, slog.LevelInfo)
	l.Log(slog.LevelWarn, Kind{Message: "refused", Client: strings.Repeat("c", 10_000)}, nil)
	if lines := o.lines(); len(lines) != 1 || len(lines[0].Client) != maxClient {
		t.Errorf("%v", lines)
	}
}
