package httpapi

import (
	"strings"
	"testing"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, nil)
	if r := ts.do("POST", "/flows", oneFlow("a", 1)); r.StatusCode != 200 {
		t.Fatalf("%d: %s", r.StatusCode, r.body)
	}
	row := `[{"src_app":"a","dest_app":"d","vpc_id":"v","bytes_tx":1,"bytes_rx":2,"hour":1}]`
	for _, c := range []struct{ path, contentType, body string }{
		{"/flows?hour=1", "application/json", row},
		{"/flows?hour=2", "application/json", `[]`},
		{"/flows?hour=1&format=ndjson", "application/x-ndjson", strings.Trim(row, "[]") + "\n"},
		{"/diff?a=1&b=1", "application/json", `[]`},
		{"/pairs?hour=1", "application/json", `[{"app_a":"a","app_b":"d","vpc_id":"v","a_to_b_sent":1,"a_to_b_received":0,` +
			`"b_to_a_sent":0,"b_to_a_received":2,"disagreement":3,"reported_by":"a"}]`},
		{"/names?field=vpc_id", "application/json", `["v"]`},
		{"/hours", "application/json", `[{"hour":1,"tuples":1,"flows":1,"bytes_tx":1,"bytes_rx":2}]`},
		{"/livez", "application/json", `{"status":"ok"}`},
		{"/health", "application/json", `{"status":"ok"}`},
		{"/-/healthy", "application/json", `{"status":"ok"}`},
		{"/readyz", "application/json", `{"status":"ready"}`},
		{"/-/ready", "application/json", `{"status":"ready"}`},
		{"/version", "application/json", `{"version":"1.2.3","revision":"abcdef","go":"go1.26"}`},
		{"/metrics", "text/plain; version=0.0.4; charset=utf-8", ""},
	} {
		for _, root := range []string{"", "/api/v1"} {
			path := root + c.path
			got := ts.do("GET", path, "")
			if got.StatusCode != 200 || got.Header.Get("Content-Type") != c.contentType {
				t.Errorf("GET %s: %d, Content-Type %q", path, got.StatusCode, got.Header.Get("Content-Type"))
			}
			if c.body != "" && got.body != c.body {
				t.Errorf("GET %s: %s, want %s", path, got.body, c.body)
			}
			if got.Header.Get("Date") == "" || got.Header.Get("Server") != "" {
				t.Errorf("GET %s: Date %q, Server %q", path, got.Header.Get("Date"), got.Header.Get("Server"))
			}
			head := ts.do("HEAD", path, "")
			if head.StatusCode != 200 || head.body != "" || head.Header.Get("Content-Type") != c.contentType {
				t.Errorf("HEAD %s: %d, %q, Content-Type %q", path, head.StatusCode, head.body, head.Header.Get("Content-Type"))
			}
			if c.body != "" && head.ContentLength != int64(len(c.body)) {
				t.Errorf("HEAD %s: Content-Length %d, want %d", path, head.ContentLength, len(c.body))
			}
		}
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, nil)
	for path, allow := range map[string]string{
		"/flows":        "GET, HEAD, OPTIONS, POST",
		"/api/v1/flows": "GET, HEAD, OPTIONS, POST",
		"/hours":        "GET, HEAD, OPTIONS",
		"/diff":         "GET, HEAD, OPTIONS",
		"/pairs":        "GET, HEAD, OPTIONS",
		"/api/v1/names": "GET, HEAD, OPTIONS",
		"/metrics":      "GET, HEAD, OPTIONS",
		"/-/ready":      "GET, HEAD, OPTIONS",
	} {
		if r := ts.do("OPTIONS", path, ""); r.StatusCode != 204 || r.Header.Get("Allow") != allow || r.body != "" {
			t.Errorf("OPTIONS %s: %d, Allow %q, %q", path, r.StatusCode, r.Header.Get("Allow"), r.body)
		}
		for _, method := range []string{"PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "QUERY", "BREW"} {
			r := ts.do(method, path, "")
			problemIn(t, r, 405)
			if r.Header.Get("Allow") != allow {
				t.Errorf("%s %s: Allow %q, want %q", method, path, r.Header.Get("Allow"), allow)
			}
		}
	}
	problemIn(t, ts.do("POST", "/hours", "[]"), 405)
	problemIn(t, ts.do("PUT", "/flows", oneFlow("a", 1)), 405)
	if r := ts.do("OPTIONS", "*", ""); r.StatusCode != 204 || r.Header.Get("Allow") == "" {
		t.Errorf("OPTIONS *: %d, Allow %q", r.StatusCode, r.Header.Get("Allow"))
	}
}

func TestUnknownPaths(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, nil)
	for _, target := range []string{
		"/", "//", "/nope", "/flows/", "/flow", "/flowss", "//flows", "/FLOWS", "/./flows", "/x/../flows",
		"/%66lows", "/flows%00", "/flows%2f", "/api/v1", "/api/v1/", "/api/v2/flows", "/api/v1/api/v1/flows",
		"/-/reload", "/debug/pprof/", "/" + strings.Repeat("x", 4000), "/%", "/%zz", "/\xff\xfe", "/;", "/?",
		"http://test", "http://test/nope", "/livez/x", "/-", "/-/",
	} {
		for _, method := range []string{"GET", "POST", "HEAD", "PUT", "OPTIONS"} {
			r := ts.do(method, target, "")
			if method == "HEAD" {
				if r.StatusCode != 404 {
					t.Errorf("HEAD %q: %d", target, r.StatusCode)
				}
				continue
			}
			problemIn(t, r, 404)
		}
	}
	if got := strings.Count(ts.exposed(), "flowd_http_request_duration_seconds_count"); got != 1 {
		t.Errorf("unknown paths made %d series, want 1", got)
	}
}

// The target may be in absolute form.
func TestAbsoluteTarget(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, nil)
	if r := ts.do("GET", "http://elsewhere/flows?hour=1", ""); r.StatusCode != 200 || r.body != "[]" {
		t.Errorf("%d: %s", r.StatusCode, r.body)
	}
}
