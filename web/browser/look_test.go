package browser

import (
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// prefers makes the system of the tab prefer a colour scheme, "light" or "dark".
func (b *tab) prefers(scheme string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// light is how light the background is, from 0 to 255.
const light = `Math.max(...getComputedStyle(document.documentElement).backgroundColor.match(/[\d.]+/g).slice(0, 3).map(Number))`

// The page is as light or dark as the system, unless one is chosen; a choice outlives the visit.
func TestLightAndDark(t *testing.T) {
	b := openThreeHours(t, exact)
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
	b.prefers("light")
	b.until(light + ` > 200`)
	b.prefers("dark")
	b.until(light + ` < 60`)
	b.click(`[data-testid="theme"] label:has([value="light"])`)
	b.until(light + ` > 200`)
	b.follow(chromedp.Reload())
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
	b.until(light + ` > 200`)
	b.click(`[data-testid="theme"] label:has([value="dark"])`)
	b.prefers("light")
	b.until(light + ` < 60`)
	b.click(`[data-testid="theme"] label:has([value="auto"])`)
	b.until(light + ` > 200`)
}

// On a telephone the page is no wider than the screen.
func TestNarrow(t *testing.T) {
	b := openThreeHours(t, exact)
	b.do(chromedp.EmulateViewport(360, 740))
	for _, view := range []string{"talkers", "map", "changes", "ends"} {
		b.click(part("tab-" + view))
		b.until(`testing.part("` + view + `").ariaBusy === "false"`)
		b.until(`document.documentElement.scrollWidth <= 360`)
	}
}

// axe knows the rules of WCAG that a program can check. It comes with what builds the page.
const axe = "../page/node_modules/axe-core/axe.min.js"

func TestAccessibility(t *testing.T) {
	script, err := os.ReadFile(axe)
	if err != nil {
		leaveOut(t, err.Error()+"; npm ci in web/page installs it")
	}
	b := openThreeHours(t, exact)
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
	value[bool](b, string(script)+"; true")
	for _, scheme := range []string{"light", "dark"} {
		b.prefers(scheme)
		for _, view := range []string{"talkers", "map", "changes", "ends"} {
			b.click(part("tab-" + view))
			b.until(`testing.part("` + view + `").ariaBusy === "false"`)
			for _, fault := range b.violations() {
				t.Errorf("%s, %s: %s", view, scheme, fault)
			}
		}
	}
}

// violations returns what axe, whose script the tab has, finds wrong with what is shown.
func (b *tab) violations() []string {
	b.t.Helper()
	return value[[]string](b, `axe.run().then(({ violations }) => violations.flatMap(
		(rule) => rule.nodes.map((node) => rule.id + ": " + rule.help + ": " + node.html + " " + node.failureSummary)))`)
}

// Tab goes through the page in the order in which it is read, first to a link that skips what
// stands above the flows; what has the focus is seen.
func TestTabOrder(t *testing.T) {
	b := openThreeHours(t, exact)
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
	for what, n := range map[string]int{"h1": 1, "main": 1, "body > * > header, body > header": 1, "nav[aria-label]": 1, "footer": 1} {
		if found := value[int](b, `document.querySelectorAll(`+inScript(what)+`).length`); found != n {
			t.Errorf("there are %d of %s, want %d", found, what, n)
		}
	}
	seen := map[string]bool{}
	for range 80 {
		b.press(kb.Tab)
		stop := value[struct {
			ID                 string
			Forward, Out, Seen bool
		}](b, `(() => {
			const at = document.activeElement, before = window.stopBefore
			window.stopBefore = at
			// What shows the focus may be the frame around a field, or what stands for a radio button.
			const shown = [at, at.closest(".filter-box"), at.nextElementSibling].filter(Boolean).map((one) => getComputedStyle(one))
			return {
				ID: at.dataset.testid ?? at.outerHTML.slice(0, 80),
				Out: at === document.body,
				Forward: !before || !!(before.compareDocumentPosition(at) & Node.DOCUMENT_POSITION_FOLLOWING),
				Seen: shown.some((style) => style.outlineStyle !== "none" || style.boxShadow !== "none"),
			}
		})()`)
		if stop.Out {
			break
		}
		if !stop.Forward {
			t.Errorf("Tab goes back to %s", stop.ID)
		}
		if !stop.Seen {
			t.Errorf("nothing shows that %s has the focus", stop.ID)
		}
		seen[stop.ID] = true
	}
	for _, id := range []string{"refresh", "hour-slider", "hour-field", "follow", "tab-changes", "filter-src_app-input", "group-vpc_id",
		"sort-bytes_total", "limit", "talkers-csv", "talkers-table"} {
		if !seen[id] {
			t.Errorf("Tab does not come to %s, only to %q", id, slices.Sorted(maps.Keys(seen)))
		}
	}

	b.follow(chromedp.Reload())
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
	b.press(kb.Tab)
	if first := value[string](b, `document.activeElement.innerText`); first != "Skip to the flows" {
		t.Errorf("the first stop is %q", first)
	}
	b.press(kb.Enter)
	b.until(`document.activeElement === document.querySelector("main")`)
}
