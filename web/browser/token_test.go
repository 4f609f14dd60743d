package browser

import (
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"flowd/access"
)

// A page that needs a token asks for it, says when it is wrong, and goes on where it was led to; a reload does
// not ask again, and who is done forgets it.
func TestToken(t *testing.T) {
	s, token := startGuarded(t)
	f := s.behind()
	const link = "/#hour=489999&src_app=web&units=bytes"
	b := s.open(link, refused401)
	hours := func() int { return len(f.of("/api/v1/hours")) }
	shown := []string{"web", "db", "vpc-1", "1,000", "9,000", "10,000"}

	b.until(`testing.text("token-form")?.startsWith("This server wants a token")`)
	if n := hours(); n != 1 || len(f.of("/api/v1/metrics")) != 0 {
		t.Errorf("without a token the page asked %d times for the hours, and %d times for the metrics", n, len(f.of("/api/v1/metrics")))
	}
	b.texts("version", "flowd 1.2.3") // which is open to all
	b.enter("two words")
	b.until(`testing.text("token-message").startsWith("A token is one word")`)
	b.enter(access.NewToken())
	b.until(`testing.text("token-message") === "The token is not known; it may have been replaced."`)
	if n := hours(); n != 2 {
		t.Errorf("the hours were asked for %d times, once without and once with a wrong token", n)
	}

	b.enter("Bearer " + token)
	b.shows("talkers-table", shown)
	b.texts("announcer", "The server took the token.")
	b.until(`testing.text("rate").endsWith("flows/s") && testing.part("token-form") === null`)
	b.until(`document.activeElement === document.querySelector("main")`)
	if at := value[string](b, `location.pathname + location.search + location.hash`); at != link {
		t.Errorf("the link was %s, and is %s", link, at)
	}
	b.hides(f, token)

	b.follow(chromedp.Reload())
	b.shows("talkers-table", shown)
	b.hides(f, token)

	b.click(part("forget-token"))
	b.until(`testing.part("token-form") !== null && testing.part("talkers-table") === null && sessionStorage.length === 0`)
	b.until(`document.activeElement === testing.part("token-field") && testing.part("forget-token") === null && document.title === "flowd"`)
	b.follow(chromedp.Reload())
	b.until(`testing.part("token-form") !== null && testing.part("token-message").innerText.trim() === ""`)
	if last := f.of("/api/v1/hours"); last[len(last)-1].authorization != "" {
		t.Error("the token goes along after it was forgotten")
	}
}

