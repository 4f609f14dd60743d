package browser

import (
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// All that a page could do wrong is seen, so that silence in the other tests means something. It
// also shows that the content security policy holds.
func TestFaultsAreSeen(t *testing.T) {
	s := start(t, fstest.MapFS{
		"index.html": {Data: []byte(`<!doctype html><html lang="en"><title>bad</title><link rel="icon" href="data:,">
			<p onclick="window.ran = 'handler'">p</p><img src="http://127.0.0.1:9/elsewhere.png" alt="">
			<script>window.ran = 'inline'</script><script type="module" src="/assets/bad-1.js"></script></html>`)},
		"assets/bad-1.js": {Data: []byte(`
			console.error("said", 1);
			document.querySelector("p").click();
			try { window.ran = new Function("return 'evaluated'")(); } catch (e) { document.title = e.name; }
			fetch("/missing").then(() => {});
			setTimeout(() => { throw new Error("thrown"); });
			setTimeout(() => { alert("asked"); document.body.className = "done"; });`)},
	})
	b := s.newTab()
	opened := chromedp.Events(b.ctx, page.JavascriptDialogOpening)
	b.do(chromedp.Navigate(s.url("/")))
	for _, err := range opened {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	if _, err := chromedp.Call(b.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true}); err != nil {
		t.Fatal(err)
	}
	b.until(`document.body.className === "done"`)
	if ran := value[*string](b, `window.ran`); ran != nil {
		t.Errorf("a script in the text of the page ran: %s", *ran)
	}
	if title := value[string](b, `document.title`); title != "EvalError" {
		t.Errorf("a text was run as a script; the title is %q", title)
	}
	for _, want := range []string{
		`the page logs error: "said" 1`, "the page throws: Uncaught Error: thrown", "the page opens a dialog: asked",
		"the page asks another server: http://127.0.0.1:9/elsewhere.png",
		"Executing inline script violates", "Executing inline event handler violates", "Loading the image",
		"status of 404",
	} {
		b.eventually(want, func() bool {
			return slices.ContainsFunc(b.faults(), func(what string) bool { return strings.Contains(what, want) })
		})
	}
	b.expect("the")
	if faults := b.faults(); len(faults) > 0 {
		t.Errorf("expected, and yet a fault: %q", faults)
	}
	if want := []string{"/", "/assets/bad-1.js", "/missing"}; !slices.Equal(b.requests(), want) {
		t.Errorf("the requests are not %q", want)
	}
}

// What a binary without the page shows says what to do, and keeps to the policy as well.
func TestUnbuiltPage(t *testing.T) {
	s := start(t, os.DirFS("../unbuilt"))
	b := s.open("/")
	if heading := value[string](b, `document.querySelector("h1").innerText`); heading != "flowd serves" {
		t.Errorf("the heading is %q", heading)
	}
	b.follow(chromedp.Click(chromedp.CSS("a")))
	if body := value[string](b, `document.body.innerText`); body != "[]" {
		t.Errorf("the link leads to %q", body)
	}
}
