package browser

import (
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// newest is the last hour of threeHours: Mon 24 Nov 2025, 16:00 UTC.
const newest = 490_000

// threeHours are flows of few apps. In the newest hour each order has its own sequence.
func threeHours() []row {
	return []row{
		{"web", "db", "vpc-1", 100, 900, newest - 2},
		{"web", "db", "vpc-1", 1000, 9000, newest - 1},
		{"api", "db", "vpc-2", 500, 500, newest - 1},

		{"web", "db", "vpc-1", 3000, 6000, newest},
		{"batch", "cache", "vpc-1", 700, 300, newest},
		{"api", "db", "vpc-2", 40, 560, newest},
		{"web", "cache", "vpc-2", 60, 10, newest},
	}
}

// The rows of the newest hour as the table has them when it is opened.
var (
	webDB      = []string{"web", "db", "vpc-1", "3,000", "6,000", "9,000"}
	batchCache = []string{"batch", "cache", "vpc-1", "700", "300", "1,000"}
	apiDB      = []string{"api", "db", "vpc-2", "40", "560", "600"}
	webCache   = []string{"web", "cache", "vpc-2", "60", "10", "70"}
)

// exact is a view that shows every digit.
const exact = "/#units=bytes"

// openThreeHours opens the page of a server that has threeHours.
func openThreeHours(t *testing.T, target string) *tab {
	t.Helper()
	s := start(t, needPage(t))
	s.post(threeHours()...)
	return s.open(target)
}

func TestOpen(t *testing.T) {
	b := openThreeHours(t, exact)
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
	b.texts("hour-name", "Mon 24 Nov 2025, 16:00 UTC")
	for id, want := range map[string]string{
		"total-total": "10,670", "total-sent": "3,800", "total-received": "6,870", "total-flows": "4", "total-tuples": "4",
		"version": "flowd 1.2.3",
	} {
		b.texts(id, want)
	}
	if title := value[string](b, `document.title`); !strings.Contains(title, "24 Nov 2025") || !strings.Contains(title, "flowd") {
		t.Errorf("the title is %q", title)
	}
	b.until(`performance.getEntriesByName("first-contentful-paint").length === 1`)
	t.Logf("first contentful paint %.0f ms after the page was asked for",
		value[float64](b, `performance.getEntriesByName("first-contentful-paint")[0].startTime`))
	for _, target := range b.requests() {
		if target != "/" && !strings.HasPrefix(target, "/assets/") && !strings.HasPrefix(target, "/api/v1/") {
			t.Errorf("the page asks for %s", target)
		}
	}
}

func TestPickHour(t *testing.T) {
	b := openThreeHours(t, exact)
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
	middle := [][]string{{"web", "db", "vpc-1", "1,000", "9,000", "10,000"}, {"api", "db", "vpc-2", "500", "500", "1,000"}}
	first := []string{"web", "db", "vpc-1", "100", "900", "1,000"}

	// By the mouse: the middle one of three bars.
	b.click(chromedp.CSS(`[data-testid="hour-slider"] .u-over`))
	b.texts("hour-name", "Mon 24 Nov 2025, 15:00 UTC")
	b.shows("talkers-table", middle...)
	b.click(part("hour-before"))
	b.texts("hour-name", "Mon 24 Nov 2025, 14:00 UTC")
	b.shows("talkers-table", first)

	// By keys.
	b.do(chromedp.Focus(part("hour-slider")))
	b.press(kb.ArrowRight)
	b.shows("talkers-table", middle...)
	b.press(kb.End)
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
	b.press(kb.Home)
	b.shows("talkers-table", first)
	if said := value[string](b, `testing.part("hour-slider").ariaValueText`); !strings.Contains(said, "14:00 UTC: 1.00 kB, 1 flow") {
		t.Errorf("a screen reader says %q", said)
	}

	// By its name.
	b.fill("hour-field", "2025-11-24 15:00", kb.Enter)
	b.shows("talkers-table", middle...)
	b.fill("hour-field", "489998", kb.Enter)
	b.shows("talkers-table", first)
	b.fill("hour-field", "noon", kb.Enter)
	b.until(`testing.part("hour-field").ariaInvalid === "true"`)
	b.shows("talkers-table", first)
}

func TestFollowTheNewest(t *testing.T) {
	b := openThreeHours(t, exact)
	b.click(part("follow"))
	b.server.post(row{"late", "db", "vpc-1", 1, 2, newest + 1})
	b.texts("hour-name", "Mon 24 Nov 2025, 17:00 UTC")
	b.shows("talkers-table", []string{"late", "db", "vpc-1", "1", "2", "3"})
	// The hour that is shown grows; who does not want to wait for it clicks.
	b.server.post(row{"late", "db", "vpc-1", 10, 20, newest + 1})
	b.click(part("refresh"))
	b.shows("talkers-table", []string{"late", "db", "vpc-1", "11", "22", "33"})
}

func TestFilter(t *testing.T) {
	b := openThreeHours(t, exact)
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)

	// A name is completed and chosen by keys, however fast: what does not fit what was typed is not
	// offered any more.
	b.do(chromedp.Focus(part("filter-src_app-input")))
	b.until(`testing.options("src_app").join() === "api,batch,web"`)
	b.press("w", kb.ArrowDown, kb.Enter)
	b.shows("talkers-table", webDB, webCache)
	b.texts("filter-src_app", "Source\nweb")
	// One more of the same field, by a prefix; then one of another field.
	b.do(chromedp.SendKeys(part("filter-src_app-input"), "ba*"+kb.Enter))
	b.shows("talkers-table", webDB, batchCache, webCache)
	b.do(chromedp.SendKeys(part("filter-dest_app-input"), "cache"+kb.Enter))
	b.shows("talkers-table", batchCache, webCache)
	b.click(`[aria-label="Remove Source ba*"]`)
	b.shows("talkers-table", webCache)
	b.do(chromedp.SendKeys(part("filter-vpc_id-input"), "none"+kb.Enter))
	b.shows("talkers-table")
	b.until(`testing.text("talkers-table").includes("No flows of this hour match.")`)
	b.click(part("clear-filters"))
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)

	// A name in the table is a filter too.
	b.click(`[data-testid="talkers-table"] tr[data-row="2"] td:nth-child(3) button`)
	b.shows("talkers-table", webDB, apiDB)
	b.do(chromedp.Focus(part("filter-dest_app-input")))
	b.press(kb.Backspace)
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
}

