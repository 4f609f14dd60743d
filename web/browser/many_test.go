package browser

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

const (
	manyRows = 100_000
	// longestTask is how long the page may be deaf, in milliseconds. It takes a tenth of that on a
	// slow machine; a page that put all rows into the document would take many times as long.
	longestTask = 1000
)

// A hundred thousand rows are shown, sorted and scrolled through without the page standing still.
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
	value[bool](b, `(window.longest = 0, new PerformanceObserver((list) => {
		for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration)
	}).observe({ type: "longtask" }), true)`)

	b.do(chromedp.SetValue(part("limit"), "100000"))
	value[bool](b, `testing.part("limit").dispatchEvent(new Event("change", { bubbles: true }))`)
	b.until(`testing.part("talkers-table").querySelector("table").ariaRowCount === "100001"`)
	begins := func(i int) string {
		return `testing.rows("talkers-table")[0].slice(0, 3).join() === ` + inScript(strings.Join(name(i), ","))
	}
	b.until(begins(0))
	if lines := value[int](b, `document.querySelectorAll("tr[data-row]").length`); lines > 200 {
		t.Errorf("%d rows are in the document", lines)
	}
	b.until(`(testing.part("talkers-table").scrollTop = 1e9, testing.rows("talkers-table").at(-1).slice(0, 3).join() === ` +
		inScript(strings.Join(name(manyRows-1), ",")) + `)`)
	b.click(part("sort-bytes_total"))
	b.until(`(testing.part("talkers-table").scrollTop = 0, ` + begins(manyRows-1) + `)`)
	b.until(`testing.part("talkers").ariaBusy === "false"`)

	longest := value[float64](b, `window.longest`)
	t.Logf("the page was deaf for at most %.0f ms", longest)
	if longest == 0 || longest > longestTask {
		t.Errorf("the page was deaf for %.0f ms, want at most %d, and some as a sign that it was measured", longest, longestTask)
	}
}
