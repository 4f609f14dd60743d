package httpapi

import (
	"net/http"
	"strings"
	"testing"

	"flowd/flow"
	"flowd/limit"
)

const expectContinue = "Expect: 100-continue"

// What the head alone decides is answered in place of 100, and just as it is without Expect.
func TestExpectFinal(t *testing.T) {
	t.Parallel()
	plain := serve(t, nil, func(l *Limits) { l.HeaderBytes = 4096 })
	secret := guarded(t)
	in := func(status flow.Status) *testServer {
		e := &hookEngine{Engine: newTable(t)}
		e.status.Store(&status)
		return serve(t, e, nil)
	}
	recovering := in(flow.Status{Reasons: []string{"recovering"}, Detail: "reading"})
	full := in(flow.Status{Reasons: []string{"disk-full"}, ReadOnly: true, Detail: "full"})
	small := serve(t, nil, func(l *Limits) { l.InflightBytes = 1000 })
	unasked := serve(t, nil, func(l *Limits) { l.Queries = 0 })
	rated := serve(t, nil, func(l *Limits) { l.Rates = limit.Rates{Bytes: 1, BytesBurst: 3000} })
	body := string(flowsBody(20))
	if r := rated.do("POST", "/flows", body); r.StatusCode != 200 {
		t.Fatalf("%d: %s", r.StatusCode, r.body)
	}
	for _, c := range []struct {
		name    string
		ts      *testServer
		method  string
		target  string
		headers []string
		status  int
	}{
		{"unknown path", plain, "POST", "/nope", nil, 404},
		{"unknown path of another method", plain, "DELETE", "/api/v1/nope", nil, 404},
		{"another method", plain, "PUT", "/flows", nil, 405},
		{"another method of a page", plain, "POST", "/hours", nil, 405},
		{"options", plain, "OPTIONS", "/flows", nil, 204},
		{"a read with a body", plain, "GET", "/livez", nil, 200},
		{"a question with a body", plain, "GET", "/flows?hour=1", nil, 200},
		{"a wrong question with a body", plain, "GET", "/flows?hour=x", nil, 400},
		{"media type", plain, "POST", "/flows", []string{"Content-Type: text/csv"}, 415},
		{"encoding", plain, "POST", "/api/v1/flows", []string{"Content-Encoding: br"}, 415},
		{"key", plain, "POST", "/flows", []string{"Idempotency-Key: a b"}, 400},
		{"agent alone", plain, "POST", "/flows", []string{"Flowd-Agent: a"}, 400},
		{"space in a name", plain, "POST", "/flows", []string{"X Y: z"}, 400},
		{"identity", plain, "POST", "/flows", []string{"Transfer-Encoding: identity"}, 400},
		{"long head", plain, "POST", "/flows", []string{"X: " + strings.Repeat("x", 5000)}, 431},
		{"no token", secret, "POST", "/flows", nil, 401},
		{"unknown token", secret, "POST", "/flows", []string{bearing("flowd_unknown")}, 401},
		{"expired token", secret, "GET", "/hours", []string{bearing(expiredToken)}, 401},
		{"wrong scope", secret, "POST", "/api/v1/flows", []string{bearing(readToken)}, 403},
		{"recovering", recovering, "POST", "/flows", nil, 503},
		{"a read while recovering", recovering, "GET", "/hours", nil, 503},
		{"full disk", full, "POST", "/flows", nil, 503},
		{"no memory", small, "POST", "/flows", nil, 503},
		{"too many questions", unasked, "GET", "/flows?hour=1", nil, 503},
		{"rate", rated, "POST", "/flows", nil, 429},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := c.ts.do(c.method, c.target, body, c.headers...)
			if want.StatusCode != c.status {
				t.Fatalf("without Expect: %d: %s", want.StatusCode, want.body)
			}
			c2 := c.ts.dial()
			c2.write(head(c.method, c.target, append(c.headers, expectContinue, "Content-Length: "+itoa(len(body)))...))
			got := c2.read(c.method)
			if got.StatusCode != want.StatusCode || got.body != want.body || !got.Close {
				t.Errorf("%d, close %t: %s; without Expect %d: %s", got.StatusCode, got.Close, got.body, want.StatusCode, want.body)
			}
			for _, name := range []string{"Allow", "Accept-Post", "Accept-Encoding", "WWW-Authenticate", "Content-Type", "Retry-After"} {
				if got.Header.Get(name) != want.Header.Get(name) && name != "Retry-After" || (got.Header.Get(name) == "") != (want.Header.Get(name) == "") {
					t.Errorf("%s: %q, without Expect %q", name, got.Header.Get(name), want.Header.Get(name))
				}
			}
			c2.ends()
		})
	}
	for ts, metrics := range map[*testServer]map[string]string{
		plain: {
			`flowd_http_request_duration_seconds_count{route="POST /flows",code="415"}`: "4",
			`flowd_http_request_duration_seconds_count{route="GET /flows",code="200"}`:  "2",
			`flowd_http_requests_rejected_total{reason="unknown_path"}`:                 "4",
			`flowd_batches_total{outcome="rejected"}`:                                   "8",
		},
		rated:      {`flowd_batches_total{outcome="overloaded"}`: "2", `flowd_rate_limited_total{what="bytes"}`: "2"},
		recovering: {`flowd_batches_total{outcome="unavailable"}`: "2"},
		secret:     {`flowd_http_requests_rejected_total{reason="expired-token"}`: "2"},
	} {
		for name, want := range metrics {
			if got := ts.metric(name); got != want {
				t.Errorf("%s %s, want %s", name, got, want)
			}
		}
	}
}

