package browser

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/goccy/go-json"
)

// patience is how long a test waits for what must happen, on a slow machine too.
const patience = 2 * time.Minute

// tab is a tab of the browser with a profile of its own, and all that went wrong in it.
type tab struct {
	t      *testing.T
	ctx    context.Context
	server *server

	mu       sync.Mutex
	asked    []string // the targets of requests to the server, in their order
	said     []string // all that came to the console, of the page and of the browser
	wrong    []string // what must not happen, each once
	expected []string // parts of what may happen all the same
}

// open opens a target of the server in a new tab. At the end of the test nothing may have gone
// wrong in it but what is expected, by a part of its text.
func (s *server) open(target string, expected ...string) *tab {
	s.t.Helper()
	b := s.newTab()
	b.expected = expected
	s.t.Cleanup(func() {
		for _, what := range b.faults() {
			s.t.Error(what)
		}
	})
	b.do(chromedp.Navigate(s.url(target)))
	return b
}

func (s *server) newTab() *tab {
	s.t.Helper()
	needBrowser(s.t)
	ctx, closeTab := chromedp.NewContext(browser.ctx, chromedp.WithNewBrowserContext())
	ctx, cancel := context.WithTimeout(ctx, 4*patience)
	s.t.Cleanup(func() { cancel(); closeTab() })
	b := &tab{t: s.t, ctx: ctx, server: s}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		s.t.Fatal(err)
	}
	_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: readers})
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// hear takes what the browser tells of the tab.
func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		target, ours := strings.CutPrefix(e.Request.URL, b.server.url(""))
		switch {
		case ours:
			b.asked = append(b.asked, target)
		case !strings.HasPrefix(e.Request.URL, "data:") && !strings.HasPrefix(e.Request.URL, "blob:"):
			b.note("the page asks another server: %s", e.Request.URL)
		}
	case *log.EventEntryAdded: // failed requests, and what the content security policy forbids
		b.said = append(b.said, e.Entry.Text+" "+e.Entry.URL)
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			b.note("the browser logs %s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL)
		}
	case *runtime.EventConsoleAPICalled:
		b.said = append(b.said, printed(e.Args))
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			b.note("the page logs %s: %s", e.Type, printed(e.Args))
		}
	case *runtime.EventExceptionThrown:
		b.note("the page throws: %s %s", e.ExceptionDetails.Text, printed([]*runtime.RemoteObject{e.ExceptionDetails.Exception}))
	case *page.EventJavascriptDialogOpening:
		b.note("the page opens a dialog: %s", e.Message)
	}
}

// note keeps what must not happen. Of what happens again and again, once is enough.
func (b *tab) note(format string, args ...any) {
	if what := fmt.Sprintf(format, args...); !slices.Contains(b.wrong, what) {
		b.wrong = append(b.wrong, what)
	}
}

// printed is what was given to a function of the console.
func printed(args []*runtime.RemoteObject) string {
	var text []string
	for _, arg := range args {
		if arg == nil {
			continue
		}
		text = append(text, string(arg.Value)+arg.Description)
	}
	return strings.Join(text, " ")
}

// faults returns what went wrong and was not expected.
func (b *tab) faults() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(b.wrong), func(what string) bool {
		return slices.ContainsFunc(b.expected, func(part string) bool { return strings.Contains(what, part) })
	})
}

// expect says that what has this part is no fault.
func (b *tab) expect(part string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expected = append(b.expected, part)
}

// requests returns the targets that the tab asked the server for, and begins anew.
func (b *tab) requests() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	asked := b.asked
	b.asked = nil
	return asked
}