// hides fails the test if a token that is in use is anywhere but where it must be.
func (b *tab) hides(f *front, token string) {
	b.t.Helper()
	places := value[[]string](b, `Object.entries({
		address: location.href, title: document.title, cookie: document.cookie, history: JSON.stringify(history.state),
		document: document.documentElement.outerHTML, fields: [...document.querySelectorAll("input")].map((field) => field.value).join(),
		storage: JSON.stringify(localStorage), requests: performance.getEntries().map((entry) => entry.name).join(),
	}).filter(([, text]) => text.includes(`+inScript(token)+`)).map(([place]) => place)`)
	if len(places) > 0 {
		b.t.Errorf("the token is in %q", places)
	}
	if kept := value[string](b, `JSON.stringify(sessionStorage)`); kept != `{"flowd-token /":"`+token+`"}` {
		b.t.Errorf("the tab keeps %s", kept)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, said := range b.said {
		if strings.Contains(said, token) {
			b.t.Errorf("the token is in the console: %s", said)
		}
	}
	shown := 0
	for _, seen := range f.of("/") {
		path, _, _ := strings.Cut(seen.target, "?")
		open := !strings.HasPrefix(path, "/api/v1/") || path == "/api/v1/version"
		switch {
		case strings.Contains(seen.all, token):
			b.t.Errorf("the token is in %s", seen.all)
		case open && seen.authorization != "":
			b.t.Errorf("GET %s shows a token, and needs none", seen.target)
		case seen.authorization == "Bearer "+token:
			shown++
		}
	}
	if shown == 0 {
		b.t.Error("no request shows the token")
	}
}

// When a token ends in the midst of something, what is shown stays, and all goes on with the next one.
func TestTokenEnds(t *testing.T) {
	s, token := startGuarded(t)
	b := s.open(exact, refused401)
	b.enter(token)
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)

	b.do(chromedp.Focus(part("hour-before")))
	b.until(`(scrollTo(0, 150), scrollY === 150)`)
	token = s.want(viewer)[0]
	const unknown = `testing.text("token-message") === "The token is not known; it may have been replaced."`
	b.until(unknown)
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
	b.texts("rate", "no rate")
	b.enter(token)
	b.until(`testing.part("token-form") === null && testing.text("rate").endsWith("flows/s")`)
	b.until(`document.activeElement === testing.part("hour-before") && scrollY === 150`)

	// Who goes on without one sees what was there, and gets there with the next.
	token = s.want(viewer)[0]
	b.until(unknown + ` && document.activeElement === testing.part("token-field")`)
	b.click(part("hour-before"))
	b.texts("hour-name", "Mon 24 Nov 2025, 15:00 UTC")
	b.until(`testing.part("talkers").querySelector(".failure")?.innerText.startsWith("What is shown is of Mon 24 Nov 2025, 16:00 UTC.")`)
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
	b.click(part("talkers-csv"))
	b.texts("talkers-csv-failure", "The server wants a token.")
	b.do(chromedp.Focus(part("token-field")))
	b.enter(token)
	b.shows("talkers-table", []string{"web", "db", "vpc-1", "1,000", "9,000", "10,000"}, []string{"api", "db", "vpc-2", "500", "500", "1,000"})
	b.until(`testing.part("token-form") === null && document.querySelector(".failure") === null`)
}

// What a token may not see is not there, and the page says why; the rest is.
func TestTokensOfLess(t *testing.T) {
	s, _ := startGuarded(t)
	tokens := s.want(
		access.Grant{Name: "reader", Scopes: access.Query},
		access.Grant{Name: "reader-1", Scopes: access.Query, VPCs: access.VPCs{Names: []string{"vpc-1"}}},
		access.Grant{Name: "agents", Scopes: access.Ingest},
	)
	b := s.open(exact, refused401, "status of 403")
	b.enter(tokens[2])
	b.until(`testing.text("token-message").startsWith("This takes the scope query, and agents has ingest;")`)

	b.enter(tokens[0])
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
	b.texts("rate", "no rate without the scope metrics")
	b.until(`testing.part("rate").closest(".rate").textContent.includes("This takes the scope metrics, and reader has query;")`)
	for id, want := range map[string]string{"total-total": "10,670", "total-flows": "4", "total-tuples": "4"} {
		b.texts(id, want)
	}
	if found := value[bool](b, `document.querySelector("footer").innerText.includes("Metrics")`); found {
		t.Error("there is a link to the metrics, which would be refused")
	}
	b.click(part("forget-token"))

	b.enter(tokens[1])
	b.shows("talkers-table", webDB, batchCache)
	b.texts("total-total", "10,000")
	if said := value[string](b, `testing.part("hour-slider").ariaValueText`); said != "Mon 24 Nov 2025, 16:00 UTC: 10.0 kB" {
		t.Errorf("a screen reader says %q", said)
	}
	if found := value[bool](b, `testing.part("total-flows") === null`); !found {
		t.Error("there is a count of flows, which the server does not tell")
	}
	// New flows are seen although nobody counts them.
	s.post(row{"late", "db", "vpc-1", 1, 1, newest}, row{"late", "db", "vpc-2", 1, 1, newest})
	b.click(part("refresh"))
	b.shows("talkers-table", webDB, batchCache, []string{"late", "db", "vpc-1", "1", "1", "2"})
	b.click(part("tab-changes"))
	b.until(`testing.rows("changes-table").length === 3`)
	b.click(part("tab-ends"))
	b.until(`testing.rows("ends-table").length === 3`)
}

