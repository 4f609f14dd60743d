package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// These are of what the page says: nothing that is false, also while the server is slow, fails, or has
// more than the page can show.

// openAt opens a target in a tab whose clock begins six seconds after the turn to an hour.
// testing.pass passes hours.
func (s *server) openAt(target string, hour int, expected ...string) *tab {
	s.t.Helper()
	b := s.newTab()
	b.expected = expected
	s.t.Cleanup(func() {
		for _, what := range b.faults() {
			s.t.Error(what)
		}
	})
	clock := fmt.Sprintf(`(() => {
		const now = Date.now, begin = now()
		let at = %d * 3600000 + 6000
		Date.now = () => at + now() - begin
		testing.pass = (hours) => { at += hours * 3600000; return true }
	})()`, hour)
	_, err := chromedp.Call(b.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: clock})
	if err != nil {
		s.t.Fatal(err)
	}
	b.do(chromedp.Navigate(s.url(target)))
	return b
}

// strip is the colours down the middle of a slot of a plot, from the top of the canvas to its axis.
const strip = `((plot, slot, slots) => {
	const canvas = testing.part(plot).querySelector("canvas"), over = testing.part(plot).querySelector(".u-over")
	const dense = devicePixelRatio, left = canvas.getBoundingClientRect().left
	const box = over.getBoundingClientRect()
	const x = Math.round((box.left - left + box.width * (slot + 0.5) / slots) * dense)
	// A copy, so that the plot's own stays where it is drawn fast.
	const column = new OffscreenCanvas(1, Math.round(box.height * dense)).getContext("2d", { willReadFrequently: true })
	column.drawImage(canvas, -x, 0)
	const pixels = column.getImageData(0, 0, 1, column.canvas.height).data
	return Array.from({ length: pixels.length / 4 }, (_, i) => pixels.slice(4 * i, 4 * i + 4).join())
})`

// (a) What an hour that still runs has not yet is not taken for gone: it is compared with nothing, and what
// changed is of the two hours before, unless one asks. It is hatched, and all that is said of it is so far.
func TestRunningHour(t *testing.T) {
	s := start(t, needPage(t))
	s.post(threeHours()...)
	b := s.openAt(exact, newest)
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
	b.texts("delta-total", "so far")
	b.until(`testing.text("hour-kind") === "Hour, still running: what is shown is so far"`)
	b.until(`testing.text("talkers")?.includes("So far: All 4 rows") && testing.text("map-compact")?.includes("So far: All 4")`)
	b.until(`testing.part("hour-slider").ariaValueText.includes("so far")`)
	b.until(`testing.text("changes-compact")?.includes("24 Nov 15:00, since 24 Nov 14:00; 24 Nov 16:00 still runs")`)
	b.until(`testing.part("changes-compact").querySelectorAll("li").length === 2 && !testing.text("changes-compact")?.includes("gone")`)
	// Stripes go through its bar, and not through that before.
	turns := func(slot int) string {
		return fmt.Sprintf(`%s("hour-slider", %d, 3).filter((colour, i, all) => i > 0 && colour !== all[i - 1]).length`, strip, slot)
	}
	b.until(turns(2) + ` > 20 && ` + turns(1) + ` < 20`)

	b.click(part("tab-changes"))
	b.shows("changes-table", []string{"grown", "web", "db", "vpc-1", "1,000", "10,000"}, []string{"new", "api", "db", "vpc-2", "0", "1,000"})
	b.click(part("compare-running"))
	b.until(`testing.text("delta-total") === "−3.0 % vs 15:00"`)
	b.until(`testing.rows("changes-table").length === 4 && testing.text("changes")?.includes("24 Nov 16:00 so far, since 24 Nov 15:00")`)
	b.follow(chromedp.Reload()) // it is part of the link
	b.until(`testing.rows("changes-table").length === 4`)
	b.click(part("compare-running"))
	b.texts("delta-total", "so far")

	// Once it is over it is an hour as any.
	value[bool](b, `testing.pass(1)`)
	b.until(`testing.text("delta-total") === "−3.0 % vs 15:00" && testing.text("hour-kind") === "Hour"`)
	b.until(`testing.rows("changes-table").length === 4 && !testing.text("changes")?.includes("so far")`)
	b.until(turns(2) + ` < 20`)
}

// Where no hour is over there is nothing to compare.
func TestRunningHourAlone(t *testing.T) {
	s := start(t, needPage(t))
	s.post(row{"web", "db", "vpc-1", 3000, 6000, newest})
	b := s.openAt(exact, newest)
	b.texts("delta-total", "so far")
	b.until(`testing.text("changes-compact")?.includes("No hour before this one is finished")`)
}