// readers are functions in the tab by which tests read the page: the part with a test id, the
// texts of a table's cells, whether a table's rows begin with these cells, and the names that the
// filter of a field offers.
const readers = `window.testing = {
	part: (id) => document.querySelector('[data-testid="' + id + '"]'),
	text: (id) => testing.part(id)?.innerText.trim() ?? null,
	rows: (id) => [...(testing.part(id)?.querySelectorAll('tr[data-row]') ?? [])].map(
		(line) => [...line.querySelectorAll('td:not(.pick)')].map((cell) => cell.textContent)),
	options: (field) => [...testing.part("filter-" + field).querySelectorAll('[role="option"]')].map((option) => option.textContent),
	shows: (id, want) => {
		const rows = testing.rows(id)
		return rows.length === want.length && want.every((cells, i) => cells.every((cell, j) => rows[i][j] === cell))
	},
}`

// part selects the part of the page with a test id.
func part(id string) chromedp.CSS { return chromedp.CSS(`[data-testid="` + id + `"]`) }

// do does one step after the other.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatalf("%v\n%s", err, b.shown())
	}
}

// click clicks the middle of what a selector finds.
func (b *tab) click(selector chromedp.CSS) {
	b.t.Helper()
	b.do(chromedp.Click(selector))
}

// follow does a step that leads to another document, and waits for that.
func (b *tab) follow(step chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if _, err := chromedp.RunResponse(b.ctx, step); err != nil {
		b.t.Fatalf("%v\n%s", err, b.shown())
	}
}

// press presses keys, one after the other, on what has the focus.
func (b *tab) press(keys ...string) {
	b.t.Helper()
	for _, key := range keys {
		b.do(chromedp.KeyEvent(key))
	}
}

// insert puts a text where the focus is, as a paste or an input method does: of any letters.
func (b *tab) insert(text string) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, input.InsertText, input.InsertTextParams{Text: text}); err != nil {
		b.t.Fatalf("%v\n%s", err, b.shown())
	}
}

// fill writes a text into a field in place of what it has, and presses a key.
func (b *tab) fill(id, text, key string) {
	b.t.Helper()
	b.do(chromedp.Focus(part(id)))
	value[bool](b, `(testing.part(`+inScript(id)+`).select(), true)`)
	b.do(chromedp.KeyEvent(text), chromedp.KeyEvent(key))
}

// rows returns the cells of a table.
func (b *tab) rows(id string) [][]string {
	b.t.Helper()
	return value[[][]string](b, `testing.rows(`+inScript(id)+`)`)
}

// texts waits until the part with this test id has this text.
func (b *tab) texts(id, want string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`testing.text(%s) === %s`, inScript(id), inScript(want)))
}

// shows waits until a table has exactly these rows, each of which begins with these cells.
func (b *tab) shows(id string, want ...[]string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`testing.shows(%s, %s)`, inScript(id), inScript(append([][]string{}, want...))))
}

// inScript writes a value as JavaScript does.
func inScript(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // values of tests are texts and numbers
	}
	return string(text)
}

// until waits until a condition in JavaScript holds.
func (b *tab) until(condition string) {
	b.t.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Poll[chromedp.Void](condition, chromedp.WithPollingTimeout(patience)))
	if err != nil {
		b.t.Fatalf("%v; waiting for %s\n%s", err, condition, b.shown())
	}
}

// value returns what an expression in JavaScript is.
func value[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v\n%s", expression, err, b.shown())
	}
	return v
}

// eventually waits for what no event tells.
func (b *tab) eventually(what string, holds func() bool) {
	b.t.Helper()
	deadline := time.Now().Add(patience)
	for tick := time.Tick(5 * time.Millisecond); !holds(); <-tick {
		if time.Now().After(deadline) {
			b.t.Fatalf("%s: not within %s\n%s", what, patience, b.shown())
		}
	}
}

// shown is what the tab shows, and what went wrong in it, for the message of a failed test.
func (b *tab) shown() string {
	ctx, cancel := context.WithTimeout(b.ctx, time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText.slice(0, 2000)`))
	if err != nil {
		text = err.Error()
	}
	return fmt.Sprintf("The tab shows:\n%s\nFaults: %q", text, b.faults())
}
