package query

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// screen is the output, which may be a terminal.
type screen struct {
	w    io.Writer
	file *os.File // nil if it is not a terminal
}

func screenOf(w io.Writer) screen {
	s := screen{w: w}
	if file, ok := w.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		s.file = file
	}
	return s
}

func (s *screen) isTerminal() bool { return s.file != nil }

// size returns the size of the terminal; 0 means unbounded or unknown.
func (s *screen) size() (width, height int) {
	if s.file == nil {
		return 0, 0
	}
	width, height, err := term.GetSize(int(s.file.Fd()))
	if err != nil {
		return 0, 0
	}
	return width, height
}

// colour reports whether colours are welcome (https://no-color.org).
func (s *screen) colour() bool {
	return s.isTerminal() && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// Control sequences of terminals. The alternate screen preserves the content of the normal one; lines that
// are too long are cut, so that each takes one line; and the cursor is hidden.
const (
	toOtherScreen = "\x1b[?1049h\x1b[?7l\x1b[?25l"
	toFirstScreen = "\x1b[?25h\x1b[?7h\x1b[?1049l"
	toTop         = "\x1b[H"
	restOfLine    = "\x1b[K"
	restOfScreen  = "\x1b[J"
)

// frame is the content of one drawing.
type frame struct {
	before string // control sequences sent first
	title  string
	at     time.Time
	text   []byte // lines
	status string
	wrong  bool // status is an error
}

// draw draws f over the previous frame.
func (s *screen) draw(f frame) error {
	width, _ := s.size()
	clock := f.at.Format("15:04:05")
	title := f.title
	if room := width - len(columnGap) - len(clock); room > 0 {
		title = shorten(title, room)
		title += strings.Repeat(" ", max(room-textWidth(title), 0))
	}
	var b bytes.Buffer
	b.WriteString(f.before + toTop)
	fmt.Fprintf(&b, "%s%s%s%s\n", title, columnGap, clock, restOfLine)
	for line := range bytes.Lines(f.text) {
		b.Write(bytes.TrimSuffix(line, []byte("\n")))
		b.WriteString(restOfLine + "\n")
	}
	status := strings.ReplaceAll(f.status, "\n", " ")
	if f.wrong && s.colour() {
		status = coloured(status, red)
	}
	b.WriteString(status + restOfLine + restOfScreen)
	_, err := s.w.Write(b.Bytes())
	return err
}
