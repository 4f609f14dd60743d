package query

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"flowd/humanize"
)

// The media types of answers.
const (
	jsonMedia   = "application/json"
	ndjsonMedia = "application/x-ndjson"
	jsonlMedia  = "application/jsonl"
	csvMedia    = "text/csv"
)

// tableRows is the default number of rows of a table.
const tableRows = 100

// asker asks one question, once or repeatedly.
type asker struct {
	*client
	*question
	flags
	stdout, stderr io.Writer
	screen         screen
	format         string

	answers int      // number written so far
	before  *listing // the last answer, if it was a table
	drawing bool     // the alternate screen is shown
	title   string   // of the frame drawn last
	text    []byte
}

// ask asks q as the flags say, and writes the answer to p's stdout.
func ask(p *Process, f *flags, q *question) error {
	token, err := f.token()
	if err != nil {
		return err
	}
	a := &asker{
		client: newClient(f.Server, token, f.Timeout), question: q, flags: *f,
		stdout: p.Stdout, stderr: p.Stderr, screen: screenOf(p.Stdout),
	}
	defer a.client.close()
	a.format = a.chosenFormat()
	if a.Watch > 0 {
		err = a.watch(p.Ctx)
	} else {
		err = a.answer(p.Ctx)
	}
	if errors.Is(err, syscall.EPIPE) {
		return nil // the reader closed the pipe
	}
	return err
}

func (a *asker) chosenFormat() string {
	switch {
	case a.Format != "auto":
		return a.Format
	case a.screen.isTerminal() || a.Watch > 0:
		return "table"
	case a.hasFormats:
		return "ndjson"
	}
	return "json"
}

// answer asks once, and writes the answer.
func (a *asker) answer(ctx context.Context) error {
	parameters, err := a.asked(ctx, a.client)
	if err != nil {
		return err
	}
	if a.format == "table" {
		return a.answerTable(ctx, parameters)
	}
	return a.answerStream(ctx, parameters)
}

// answerTable writes the answer as a table, once it has arrived completely.
func (a *asker) answerTable(ctx context.Context, parameters url.Values) error {
	asked, limit := a.tableParameters(parameters)
	types := []string{jsonMedia}
	if a.hasFormats {
		types = []string{ndjsonMedia, jsonlMedia}
	}
	r, err := a.get(ctx, a.route, asked, types...)
	if err != nil {
		return err
	}
	defer r.close()
	l, err := a.read(r, a.columns, limit)
	if err != nil {
		return err
	}
	l.truncated = r.truncated
	t := l.table(listingView{raw: a.Raw, watched: a.Watch > 0, before: a.before})
	t.newestLast = a.newestLast
	return a.show(l, t, a.route+query(asked))
}

// tableParameters returns the parameters of a question for a table, and the most rows of its answer.
func (a *asker) tableParameters(parameters url.Values) (asked url.Values, limit int) {
	asked = url.Values{}
	for name, values := range parameters {
		asked[name] = values
	}
	if !a.hasFormats {
		return asked, 0
	}
	if a.tableOrder != "" && !asked.Has("order_by") {
		asked.Set("order_by", a.tableOrder)
	}
	if !asked.Has("limit") {
		asked.Set("limit", strconv.Itoa(a.tableRows()))
	}
	limit, _ = strconv.Atoi(asked.Get("limit")) // the flag was parsed as a number
	return asked, limit
}

// tableRows returns the number of rows to ask for.
func (a *asker) tableRows() int {
	const around = 5 // lines for title, two heads, totals and status
	if _, height := a.screen.size(); a.Watch > 0 && height > around {
		return height - around
	}
	return tableRows
}

func query(parameters url.Values) string {
	if len(parameters) == 0 {
		return ""
	}
	return "?" + parameters.Encode()
}