// Sizes are told by the head too, before a byte of the body is sent.
func TestExpectSizes(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, func(l *Limits) {
		l.BodyBytes, l.Rates = 10_000, limit.Rates{Bytes: 1, BytesBurst: 5000}
	})
	for length, says := range map[int]string{10_001: "max-body-bytes", 10_000: "rate-bytes-burst", 5001: "rate-bytes-burst"} {
		c := ts.dial()
		c.write(head("POST", "/flows", expectContinue, "Content-Length: "+itoa(length)))
		if p := problemIn(t, c.read("POST"), 413); !strings.Contains(p.Detail, says) {
			t.Errorf("%d bytes: %q", length, p.Detail)
		}
		c.ends()
	}
}

// A slowed client is told so in place of 100.
func TestExpectSlowed(t *testing.T) {
	t.Parallel()
	ts := guarded(t)
	for range 100 {
		c := ts.dial()
		c.write(head("POST", "/flows", expectContinue, "Content-Length: 2", bearing("flowd_wrong")))
		if r := c.read("POST"); r.StatusCode == http.StatusTooManyRequests {
			if r.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			return
		} else if r.StatusCode != http.StatusUnauthorized {
			t.Fatalf("%d: %s", r.StatusCode, r.body)
		}
	}
	t.Error("never slowed")
}

// A body that may come is asked for, is counted once, and leaves the connection open.
func TestExpectContinue(t *testing.T) {
	t.Parallel()
	body := string(flowsBody(20))
	ts := newServer(t, newTable(t), func(l *Limits) { l.Rates = limit.Rates{Bytes: 1, BytesBurst: int64(5 * len(body))} })
	ts.gate = gateOf(t)
	ts.run()
	length := "Content-Length: " + itoa(len(body))
	chunked := "Transfer-Encoding: chunked"
	c := ts.dial()
	for _, r := range []struct {
		name, target string
		headers      []string
		body         string
		status       int
	}{
		{"good", "/flows", []string{length}, body, 200},
		{"prefix, in capitals", "/api/v1/flows", []string{length, "EXPECT: 100-Continue"}, body, 200},
		{"chunks", "/flows", []string{chunked}, chunks(body, 100), 200},
		{"a bad body", "/flows", []string{"Content-Length: 5"}, "hello", 400},
		{"gzip", "/flows", []string{"Content-Encoding: gzip", "Content-Length: " + itoa(len(gzipped(body)))}, gzipped(body), 200},
	} {
		headers := append(r.headers, bearing(writeToken))
		if !strings.Contains(strings.Join(headers, ""), "EXPECT") {
			headers = append(headers, expectContinue)
		}
		c.write(head("POST", r.target, headers...))
		if first := c.read("POST"); first.StatusCode != http.StatusContinue {
			t.Fatalf("%s: %d before the body: %s", r.name, first.StatusCode, first.body)
		}
		c.write(r.body)
		got := c.read("POST")
		if got.StatusCode != r.status || got.Close {
			t.Errorf("%s: %d, want %d; close %t: %s", r.name, got.StatusCode, r.status, got.Close, got.body)
		}
	}
	// The fifth time its bytes are all used, which is known before it is sent.
	for range 2 {
		c = ts.dial()
		c.write(head("POST", "/flows", length, expectContinue, bearing(writeToken)))
		if first := c.read("POST"); first.StatusCode == http.StatusContinue {
			c.write(body)
			if r := c.read("POST"); r.StatusCode != 200 {
				t.Fatalf("%d: %s", r.StatusCode, r.body)
			}
		} else {
			if first.StatusCode != http.StatusTooManyRequests || first.Header.Get("Retry-After") == "" {
				t.Errorf("over the rate: %d: %s", first.StatusCode, first.body)
			}
			c.ends()
		}
	}
	for name, want := range map[string]string{
		`flowd_http_request_duration_seconds_count{route="POST /flows",code="200"}`: "5",
		`flowd_http_request_duration_seconds_count{route="POST /flows",code="100"}`: "",
		`flowd_http_request_duration_seconds_count{route="POST /flows",code="400"}`: "1",
		`flowd_batches_total{outcome="accepted"}`:                                   "5",
		`flowd_batches_total{outcome="failed"}`:                                     "0",
	} {
		if got := ts.metric(name); got != want {
			t.Errorf("%s %s, want %s", name, got, want)
		}
	}
}

// A client that does not wait for 100, or has no body to send, is served all the same, and nobody is kept waiting.
func TestExpectNobodyWaits(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, nil)
	body := "[" + jsonFlow + "]"
	c := ts.dial()
	for range 2 {
		c.write(head("POST", "/flows", expectContinue, "Content-Length: "+itoa(len(body))) + body)
		if r := c.read("POST"); r.StatusCode != http.StatusContinue {
			t.Fatalf("%d", r.StatusCode)
		}
		if r := c.read("POST"); r.StatusCode != 200 {
			t.Fatalf("%d: %s", r.StatusCode, r.body)
		}
	}
	for _, headers := range [][]string{{expectContinue}, {expectContinue, "Content-Length: 0"}} {
		c = ts.dial()
		c.write(head("POST", "/flows", headers...))
		problemIn(t, c.read("POST"), 400)
	}
	c = ts.dial()
	c.write("POST /flows HTTP/1.0\r\n" + expectContinue + "\r\nContent-Length: " + itoa(len(body)) + "\r\n\r\n" + body)
	if r := c.read("POST"); r.StatusCode != 200 { // HTTP/1.0 does not know 100
		t.Errorf("%d: %s", r.StatusCode, r.body)
	}
}