// Files are asked for with the token too, and arrive as the server sends them.
func TestTokenDownload(t *testing.T) {
	s, token := startGuarded(t)
	f := s.behind()
	b := s.open(exact, refused401)
	folder, file := b.downloads()
	b.enter(token)
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
	b.click(part("talkers-csv"))
	const query = "/api/v1/flows?hour=490000&group_by=src_app%2Cdest_app%2Cvpc_id&order_by=-bytes_total&limit=100&format=csv"
	if got, want := file("flowd-490000-talkers.csv"), s.get(query); got != want {
		t.Errorf("the file is %q, want %q", got, want)
	}
	b.click(part("metrics"))
	if text := file("flowd-metrics.txt"); !strings.Contains(text, "flowd_flows_received_total") {
		t.Errorf("the metrics are %q", text)
	}
	b.hides(f, token)

	// An answer that breaks off is none.
	f.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.RequestURI, "format=csv") {
			return false
		}
		_, _ = w.Write([]byte("src_app,dest_app\r\n"))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	b.expect("net::ERR_")
	b.expect("status of 429")
	b.click(part("tab-changes"))
	b.click(part("changes-csv"))
	b.texts("changes-csv-failure", "The answer broke off; nothing was saved.")
	f.answer(func(w http.ResponseWriter, r *http.Request) bool {
		slow := strings.HasSuffix(r.RequestURI, "format=csv")
		if slow {
			slowed(w, "7")
		}
		return slow
	})
	b.click(part("changes-csv"))
	b.texts("changes-csv-failure", "There were too many. Try again after 7 s.")
	f.answer(nil)
	b.click(part("changes-csv"))
	b.until(`testing.text("changes-csv-failure") === ""`)
	if text := file("flowd-489999-490000-changes.csv"); !strings.HasPrefix(text, "src_app,dest_app,vpc_id,") {
		t.Errorf("the changes are %q", text)
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 3 {
		t.Errorf("there are %v, %v; want three files", entries, err)
	}
}

// slowed answers as a server does that wants to be left alone for some seconds.
func slowed(w http.ResponseWriter, seconds string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Retry-After", seconds)
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = w.Write([]byte(`{"title":"Too Many Requests","status":429,"detail":"There were too many."}`))
}

// Who is told to wait waits, says so, and goes on.
func TestToldToWait(t *testing.T) {
	s, token := startGuarded(t)
	f := s.behind()
	b := s.open(exact, refused401, "status of 429")
	var times atomic.Int32
	once := func(target string) {
		times.Store(0)
		f.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasPrefix(r.RequestURI, target) || times.Add(1) > 1 {
				return false
			}
			slowed(w, "3")
			return true
		})
	}
	// waited returns how long the page waited after the last but one request.
	waited := func(target string) time.Duration {
		seen := f.of(target)
		return seen[len(seen)-1].at.Sub(seen[len(seen)-2].at)
	}
	b.until(`testing.part("token-form") !== null`)
	once("/api/v1/hours")
	b.enter(token)
	b.until(`testing.text("banner")?.startsWith("There were too many. The page waits")`)
	b.until(`testing.text("token-message").startsWith("The page tries the token as soon as")`)
	b.click(part("refresh"))
	b.until(`testing.part("banner") === null && testing.part("token-form") === null`)
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
	if after := waited("/api/v1/hours"); after < 3*time.Second {
		t.Errorf("the page asked again after %s", after)
	}

	once("/api/v1/pairs")
	b.click(part("tab-ends"))
	b.until(`testing.text("ends-failure") === "There were too many. The page asks again after 3 s."`)
	b.until(`testing.rows("ends-table").length === 4 && testing.part("ends-failure") === null`)
	if after := waited("/api/v1/pairs"); after < 3*time.Second {
		t.Errorf("the page asked again after %s", after)
	}
}

