package httpapi

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/VictoriaMetrics/metrics"
	"github.com/klauspost/compress/gzip"

	"flowd/flow"
)

const (
	indexText  = `<!doctype html><title>flowd</title><script type="module" src="/assets/index-a1b2c3.js"></script>`
	scriptPath = "/assets/index-a1b2c3.js"
)

// scriptText is long enough to be worth compressing.
var scriptText = strings.Repeat(`document.title = "flowd"; `, 200)

func testPage() fstest.MapFS {
	return fstest.MapFS{
		"index.html":              {Data: []byte(indexText)},
		"assets/index-a1b2c3.js":  {Data: []byte(scriptText)},
		"assets/index-d4e5f6.css": {Data: []byte("body{}")},
		"assets/mark-070809.svg":  {Data: []byte("<svg/>")},
		".placeholder":            {},
	}
}

// servePage starts a server over e that has the page, and stops it at the end of the test.
func servePage(t *testing.T, e Engine) *testServer {
	t.Helper()
	page, err := NewPage(testPage())
	if err != nil {
		t.Fatal(err)
	}
	ts := newServer(t, e, nil)
	ts.set = metrics.NewSet()
	ts.Server = New(Options{
		Engine: e, Limits: DefaultLimits(), Logger: ts.logger, Metrics: ts.set, Durability: "none", Page: page,
	})
	ts.listen()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := ts.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		<-ts.served
	})
	return ts
}

func TestPage(t *testing.T) {
	t.Parallel()
	ts := servePage(t, newTable(t))
	const forever = "public, max-age=31536000, immutable"
	for _, c := range []struct{ target, contentType, cache, body string }{
		{"/", "text/html; charset=utf-8", "no-cache", indexText},
		{"/?hour=1&src_app=%3Cimg%3E", "text/html; charset=utf-8", "no-cache", indexText},
		{scriptPath, "text/javascript; charset=utf-8", forever, scriptText},
		{"/assets/index-d4e5f6.css", "text/css; charset=utf-8", forever, "body{}"},
		{"/assets/mark-070809.svg", "image/svg+xml", forever, "<svg/>"},
	} {
		got := ts.do("GET", c.target, "")
		if got.StatusCode != 200 || got.body != c.body || got.Header.Get("Content-Encoding") != "" {
			t.Errorf("GET %s: %d, %q", c.target, got.StatusCode, got.body)
		}
		for name, want := range map[string]string{
			"Content-Type": c.contentType, "Cache-Control": c.cache, "Vary": "Accept-Encoding",
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
				"connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if values := got.Header.Values(name); len(values) != 1 || values[0] != want {
				t.Errorf("GET %s: %s %q, want %q", c.target, name, values, want)
			}
		}
		head := ts.do("HEAD", c.target, "")
		if head.StatusCode != 200 || head.body != "" || head.ContentLength != int64(len(c.body)) {
			t.Errorf("HEAD %s: %d, %q, Content-Length %d", c.target, head.StatusCode, head.body, head.ContentLength)
		}
		if r := ts.do("POST", c.target, "{}"); r.StatusCode != 405 || r.Header.Get("Allow") != "GET, HEAD, OPTIONS" {
			t.Errorf("POST %s: %d, Allow %q", c.target, r.StatusCode, r.Header.Get("Allow"))
		}
	}
	if !strings.Contains(ts.exposed(), `flowd_http_request_duration_seconds_count{route="GET /",code="200"} 10`) {
		t.Errorf("the page is not counted under its own name:\n%s", ts.exposed())
	}
}

// A file of the page is there under one name, and no path leads to anything else.
func TestPageHasNothingElse(t *testing.T) {
	t.Parallel()
	ts := servePage(t, newTable(t))
	for _, target := range []string{
		"/index.html", "/.placeholder", "/assets", "/assets/", "/assets/none.js", "/assets/index-a1b2c3.js/", "/api/v1/",
		"/api/v1" + scriptPath, "/assets/../index.html", "/assets/..%2findex.html", "/assets/%2e%2e/.placeholder", "//",
		"/assets/../../../../etc/passwd", "/assets/..%2f..%2f..%2fetc%2fpasswd", "/assets//index-a1b2c3.js",
		"/assets/..\\page.go", "/assets/index-a1b2c3.js%00", "/ASSETS/index-a1b2c3.js", "/favicon.ico",
	} {
		problemIn(t, ts.do("GET", target, ""), 404)
	}
}