// show writes a table: alone, or as the next of several.
func (a *asker) show(l *listing, t *table, target string) error {
	a.before = l
	if a.isDrawn() {
		return a.draw(l, t, target)
	}
	var text bytes.Buffer
	if a.answers > 0 {
		text.WriteByte('\n')
	}
	if a.Watch > 0 {
		fmt.Fprintf(&text, "%s  %s\n", time.Now().UTC().Format("2006-01-02 15:04:05 UTC"), target)
	}
	a.answers++
	width, _ := a.screen.size()
	t.write(&text, canvas{width: width, colour: a.screen.colour()})
	if l.note != "" {
		fmt.Fprintln(&text, l.note)
	}
	if _, err := a.stdout.Write(text.Bytes()); err != nil {
		return err
	}
	if l.truncated {
		fmt.Fprintf(a.stderr, "flowd: these are the first %s, and there are more: raise --limit, or ask for less\n", humanize.Count(len(l.rows), "row"))
	}
	return nil
}

// draw draws a table over the previous one.
func (a *asker) draw(l *listing, t *table, target string) error {
	width, height := a.screen.size()
	height -= 2 // title and status
	if l.note != "" {
		height--
	}
	var text bytes.Buffer
	t.write(&text, canvas{width: width, height: max(height, 1), colour: a.screen.colour()})
	status := ""
	if l.note != "" {
		fmt.Fprintln(&text, l.note)
	}
	if l.truncated {
		status = "there are more rows"
	}
	a.title, a.text = target, text.Bytes()
	before := ""
	if !a.drawing {
		a.drawing, before = true, toOtherScreen
	}
	return a.screen.draw(frame{before: before, title: a.title, at: time.Now(), text: a.text, status: status})
}

// isDrawn reports whether answers are drawn over each other.
func (a *asker) isDrawn() bool { return a.Watch > 0 && a.format == "table" && a.screen.isTerminal() }

// answerStream copies the answer as it arrives. Once the answer has begun, interrupted no longer ends it,
// so that an interrupt never leaves half an answer.
func (a *asker) answerStream(interrupted context.Context, parameters url.Values) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(interrupted))
	defer cancel()
	ignoreInterrupt := context.AfterFunc(interrupted, cancel)
	types, asked := []string{jsonMedia}, parameters
	if a.hasFormats {
		asked = url.Values{"format": {a.format}}
		for name, values := range parameters {
			asked[name] = values
		}
		types = map[string][]string{"json": {jsonMedia}, "ndjson": {ndjsonMedia, jsonlMedia}, "csv": {csvMedia}}[a.format]
	}
	r, err := a.get(ctx, a.route, asked, types...)
	if err != nil {
		if interrupted.Err() != nil {
			return interrupted.Err()
		}
		return err
	}
	defer r.close()
	if !ignoreInterrupt() {
		return interrupted.Err()
	}
	if a.answers > 0 {
		if _, err := io.WriteString(a.stdout, "\n"); err != nil {
			return err
		}
	}
	a.answers++
	if err := copyAnswer(a.stdout, r, a.format); err != nil {
		return err
	}
	if r.truncated {
		fmt.Fprintln(a.stderr, "flowd: the answer ends at its limit, and there are more rows: raise --limit, or ask for less")
	}
	return nil
}

// cutError is the error of an answer that was only partly written.
type cutError struct{ text string }

func (e *cutError) Error() string { return e.text }

// copyAnswer copies an answer to its end, and verifies the form of the end: a proxy may have truncated the
// answer without an error.
func copyAnswer(w io.Writer, r io.Reader, format string) error {
	buffer := make([]byte, 64<<10)
	last, visible := byte('\n'), byte(0) // the last byte, and the last one that is not white space
	empty := true
	for {
		n, err := r.Read(buffer)
		if n > 0 {
			if _, err := w.Write(buffer[:n]); err != nil {
				return err
			}
			last, empty = buffer[n-1], false
			if text := bytes.TrimRight(buffer[:n], " \t\r\n"); len(text) > 0 {
				visible = text[len(text)-1]
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return &cutError{err.Error()}
		}
	}
	switch {
	case format == "json" && visible != ']' && visible != '}':
		return &cutError{"the answer is cut: it ends in the middle of the list"}
	case format != "json" && last != '\n' || format == "csv" && empty:
		return &cutError{"the answer is cut: it ends in the middle of a row"}
	case last != '\n':
		_, err := io.WriteString(w, "\n")
		return err
	}
	return nil
}
