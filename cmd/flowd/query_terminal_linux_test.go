package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/rivo/uniseg"
	"golang.org/x/sys/unix"
)

// What a terminal is told: the alternate screen without line wrap and cursor, and back; home; erase to the
// end of the line, and of the screen (xterm's control sequences).
const (
	toOtherScreen = "\x1b[?1049h\x1b[?7l\x1b[?25l"
	toFirstScreen = "\x1b[?25h\x1b[?7h\x1b[?1049l"
	toTop         = "\x1b[H"
	restOfLine    = "\x1b[K"
	restOfScreen  = "\x1b[J"
)

// pseudoTerminal returns a terminal of so many places, and what is shown on it once it is closed.
func pseudoTerminal(t *testing.T, width, height uint16) (terminal *os.File, shown func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: width, Row: height}); err != nil {
		t.Fatal(err)
	}
	text := make(chan string)
	go func() {
		var all strings.Builder
		buffer := make([]byte, 4096)
		for {
			n, err := master.Read(buffer)
			all.Write(buffer[:n])
			if err != nil { // EIO, once the other end is closed
				text <- strings.ReplaceAll(all.String(), "\r\n", "\n")
				return
			}
		}
	}()
	return terminal, func() string {
		terminal.Close()
		return <-text
	}
}

const wideFlow = `{"src_app":"checkout-api","dest_app":"recommendations-worker","vpc_id":"vpc-1","bytes_tx":%d,"bytes_rx":2,"hour":7}` + "\n"

// On a terminal the answer is a table that fits it.
func TestQueryOnTerminal(t *testing.T) {
	s := newStub(t, says(map[string]string{"/flows": fmt.Sprintf(wideFlow, 1)}))
	for _, c := range []struct {
		noColour string
		want     string
	}{
		{"", "\x1b[1mHOUR  SRC_APP    DEST_APP   VPC_ID  BYTES_TX  BYTES_RX\x1b[0m\n" +
			"7     chec…-api  reco…rker  vpc-1          1         2\n" +
			"total of 1 row                             1         2\n"},
		{"1", "HOUR  SRC_APP    DEST_APP   VPC_ID  BYTES_TX  BYTES_RX\n" +
			"7     chec…-api  reco…rker  vpc-1          1         2\n" +
			"total of 1 row                             1         2\n"},
	} {
		t.Setenv("NO_COLOR", c.noColour)
		t.Setenv("TERM", "xterm")
		terminal, shown := pseudoTerminal(t, 54, 20)
		code := run(t.Context(), []string{"query", "--server", s.URL, "--hour", "7"}, nil, terminal, terminal)
		if got := shown(); code != exitOK || got != c.want {
			t.Errorf("NO_COLOR=%s: exit code %d, shown:\n%q\nwant:\n%q", c.noColour, code, got, c.want)
		}
	}
}

// A watch on a terminal draws over the other screen, and leaves it at the end.
func TestQueryWatchOnTerminal(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	s := watched(t, func(n int, w http.ResponseWriter, r *http.Request) {
		switch n {
		case 3:
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"detail":"Recovering."}`))
		case 4:
			interrupt()
		default:
			w.Header().Set("Flowd-Truncated", "true")
			says(map[string]string{"/flows": fmt.Sprintf(wideFlow, 3*n)})(w, r)
		}
	})
	t.Setenv("NO_COLOR", "1")
	terminal, shown := pseudoTerminal(t, 60, 8)
	code := run(ctx, []string{"query", "--server", s.URL, "--hour", "7", "--watch", "100ms"}, nil, terminal, terminal)
	text := shown()
	if code != exitOK || !strings.HasPrefix(text, toOtherScreen) || !strings.HasSuffix(text, toFirstScreen) {
		t.Errorf("exit code %d, shown:\n%q", code, text)
	}
	if want := "/flows?hour=7&limit=3&order_by=-bytes_total"; s.asked[0] != want {
		t.Errorf("asked %s, want %s: the rows that there is room for", s.asked[0], want)
	}
	frames := strings.Split(text, toTop)
	if len(frames) != 4 {
		t.Fatalf("%d frames, want 3 after what comes before:\n%q", len(frames)-1, text)
	}
	for i, want := range []struct{ row, status string }{
		{"vpc-1          3         2", "there are more rows"},
		{"vpc-1          6         2   +3", "there are more rows"},
		{"vpc-1          6         2   +3", "503 Service Unavailable: Recovering."},
	} {
		frame := frames[i+1]
		if !strings.HasPrefix(frame, "/flows?hour=7&limit=3&order_by=-bytes_total") || !strings.Contains(frame, want.row+restOfLine+"\n") ||
			!strings.Contains(frame, "\n"+want.status+restOfLine+restOfScreen) || strings.Count(frame, "\n") >= 8 {
			t.Errorf("frame %d:\n%q\nwant %q and %q", i+1, frame, want.row, want.status)
		}
		for line := range strings.Lines(strings.ReplaceAll(strings.ReplaceAll(frame, restOfLine, ""), restOfScreen, "")) {
			if uniseg.StringWidth(strings.TrimSuffix(line, "\n")) > 60+len(toFirstScreen) {
				t.Errorf("frame %d has a line that is too long: %q", i+1, line)
			}
		}
	}
}