// hold has the front hold back what is asked of an hour until the test lets it go: to fail, or on to the server.
func (f *front) hold(hour int) (release func(fail bool)) {
	held := make(chan bool, 1)
	let := make(chan struct{})
	f.answer(func(w http.ResponseWriter, r *http.Request) bool {
		q := r.URL.Query()
		if q.Get("hour") != fmt.Sprint(hour) && q.Get("b") != fmt.Sprint(hour) {
			return false
		}
		select {
		case <-let:
		case <-r.Context().Done():
			return true
		}
		fail := <-held
		held <- fail
		if fail {
			w.WriteHeader(http.StatusInternalServerError)
		}
		return fail
	})
	return func(fail bool) { held <- fail; close(let) }
}

// (b) Rows, shares and title belong together: rows of another hour say so, and are shares of that.
func TestRowsOfTheHourBefore(t *testing.T) {
	s := start(t, needPage(t))
	s.post(threeHours()...)
	f := s.behind()
	b := s.open(exact, "status of 500")
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
	shares := func() []string { return b.column("talkers-table", 6) }
	want := []string{"84.3 %", "9.4 %", "5.6 %", "0.7 %"}
	if got := shares(); !slices.Equal(got, want) {
		t.Fatalf("the shares are %q, want %q", got, want)
	}
	release := f.hold(newest - 1)
	b.click(part("hour-before"))
	b.texts("hour-name", "Mon 24 Nov 2025, 15:00 UTC")
	for _, panel := range []string{"talkers", "map-compact", "changes-compact"} {
		b.texts(panel+"-stale", "Still Mon 24 Nov 2025, 16:00 UTC.")
	}
	b.until(`testing.text("changes-compact")?.includes("24 Nov 16:00, since 24 Nov 15:00")`)
	b.until(`testing.part("talkers").ariaBusy === "true"`)
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
	if got := shares(); !slices.Equal(got, want) {
		t.Errorf("beside the totals of another hour the shares are %q, want %q", got, want)
	}
	release(true)
	b.until(`testing.text("talkers-failure")?.startsWith("What is shown is of Mon 24 Nov 2025, 16:00 UTC.")`)
	b.texts("talkers-stale", "Still Mon 24 Nov 2025, 16:00 UTC.")
	if got := shares(); !slices.Equal(got, want) {
		t.Errorf("after a failure the shares are %q, want %q", got, want)
	}
	f.answer(nil)
	b.click(`[data-testid="talkers-failure"] button`)
	b.shows("talkers-table", []string{"web", "db", "vpc-1", "1,000", "9,000", "10,000", "90.9 %"},
		[]string{"api", "db", "vpc-2", "500", "500", "1,000", "9.1 %"})
	b.until(`testing.part("talkers-stale") === null && testing.part("talkers-failure") === null`)
}

// (c) While rows are read the page does not say that there are none.
func TestNoRowsYet(t *testing.T) {
	s := start(t, needPage(t))
	s.post(threeHours()...)
	f := s.behind()
	release := f.hold(newest)
	b := s.open(exact)
	b.until(`testing.part("talkers")?.ariaBusy === "true" && testing.text("series")?.includes("Reading")`)
	for _, panel := range []string{"talkers", "series", "map-compact", "changes-compact"} {
		b.until(`testing.text("` + panel + `").includes("Reading …")`)
		b.until(`!/There are no|No flows|has no flows|Nothing/.test(testing.text("` + panel + `"))`)
	}
	release(false)
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)

	// Nor does it while an hour with rows is read after one without.
	b.fill("hour-field", "489000", kb.Enter)
	b.until(`testing.text("talkers-table")?.includes("This hour has no flows.")`)
	release = f.hold(newest - 1)
	b.fill("hour-field", "489999", kb.Enter)
	b.until(`testing.text("talkers-table")?.includes("Reading …") && testing.text("series")?.includes("Reading …")`)
	release(false)
	b.shows("talkers-table", []string{"web", "db", "vpc-1"}, []string{"api", "db", "vpc-2"})
}

// (d) A name that was typed is a filter once its field is left, by Tab or by a click.
func TestFilterIsApplied(t *testing.T) {
	b := openThreeHours(t, exact)
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
	b.do(chromedp.Focus(part("filter-src_app-input")))
	b.press("web", kb.Tab)
	b.shows("talkers-table", webDB, webCache)
	b.until(`testing.part("filter-src_app-input").value === ""`)
	b.do(chromedp.Focus(part("filter-dest_app-input")))
	b.press("cache")
	b.click(part("hour-name"))
	b.shows("talkers-table", webCache)
	// Who does not mean it takes it back.
	b.do(chromedp.Focus(part("filter-vpc_id-input")))
	b.press("none", kb.Escape, kb.Escape, kb.Tab)
	b.until(`testing.part("filter-vpc_id-input").value === "" && testing.text("filter-vpc_id") === "VPC"`)
	b.shows("talkers-table", webCache)
	// What another window takes the focus from is not left.
	b.do(chromedp.Focus(part("filter-vpc_id-input")))
	b.press("vpc-2")
	value[bool](b, `testing.part("filter-vpc_id-input").dispatchEvent(new FocusEvent("blur"))`)
	b.until(`testing.part("filter-vpc_id-input").value === "vpc-2"`)
}

