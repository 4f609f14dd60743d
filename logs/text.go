package logs

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxText = 256
	maxLong = 4096
)

// Text returns an attribute with a text from a client. A text that takes more than 256 bytes in its written
// form is truncated there, and its original number of bytes is appended.
func Text[T string | []byte](key string, text T) slog.Attr {
	return slog.String(key, cut(text, maxText))
}

// Long is Text with 4096 bytes, for texts of the program that a client may have lengthened: a stack, an
// error.
func Long[T string | []byte](key string, text T) slog.Attr {
	return slog.String(key, cut(text, maxLong))
}

// cut returns text if it takes at most most bytes when it is written in quotes, or else its longest prefix that
// does, with the number of bytes of text.
func cut[T string | []byte](text T, most int) string {
	// The part that is cut off is not examined, however long it is.
	head := string(text[:min(len(text), most+1)])
	for at, used := 0, 0; at < len(head); {
		r, size := utf8.DecodeRuneInString(head[at:])
		if used += written(r, size); used > most {
			return fmt.Sprintf("%s... (%d bytes)", head[:at], len(text))
		}
		at += size
	}
	return head
}

// written returns the number of bytes that a rune takes in quotes, in the format that takes more.
func written(r rune, size int) int {
	switch {
	case r == '"' || r == '\\':
		return 2
	case r == utf8.RuneError && size == 1, r < ' ':
		return len(`\u0000`)
	case !unicode.IsPrint(r):
		return len(`\U00000000`)
	}
	return size
}

// Writer returns a writer for libraries that log lines of text. Each line is logged with this message, and
// its text is the attribute "detail".
func (l *Limiter) Writer(level slog.Level, message string) io.Writer {
	return lineWriter{l, level, message}
}

type lineWriter struct {
	limiter *Limiter
	level   slog.Level
	message string
}

// Write implements io.Writer. Package log calls it once for each line.
func (w lineWriter) Write(line []byte) (int, error) {
	w.limiter.Log(w.level, Kind{Message: w.message}, func() []slog.Attr {
		return []slog.Attr{Text("detail", strings.TrimSuffix(string(line), "\n"))}
	})
	return len(line), nil
}