func TestPageIsCompressed(t *testing.T) {
	t.Parallel()
	ts := servePage(t, newTable(t))
	for _, c := range []struct {
		accept string
		packed bool
	}{
		{"gzip", true}, {"gzip, deflate, br, zstd", true}, {"br;q=1, GZIP ; q=0.5", true}, {"*", true}, {"identity;q=0, *;q=0.1", true},
		{"", false}, {"identity", false}, {"br, zstd", false}, {"gzip;q=0", false}, {"*, gzip;q=0.0", false}, {"*;q=0", false},
		{"xgzip", false},
	} {
		got := ts.do("GET", scriptPath, "", "Accept-Encoding: "+c.accept)
		body := got.body
		if c.packed {
			r, err := gzip.NewReader(strings.NewReader(got.body))
			if err != nil {
				t.Errorf("Accept-Encoding %q: %v", c.accept, err)
				continue
			}
			text, err := io.ReadAll(r)
			if err != nil {
				t.Errorf("Accept-Encoding %q: %v", c.accept, err)
			}
			body = string(text)
		}
		if encoding := got.Header.Get("Content-Encoding"); (encoding == "gzip") != c.packed || body != scriptText {
			t.Errorf("Accept-Encoding %q: Content-Encoding %q and %d bytes", c.accept, encoding, len(got.body))
		}
	}
	// Six bytes would grow.
	small := ts.do("GET", "/assets/index-d4e5f6.css", "", "Accept-Encoding: gzip")
	if small.Header.Get("Content-Encoding") != "" || small.body != "body{}" {
		t.Errorf("Content-Encoding %q, %q", small.Header.Get("Content-Encoding"), small.body)
	}
}

func TestPageIsNotSentAgain(t *testing.T) {
	t.Parallel()
	ts := servePage(t, newTable(t))
	index, script := ts.do("GET", "/", "").Header.Get("ETag"), ts.do("GET", scriptPath, "").Header.Get("ETag")
	if packed := ts.do("GET", scriptPath, "", "Accept-Encoding: gzip").Header.Get("ETag"); packed != script {
		t.Errorf("ETag %s compressed, and %s not", packed, script)
	}
	if !strings.HasPrefix(index, `W/"`) || index == script {
		t.Errorf("ETags %s and %s", index, script)
	}
	for _, c := range []struct {
		known string
		sent  bool
	}{
		{script, false}, {strings.TrimPrefix(script, "W/"), false}, {index + ", " + script, false}, {"*", false},
		{index, true}, {`"x"`, true}, {strings.Trim(script, `W/"`), true}, {"", true},
	} {
		got := ts.do("GET", scriptPath, "", "If-None-Match: "+c.known)
		if !c.sent && (got.StatusCode != 304 || got.body != "" || got.Header.Get("ETag") != script) {
			t.Errorf("If-None-Match %s: %d, %d bytes, ETag %s", c.known, got.StatusCode, len(got.body), got.Header.Get("ETag"))
		}
		if c.sent && (got.StatusCode != 200 || got.body != scriptText) {
			t.Errorf("If-None-Match %s: %d, %d bytes", c.known, got.StatusCode, len(got.body))
		}
	}
}

// Who opens the page while the server starts is told by the page what it does.
func TestPageWhileRecovering(t *testing.T) {
	t.Parallel()
	e := &hookEngine{Engine: newTable(t)}
	e.status.Store(&flow.Status{Reasons: []string{"recovering"}, Detail: "The server reads what is on disk."})
	ts := servePage(t, e)
	problemIn(t, ts.do("GET", "/hours", ""), 503)
	for target, body := range map[string]string{"/": indexText, scriptPath: scriptText} {
		if r := ts.do("GET", target, ""); r.StatusCode != 200 || r.body != body {
			t.Errorf("GET %s while recovering: %d: %s", target, r.StatusCode, r.body)
		}
	}
}

func TestPagesThatCannotBeServed(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"robots.txt":         "robots.txt is neither index.html nor below assets/",
		"flows/index.html":   "flows/index.html is neither index.html nor below assets/",
		"assets/a.exe":       "assets/a.exe is of a kind that is not known here",
		"assets/{name:*}.js": "assets/{name:*}.js has a brace in its name, which a route cannot have",
	} {
		files := testPage()
		files[name] = &fstest.MapFile{}
		if _, err := NewPage(files); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	files := testPage()
	delete(files, "index.html")
	if _, err := NewPage(files); err == nil || !strings.Contains(err.Error(), "it has no index.html") {
		t.Errorf("without an index: %v", err)
	}
}