func TestSort(t *testing.T) {
	b := openThreeHours(t, exact)
	sorted := func(column, direction string, want ...[]string) {
		t.Helper()
		b.click(part("sort-" + column))
		b.shows("talkers-table", want...)
		marks := value[[]string](b, `[...testing.part("talkers-table").querySelectorAll("th[aria-sort]")].map(
			(head) => head.querySelector("button").dataset.testid + " " + head.ariaSort)`)
		if !slices.Equal(marks, []string{"sort-" + column + " " + direction}) {
			t.Errorf("sorted by %s, the heads say %q", column, marks)
		}
	}
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
	sorted("bytes_tx", "descending", webDB, batchCache, webCache, apiDB)
	sorted("bytes_tx", "ascending", apiDB, webCache, batchCache, webDB)
	sorted("bytes_rx", "descending", webDB, apiDB, batchCache, webCache)
	sorted("src_app", "ascending", apiDB, batchCache, webCache, webDB)
	sorted("src_app", "descending", webCache, webDB, batchCache, apiDB)
	sorted("bytes_total", "descending", webDB, batchCache, apiDB, webCache)
	// By keys as well.
	b.do(chromedp.Focus(part("sort-bytes_total")))
	b.press(kb.Enter)
	b.shows("talkers-table", webCache, apiDB, batchCache, webDB)
}

func TestGroup(t *testing.T) {
	b := openThreeHours(t, exact)
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
	b.click(part("group-dest_app"))
	b.shows("talkers-table",
		[]string{"web", "vpc-1", "3,000", "6,000", "9,000"}, []string{"batch", "vpc-1", "700", "300", "1,000"},
		[]string{"api", "vpc-2", "40", "560", "600"}, []string{"web", "vpc-2", "60", "10", "70"})
	b.click(part("group-vpc_id"))
	b.shows("talkers-table", []string{"web", "3,060", "6,010", "9,070"}, []string{"batch", "700", "300", "1,000"},
		[]string{"api", "40", "560", "600"})
	if !value[bool](b, `testing.part("group-src_app").disabled`) {
		t.Error("the last name of a row can be taken away")
	}
}

// A link holds the whole view, and each step of it is one of the browser's.
func TestLink(t *testing.T) {
	b := openThreeHours(t, exact)
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
	b.click(part("hour-before"))
	b.texts("hour-name", "Mon 24 Nov 2025, 15:00 UTC")
	b.click(part("group-dest_app"))
	b.click(part("sort-src_app"))
	want := [][]string{{"api", "vpc-2", "500", "500", "1,000"}, {"web", "vpc-1", "1,000", "9,000", "10,000"}}
	b.shows("talkers-table", want...)
	b.do(chromedp.SendKeys(part("filter-src_app-input"), "a*"+kb.Enter))
	b.shows("talkers-table", want[0])

	link := value[string](b, `location.pathname + location.search + location.hash`)
	other := b.server.open(link)
	other.shows("talkers-table", want[0])
	other.texts("hour-name", "Mon 24 Nov 2025, 15:00 UTC")
	if checked := value[bool](other, `testing.part("group-dest_app").checked`); checked {
		t.Error("the link does not keep the grouping")
	}

	b.do(chromedp.NavigateBack())
	b.shows("talkers-table", want...)
	b.do(chromedp.NavigateBack(), chromedp.NavigateBack())
	b.shows("talkers-table", []string{"web", "db", "vpc-1"}, []string{"api", "db", "vpc-2"})
	b.do(chromedp.NavigateBack())
	b.texts("hour-name", "Mon 24 Nov 2025, 16:00 UTC")
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
	b.do(chromedp.NavigateForward())
	b.texts("hour-name", "Mon 24 Nov 2025, 15:00 UTC")
}

// The other views show what the server says too.
func TestViews(t *testing.T) {
	b := openThreeHours(t, exact)
	b.click(part("tab-changes"))
	b.shows("changes-table", []string{"new", "batch", "cache", "vpc-1", "0", "1,000", "+1,000"},
		[]string{"shrunk", "web", "db", "vpc-1", "10,000", "9,000", "−1,000"},
		[]string{"shrunk", "api", "db", "vpc-2", "1,000", "600", "−400"}, []string{"new", "web", "cache", "vpc-2", "0", "70", "+70"})
	b.click(part("tab-ends"))
	b.until(`testing.rows("ends-table").length === 4`)
	b.click(part("tab-map"))
	b.click(`[data-testid="map-form"] label:has([value="table"])`)
	b.shows("map-table", []string{"web", "db", "9,000"}, []string{"batch", "cache", "1,000"}, []string{"api", "db", "600"}, []string{"web", "cache", "70"})
	b.click(`[data-testid="map-form"] label:has([value="matrix"])`)
	b.until(`document.querySelector('[data-testid="map"] [role="img"]').ariaLabel.startsWith("Matrix of 3 sources and 2 destinations")`)
	b.click(part("tab-talkers"))
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
}