// (e) What is not drawn is said, with what it carried.
func TestWhatIsNotDrawn(t *testing.T) {
	s := start(t, needPage(t))
	var rows []row
	for i := range 60 { // each of 60 with each of 40
		for j := range 40 {
			rows = append(rows, row{fmt.Sprintf("src-%02d", i), fmt.Sprintf("dest-%02d", j), "vpc-1", 500, 500, newest})
		}
	}
	s.post(rows...)
	b := s.open("/#units=bytes&view=map&map=matrix")
	b.texts("map-note", "784 of 2,400 connections, 32.7 % of the hour’s bytes; not shown: 1,616,000, 67.3 %")
	b.click(`[data-testid="map-form"] label:has([value="sankey"])`)
	b.texts("map-note", "The heaviest 20 connections, 0.8 % of the hour’s bytes; not shown: 2,380,000, 99.2 %")
	b.click(part("tab-talkers"))
	b.texts("map-note", "The heaviest 12 connections, 0.5 % of the hour’s bytes; not shown: 2,388,000, 99.5 %")
}

// (f) Tab goes on from a filter whose list is long enough to scroll.
func TestTabFromALongList(t *testing.T) {
	s := start(t, needPage(t))
	for i := range 40 {
		s.post(row{fmt.Sprintf("app-%02d", i), "db", "vpc-1", 1, 2, newest})
	}
	b := s.open(exact)
	b.do(chromedp.Focus(part("filter-src_app-input")))
	b.press("a")
	const list = `testing.part("filter-src_app").querySelector('[role="listbox"]')`
	b.until(`testing.options("src_app").length === 13 && ` + list + `.scrollHeight > ` + list + `.clientHeight`)
	b.press(kb.Escape, kb.Backspace)
	b.press(kb.ArrowDown)
	b.until(`!` + list + `.hidden && ` + list + `.scrollHeight > ` + list + `.clientHeight`)
	b.press(kb.Tab)
	b.until(`document.activeElement === testing.part("filter-dest_app-input")`)
	b.press(kb.Shift) // which goes nowhere
	if at := value[string](b, `document.activeElement.tagName`); at != "INPUT" {
		t.Errorf("the focus is on %s", at)
	}
}

// (g) Long names, in filters as well, leave the page as wide as a telephone.
func TestLongNamesOnATelephone(t *testing.T) {
	s := start(t, needPage(t))
	long, longest := strings.Repeat("service-", 6), strings.Repeat("W", 256)
	s.post(row{long, longest, long + "vpc", 3, 4, newest}, row{longest, long, longest, 5, 6, newest}, row{long, longest, "v", 3, 4, newest - 1})
	b := s.open("/#src_app=" + long + "&src_app=" + longest + "&dest_app=" + longest + "&dest_app=" + long)
	b.do(chromedp.EmulateViewport(390, 844))
	// Nothing is wider than what it stands in, but for what scrolls or ends in dots.
	const wide = `[...document.querySelectorAll("body *")].filter((one) => {
		if (one.closest(".unseen, svg, .table-box table, .figures-box table, .tabs, .u-wrap")) return false
		for (let up = one.parentElement; up; up = up.parentElement) if (getComputedStyle(up).overflowX !== "visible") return false
		const box = one.getBoundingClientRect()
		return box.width > 0 && (box.right > 390.5 || box.left < -0.5)
	})`
	fits := func(where string) {
		t.Helper()
		b.until(`document.documentElement.scrollWidth <= 390 && ` + wide + `.length === 0`)
		t.Logf("%s fits", where)
	}
	for _, view := range []string{"talkers", "map", "changes", "ends"} {
		b.click(part("tab-" + view))
		b.until(`testing.part("` + view + `").ariaBusy === "false"`)
		fits(view)
	}
	for _, field := range []string{"src_app", "dest_app", "vpc_id"} {
		b.do(chromedp.Focus(part("filter-" + field + "-input")))
		b.until(`testing.options("` + field + `").length >= 2`)
		fits("the names of " + field)
	}
}

