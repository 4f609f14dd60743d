package httpapi

import (
	"slices"
	"strings"
	"testing"

	"flowd/flow"
)

// What the server can do now decides which requests it takes, and /readyz says it.
func TestStatus(t *testing.T) {
	t.Parallel()
	e := &hookEngine{Engine: newTable(t)}
	ts := serve(t, e, nil)
	const (
		replaying = "The server is starting: 3 of 8 GB of the log are read."
		full      = "The disk is full; free space and restart the server."
	)
	for _, c := range []struct {
		name         string
		status       flow.Status
		posts, reads bool
		drain        bool
		reasons      []string
		detail       string
		wait         string // Retry-After of what is refused
	}{
		{"ready", flow.Status{}, true, true, false, nil, "", ""},
		{"recovering", flow.Status{Reasons: []string{"recovering"}, Detail: replaying}, false, false, false, []string{"recovering"}, replaying, "1"},
		{"read only", flow.Status{Reasons: []string{"disk-full"}, Detail: full, ReadOnly: true}, false, true, false, []string{"disk-full"}, full, "10"},
		{"two reasons", flow.Status{Reasons: []string{"log-failed", "disk-full"}, Detail: full, ReadOnly: true}, false, true, false,
			[]string{"log-failed", "disk-full"}, full, "10"},
		{"ready again", flow.Status{}, true, true, false, nil, "", ""},
		{"draining", flow.Status{}, true, true, true, []string{"draining"}, "The server is about to stop; send requests elsewhere.", ""},
		{"draining and full", flow.Status{Reasons: []string{"disk-full"}, Detail: full, ReadOnly: true}, false, true, true,
			[]string{"draining", "disk-full"}, "The server is about to stop; send requests elsewhere. " + full, "10"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e.status.Store(&c.status)
			if c.drain {
				ts.Drain()
			}
			ready := ts.do("GET", "/readyz", "")
			if c.reasons == nil {
				if ready.StatusCode != 200 || ready.body != `{"status":"ready"}` {
					t.Errorf("/readyz: %d: %s", ready.StatusCode, ready.body)
				}
			} else if p := problemIn(t, ready, 503); !slices.Equal(p.Reasons, c.reasons) || p.Detail != c.detail {
				t.Errorf("/readyz: %s", ready.body)
			}
			for _, path := range []string{"/livez", "/health", "/-/healthy", "/metrics", "/version"} {
				if r := ts.do("GET", path, ""); r.StatusCode != 200 {
					t.Errorf("%s: %d: %s", path, r.StatusCode, r.body)
				}
			}
			check := func(name string, r reply, served bool) {
				t.Helper()
				if served {
					if r.StatusCode != 200 {
						t.Errorf("%s: %d: %s", name, r.StatusCode, r.body)
					}
					return
				}
				p := problemIn(t, r, 503)
				if p.Detail != c.status.Detail || !slices.Equal(p.Reasons, c.status.Reasons) || r.Header.Get("Retry-After") != c.wait {
					t.Errorf("%s: Retry-After %q: %s", name, r.Header.Get("Retry-After"), r.body)
				}
			}
			for _, path := range []string{
				"/flows?hour=1", "/api/v1/flows?hour=1", "/diff?a=1&b=2", "/pairs?hour=1", "/names?field=vpc_id",
				"/hours", "/ledger", "/api/v1/ledger",
			} {
				check(path, ts.do("GET", path, ""), c.reads)
			}
			check("POST", ts.do("POST", "/flows", oneFlow("a", 1)), c.posts)
			check("chunked POST", ts.post(chunks(oneFlow("a", 1), 9)), c.posts)
		})
	}
	for reason, want := range map[string]string{"recovering": "10", "disk-full": "4", "log-failed": "2"} {
		if got := ts.metric(`flowd_http_requests_rejected_total{reason="` + reason + `"}`); got != want {
			t.Errorf("%q refusals for %s, want %s", got, reason, want)
		}
	}
	if got := ts.metric(`flowd_batches_total{outcome="unavailable"}`); got != "8" {
		t.Errorf("%q batches unavailable, want 8", got)
	}
}

// The rest of a body is not waited for while the server takes none, nor is one asked for.
func TestUnavailableBeforeBody(t *testing.T) {
	t.Parallel()
	e := &hookEngine{Engine: newTable(t)}
	e.status.Store(&flow.Status{Reasons: []string{"disk-full"}, Detail: "The disk is full.", ReadOnly: true})
	ts := serve(t, e, nil)
	for _, raw := range []string{
		head("POST", "/flows", "Content-Length: 1000000") + "[",
		head("POST", "/flows", "Transfer-Encoding: chunked") + "400000\r\n[",
		head("POST", "/flows", "Content-Length: 1000000", "Expect: 100-continue"),
	} {
		c := ts.dial()
		c.write(raw)
		if p := problemIn(t, c.read("POST"), 503); !strings.Contains(p.Detail, "disk is full") {
			t.Errorf("%q: %q", raw, p.Detail)
		}
	}
	if got := ts.metric(`flowd_batches_total{outcome="unavailable"}`); got != "3" {
		t.Errorf("%q batches unavailable, want 3", got)
	}
}

// While the server recovers, what is wrong with a request by itself is still told.
func TestRecoveringTellsTheRest(t *testing.T) {
	t.Parallel()
	e := &hookEngine{Engine: newTable(t)}
	e.status.Store(&flow.Status{Reasons: []string{"recovering"}, Detail: "Wait."})
	ts := serve(t, e, nil)
	problemIn(t, ts.do("GET", "/nope", ""), 404)
	problemIn(t, ts.do("PUT", "/flows", ""), 405)
	if r := ts.do("OPTIONS", "/flows", ""); r.StatusCode != 204 {
		t.Errorf("OPTIONS: %d", r.StatusCode)
	}
}
