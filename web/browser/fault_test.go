package browser

import (
	"strings"
	"testing"

	"flowd/flow"
)

// A server without flows says how to post the first, and shows it once it is there.
func TestEmptyServer(t *testing.T) {
	s := start(t, needPage(t))
	b := s.open(exact)
	b.until(`testing.text("empty")?.startsWith("No flows yet")`)
	line := value[string](b, `testing.text("curl")`)
	for _, want := range []string{"curl -X POST '" + s.url("/api/v1/flows") + "'", "Content-Type: application/json", `"src_app":"web"`} {
		if !strings.Contains(line, want) {
			t.Errorf("no %s in %s", want, line)
		}
	}
	s.post(row{"web", "db", "vpc-0", 1200, 98_000, newest})
	b.shows("talkers-table", []string{"web", "db", "vpc-0", "1,200", "98,000", "99,200"})
}

// Where a token is wanted, the line for a terminal needs one too, and the page does not write its own into it.
func TestEmptyServerThatWantsAToken(t *testing.T) {
	s := start(t, needPage(t))
	token := s.want(viewer)[0]
	b := s.open(exact, refused401)
	b.enter(token)
	b.until(`testing.text("curl")?.includes('-H "Authorization: Bearer $FLOWD_TOKEN"')`)
	if html := value[string](b, `document.documentElement.outerHTML`); strings.Contains(html, token) {
		t.Error("the token is in the document")
	}
	s.post(row{"web", "db", "vpc-0", 1200, 98_000, newest})
	b.shows("talkers-table", []string{"web", "db", "vpc-0", "1,200", "98,000", "99,200"})
}

// When the server is gone, what is shown stays, and the page says so; when it is back, all goes on.
func TestServerGoesAndComesBack(t *testing.T) {
	b := openThreeHours(t, exact)
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
	b.expect("net::ERR_")
	b.server.stop()
	b.until(`testing.part("banner")?.querySelector('[role="alert"]').innerText.startsWith("The server has not answered since ")`)
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
	b.texts("rate", "no answer")
	// Who goes on meanwhile is told by the banner alone, and has the answer when the server is back.
	b.click(part("hour-before"))
	b.texts("hour-name", "Mon 24 Nov 2025, 15:00 UTC")
	b.server.listen()
	b.shows("talkers-table", []string{"web", "db", "vpc-1", "1,000", "9,000", "10,000"}, []string{"api", "db", "vpc-2", "500", "500", "1,000"})
	b.until(`testing.part("banner") === null && document.querySelector('[role="alert"]:not(:empty)') === null`)
	b.texts("announcer", "The server answers again.")
	b.server.post(row{"late", "db", "vpc-1", 1, 2, newest - 1})
	b.click(part("refresh"))
	b.until(`testing.rows("talkers-table").length === 3`)
}

// Who opens the page while the server reads what is on disk sees that, and then the flows.
func TestServerRecovers(t *testing.T) {
	s := start(t, needPage(t))
	s.post(threeHours()...)
	const detail = "The server reads what is on disk: 40 % so far."
	s.engine.status.Store(&flow.Status{Reasons: []string{"recovering"}, Detail: detail})
	b := s.open(exact, "status of 503")
	b.until(`testing.text("refused")?.includes(` + inScript(detail) + `)`)
	s.engine.status.Store(nil)
	b.shows("talkers-table", webDB, batchCache, apiDB, webCache)
}