// A token goes to the server of the page alone, wherever that leads.
func TestTokenStaysHere(t *testing.T) {
	s, token := startGuarded(t)
	f := s.behind()
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	b := s.open(exact, refused401, "net::ERR_", "violates", "another server")
	b.until(`testing.part("token-form") !== null`)
	for _, to := range []string{other.URL + "/hours", "/elsewhere"} {
		f.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasPrefix(r.RequestURI, "/api/v1/hours") {
				return false
			}
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
			return true
		})
		b.enter(token)
		b.until(`testing.part("banner")?.innerText.includes("The server has not answered")`)
	}
	if n := elsewhere.Load(); n != 0 || len(f.of("/elsewhere")) != 0 {
		t.Errorf("the page went on %d times to another server, and to %v", n, f.of("/elsewhere"))
	}
	f.answer(nil)
	b.click(part("try-now"))
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
}

// The form keeps to the rules of WCAG that a program can check, fits a telephone, and is all that there is
// between the header and the footer.
func TestTokenForm(t *testing.T) {
	script, err := os.ReadFile(axe)
	if err != nil {
		leaveOut(t, err.Error()+"; npm ci in web/page installs it")
	}
	s, token := startGuarded(t)
	b := s.newTab()
	b.expect(refused401)
	// As if it had come over a network, which this one has not.
	open := page.AddScriptToEvaluateOnNewDocumentParams{Source: `Object.defineProperty(window, "isSecureContext", { value: false })`}
	if _, err := chromedp.Call(b.ctx, page.AddScriptToEvaluateOnNewDocument, open); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Navigate(s.url(exact)))
	b.enter(access.NewToken())
	b.until(`testing.text("token-message").startsWith("The token is not known")`)
	b.until(`testing.text("token-form").includes("is not encrypted")`)
	for name, want := range map[string]string{
		`type`: "password", `autocomplete`: "off", `name`: "", `spellcheck`: "false", `aria-invalid`: "true",
	} {
		if got := value[string](b, `testing.part("token-field").getAttribute(`+inScript(name)+`) ?? ""`); got != want {
			t.Errorf("the field has %s=%q, want %q", name, got, want)
		}
	}
	value[bool](b, string(script)+"; true")
	check := func(what string) {
		t.Helper()
		for _, scheme := range []string{"light", "dark"} {
			b.prefers(scheme)
			for _, fault := range b.violations() {
				t.Errorf("%s, %s: %s", what, scheme, fault)
			}
		}
	}
	check("the form")
	b.do(chromedp.EmulateViewport(360, 740))
	b.until(`document.documentElement.scrollWidth <= 360`)
	b.do(chromedp.EmulateViewport(1280, 900))

	b.do(chromedp.Focus(chromedp.CSS(`.skip`)))
	var stops []string
	for range 12 {
		b.press(kb.Tab)
		stops = append(stops, value[string](b, `document.activeElement.dataset.testid ?? document.activeElement.innerText`))
	}
	if at := slices.Index(stops, "token-field"); at < 0 || stops[at+1] != "token-submit" {
		t.Errorf("Tab goes to %q", stops)
	}

	b.do(chromedp.Focus(part("token-field")))
	b.enter(token)
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
	check("with a token")
	b.do(chromedp.EmulateViewport(360, 740))
	b.until(`document.documentElement.scrollWidth <= 360`)
	s.want(viewer)
	b.click(part("tab-ends"))
	b.until(`testing.part("token-form") !== null`)
	b.until(`document.documentElement.scrollWidth <= 360`)
	b.do(chromedp.EmulateViewport(1280, 900))
	check("after a token")
	for _, what := range b.faults() {
		t.Error(what)
	}
}