// (h) Totals that stop at the most that fits say so, and nothing is a share of them.
func TestTotalsThatSaturate(t *testing.T) {
	const most = 1<<63 - 1 // of a flow
	s := start(t, needPage(t))
	for _, app := range []string{"a", "b", "c"} {
		s.post(row{app, "db", "vpc-1", most, 1, newest}, row{app, "db", "vpc-1", 1, 1, newest - 1})
	}
	b := s.open(exact)
	b.texts("total-sent", "≥ 18,446,744,073,709,551,615")
	b.texts("delta-sent", "more than can be summed")
	b.until(`testing.part("hour-slider").ariaValueText.includes("at least")`)
	b.until(`testing.rows("talkers-table").length === 3`)
	if shares := b.column("talkers-table", 6); !slices.Equal(shares, []string{"–", "–", "–"}) {
		t.Errorf("the shares are %q", shares)
	}
	b.until(`testing.text("rows-note") === "All 3 rows"`)
}

// (i) Where nothing had to match, nothing is said of matching.
func TestNoFlows(t *testing.T) {
	b := openThreeHours(t, "/#units=bytes&hour=489000")
	b.until(`testing.text("talkers-table")?.includes("This hour has no flows.") && testing.text("map-compact")?.includes("This hour has no flows.")`)
	b.click(part("tab-ends"))
	b.until(`testing.text("ends-table")?.includes("This hour has no flows.")`)
	b.click(part("tab-changes"))
	b.fill("hour-field", "488999", kb.Enter)
	b.until(`testing.text("changes-table")?.includes("Nothing changed between these hours.")`)
	b.do(chromedp.SendKeys(part("filter-src_app-input"), "web"+kb.Enter))
	b.until(`testing.text("changes-table")?.includes("Nothing that matches changed between these hours.")`)
	b.click(part("tab-talkers"))
	b.until(`testing.text("talkers-table")?.includes("No flows of this hour match.") && testing.text("map-compact")?.includes("No flows of this hour match.")`)
}

// (j) Lines over fewer hours than the picker shows say so.
func TestHoursLeftOut(t *testing.T) {
	s := start(t, needPage(t))
	rows := make([]row, 2000)
	for i := range rows {
		rows[i] = row{"web", "db", "vpc-1", 1, 2, newest - i}
	}
	s.post(rows...)
	b := s.open("/#span=all")
	b.until(`testing.text("series")?.includes("Only the newest 744 hours of 2,000")`)
	b.click(`[data-testid="span"] label:has([value="720"])`)
	b.until(`testing.text("series")?.includes("Over the hours") && !testing.text("series")?.includes("Only the newest")`)
}

// (k) The chosen hour is marked where it has no bar too, within the hours with flows and beyond them.
func TestHourWithoutABar(t *testing.T) {
	s := start(t, needPage(t))
	s.post(row{"web", "db", "vpc-1", 1, 2, newest - 2}, row{"web", "db", "vpc-1", 1, 2, newest})
	b := s.open("/#hour=489999")
	b.texts("hour-name", "Mon 24 Nov 2025, 15:00 UTC")
	marked := func(slot, slots int) string {
		return fmt.Sprintf(`(%s("hour-slider", %d, %d).at(-1))`, strip, slot, slots)
	}
	b.until(`testing.part("hour-slider").querySelector("canvas") !== null`)
	b.until(marked(1, 3) + ` !== "0,0,0,0"`)
	b.fill("hour-field", fmt.Sprint(newest+2), kb.Enter)
	b.until(`testing.part("hour-slider").ariaValueNow === "4"`)
	b.until(marked(4, 5) + ` !== "0,0,0,0" && ` + marked(1, 5) + ` === "0,0,0,0"`)
}

// An hour whose earlier flows have expired is a part of one.
func TestPartOfAnHour(t *testing.T) {
	s := start(t, needPage(t))
	s.post(threeHours()...)
	f := s.behind()
	server, err := url.Parse("http://" + s.address)
	if err != nil {
		t.Fatal(err)
	}
	f.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/api/v1/hours" {
			return false
		}
		whole := httptest.NewRecorder()
		httputil.NewSingleHostReverseProxy(server).ServeHTTP(whole, r)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, strings.Replace(whole.Body.String(), `"hour":489999,`, `"hour":489999,"expired_before":true,`, 1))
		return true
	})
	b := s.open(exact)
	b.texts("delta-total", "−3.0 % vs 15:00, in part")
	b.until(`testing.text("changes-compact")?.includes("since 24 Nov 15:00, of which a part is left")`)
	b.click(part("hour-before"))
	b.texts("hour-kind", "Hour, of which a part is left: its earlier flows have expired")
	b.until(`testing.part("hour-slider").ariaValueText.includes("a part of it")`)
}
