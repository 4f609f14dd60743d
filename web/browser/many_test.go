package browser

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

const (
	manyRows = 100_000
	// mostInDocument is how many of them may be in the document at a time: several screens. A page that put
	// all of them there would stand still for seconds.
	mostInDocument = 200
)

// A hundred thousand rows are shown, sorted and scrolled through, while few of them are in the document.
func TestManyRows(t *testing.T) {
	s := start(t, needPage(t))
	rows := make([]row, manyRows)
	name := func(i int) []string {
		return []string{fmt.Sprintf("app-%05d", i%4000), fmt.Sprintf("db-%02d", i/4000), "vpc-0"}
	}
	for i := range rows {
		n := name(i)
		rows[i] = row{n[0], n[1], n[2], uint64(manyRows - i), 7, newest}
	}
	s.post(rows...)
	b := s.open(exact)
	b.until(`testing.rows("talkers-table").length > 10`)
	value[bool](b, `(window.most = 0, new MutationObserver(() => {
		window.most = Math.max(window.most, document.querySelectorAll("tr[data-row]").length)
	}).observe(document, { childList: true, subtree: true }), true)`)

	b.do(chromedp.SetValue(part("limit"), "100000"))
	value[bool](b, `testing.part("limit").dispatchEvent(new Event("change", { bubbles: true }))`)
	b.until(`testing.part("talkers-table").querySelector("table").ariaRowCount === "100001"`)
	begins := func(i int) string {
		return `testing.rows("talkers-table")[0].slice(0, 3).join() === ` + inScript(strings.Join(name(i), ","))
	}
	b.until(begins(0))
	b.until(`(testing.part("talkers-table").scrollTop = 1e9, testing.rows("talkers-table").at(-1).slice(0, 3).join() === ` +
		inScript(strings.Join(name(manyRows-1), ",")) + `)`)
	b.click(part("sort-bytes_total"))
	b.until(`(testing.part("talkers-table").scrollTop = 0, ` + begins(manyRows-1) + `)`)
	b.until(`testing.part("talkers").ariaBusy === "false"`)

	if most := value[int](b, `window.most`); most == 0 || most > mostInDocument {
		t.Errorf("%d rows were in the document at a time, want 1 to %d", most, mostInDocument)
	}
}
