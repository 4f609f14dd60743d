package browser

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// hostile are names that are something else where a text is taken for markup, a script, an
// address, a format, a formula, or a property.
func hostile() []string {
	return []string{
		`<img src=x onerror="window.ran='img'">`,
		`"><script>window.ran='script'</script>`,
		`'"&<>` + "`" + `\`,
		`&lt;b&gt;&#39;&amp;`,
		`javascript:window.ran='link'`,
		`{a|window.ran}{b}{c}`,
		`${window.ran='template'}{{7*7}}`,
		`%s %d %20%00 ../../etc`,
		`=HYPERLINK("http://127.0.0.1:9/","x")`,
		`__proto__`,
		`constructor`,
		`a,b;c #hour=1&view=map`,
		"\u202etxt.exe",
		`</title></style></textarea>-->`,
		`ünïcödé 🐘 e` + "\u0301",
		` a  b `,
		strings.Repeat("W", 256),
	}
}

// seen is a name as the page shows it: what would change the direction of the text around it has
// a sign of its own.
func seen(name string) string { return strings.ReplaceAll(name, "\u202e", "\ufffd") }

// hostileFlows has each name as a source, and each as a destination and as a VPC of others; the
// first carries most.
func hostileFlows(names []string) (rows []row) {
	for i, name := range names {
		dest, vpc := names[(i+1)%len(names)], names[(i+2)%len(names)]
		rows = append(rows, row{name, dest, vpc, uint64(1000 - i), uint64(1000 - i), newest})
		rows = append(rows, row{name, dest, vpc, 1, 1, newest - 1})
	}
	return rows
}

// harmless fails the test if a name was taken for more than a text.
func (b *tab) harmless(where string) {
	b.t.Helper()
	if ran := value[*string](b, `window.ran`); ran != nil {
		b.t.Errorf("%s: a name ran as a script: %s", where, *ran)
	}
	if found := value[[]string](b, `[...document.querySelectorAll("img, iframe, object, embed, form, base, b, body style, body script:not([src])")].map(
		(element) => element.outerHTML)`); len(found) > 0 {
		b.t.Errorf("%s: a name became %q", where, found)
	}
	if links := value[[]string](b, `[...document.links].filter((link) => link.origin !== location.origin).map((link) => link.href)`); len(links) > 0 {
		b.t.Errorf("%s: a name became the link %q", where, links)
	}
}

// column returns the cells of a column of a table.
func (b *tab) column(id string, n int) (cells []string) {
	b.t.Helper()
	for _, row := range b.rows(id) {
		cells = append(cells, row[n])
	}
	return cells
}

func TestHostileNames(t *testing.T) {
	names := hostile()
	s := start(t, needPage(t))
	s.post(hostileFlows(names)...)
	b := s.open(exact)
	var want []string
	for _, name := range names {
		want = append(want, seen(name))
	}
	slices.Sort(want)
	all := func(what string, got []string) {
		t.Helper()
		if !slices.Equal(slices.Sorted(slices.Values(got)), want) {
			t.Errorf("%s has the names %q, want %q", what, got, want)
		}
		b.harmless(what)
	}
	full := func(id string, rows string) { t.Helper(); b.until(`testing.rows("` + id + `").length ` + rows) }

	full("talkers-table", "=== "+strconv.Itoa(len(names)))
	for field := range 3 {
		all("the table", b.column("talkers-table", field))
	}
	b.until(`testing.part("series-legend").children.length === 5`)
	b.until(`testing.part("changes-compact").querySelectorAll("li").length === 7`)
	b.until(`testing.part("map-compact").querySelector("canvas, svg") !== null`)
	label := value[string](b, `testing.part("map-compact").querySelector('[role="img"]').ariaLabel`)
	if !strings.Contains(label, names[0]+" to "+names[1]) {
		t.Errorf("the diagram's label is %q", label)
	}
	b.harmless("the first view")
	b.click(`[data-testid="series-table"] summary`)
	b.until(`testing.part("series-table").querySelectorAll("tbody tr").length === 2`)
	b.harmless("the hours as a table")

	b.click(part("tab-changes"))
	full("changes-table", "=== "+strconv.Itoa(len(names)))
	for field := range 3 {
		all("what changed", b.column("changes-table", 1+field))
	}
	b.click(part("tab-ends"))
	full("ends-table", "=== "+strconv.Itoa(len(names)))
	all("both ends, the VPC", b.column("ends-table", 2))
	b.click(part("tab-map"))
	b.click(`[data-testid="map-form"] label:has([value="table"])`)
	full("map-table", "=== "+strconv.Itoa(len(names)))
	all("who talks to whom", b.column("map-table", 0))
	for _, form := range []string{"matrix", "sankey"} {
		b.click(chromedp.CSS(`[data-testid="map-form"] label:has([value="` + form + `"])`))
		tip := b.tipOf(`[data-testid="map"] [role="img"]`)
		if !slices.ContainsFunc(names, func(name string) bool { return strings.Contains(tip, seen(name)) }) {
			t.Errorf("the tip of the %s is %q", form, tip)
		}
		b.harmless("the " + form)
	}
}

// tipOf moves the mouse over a chart, line by line, until a tip shows, and returns its text.
func (b *tab) tipOf(chart chromedp.CSS) string {
	b.t.Helper()
	const steps = 24
	picture := `document.querySelector(` + inScript(string(chart)) + `)`
	b.until(picture + `?.querySelector("canvas, svg") != null`)
	text := ""
	b.eventually("a tip over "+string(chart), func() bool {
		box := value[[]float64](b, `(() => {
			`+picture+`.scrollIntoView({ block: "center" })
			const { x, y, width, height } = `+picture+`.getBoundingClientRect()
			return [x, y, width, height]
		})()`)
		for step := range steps * steps {
			x, y := box[0]+box[2]*(float64(step%steps)+0.5)/steps, box[1]+box[3]*(float64(step/steps)+0.5)/steps
			b.do(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, x, y))
			if text = value[string](b, `document.querySelector(".map-chart .tip")?.textContent ?? ""`); text != "" {
				return true
			}
		}
		return false
	})
	return text
}

// A name of any letters can be completed, chosen, kept in a link, and taken away.
func TestHostileFilters(t *testing.T) {
	names := hostile()
	s := start(t, needPage(t))
	s.post(hostileFlows(names)...)
	b := s.open(exact)
	for i, name := range names {
		b.until(`testing.rows("talkers-table").length === ` + strconv.Itoa(len(names)))
		begin := []rune(name)[:min(4, len([]rune(name)))]
		b.do(chromedp.Focus(part("filter-src_app-input")))
		b.insert(string(begin))
		option := `testing.options("src_app").indexOf(` + inScript(seen(name)) + `)`
		b.until(option + ` >= 0`)
		b.harmless("the names to choose from")
		for range value[int](b, option) + 1 {
			b.press(kb.ArrowDown)
		}
		b.press(kb.Enter)
		want := []string{seen(name), seen(names[(i+1)%len(names)]), seen(names[(i+2)%len(names)])}
		b.shows("talkers-table", want)
		b.harmless("the filter")
		b.follow(chromedp.Reload())
		b.shows("talkers-table", want)
		b.harmless("the filter of a link")
		b.click(part("clear-filters"))
	}
}
