package httpapi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"flowd/flow"
	"flowd/limit"
)

// pageServer returns a server that serves nothing yet, with a page that has a file of each kind.
func pageServer(t testing.TB) *testServer {
	t.Helper()
	page, err := NewPage(fstest.MapFS{
		"index.html": {Data: []byte(indexText + scriptText)}, "assets/a.js": {Data: []byte(scriptText)}, "assets/a.css": {Data: []byte("body{}")},
		"assets/a.svg": {Data: []byte("<svg/>")}, "assets/a.png": {Data: []byte("\x89PNG")}, "assets/a.woff2": {Data: []byte("wOF2")},
	})
	if err != nil {
		t.Fatal(err)
	}
	ts := newServer(t, newTable(t), nil)
	ts.set = metrics.NewSet()
	ts.Server = New(Options{
		Engine: ts.engine, Limits: DefaultLimits(), Logger: ts.logger, Metrics: ts.set, Durability: "none", Page: page,
	})
	return ts
}

// checked sends requests and holds their answers to the document.
type checked struct {
	*described
	t *testing.T
}

// do sends a request, expects a status, and returns the answer.
func (c checked) do(ts *testServer, status int, method, target, body string, headers ...string) reply {
	c.t.Helper()
	r := ts.do(method, target, body, headers...)
	c.is(r, status, method, target)
	return r
}

// is holds an answer to the document.
func (c checked) is(r reply, status int, method, target string) {
	c.t.Helper()
	if r.StatusCode != status {
		c.t.Errorf("%s %.100s: %d, want %d: %.200s", method, target, r.StatusCode, status, r.body)
	}
	if err := c.check(method, target, r); err != nil {
		c.t.Errorf("%s %.100s: %d: %v", method, target, r.StatusCode, err)
	}
}

// What the server answers is what the document says, in every case that the document names.
func TestOpenAPIAnswers(t *testing.T) {
	t.Parallel()
	c := checked{document(t), t}
	c.tryWrites()
	c.tryReads()
	c.tryPage()
	c.tryLimits()
	c.tryAccess()
	c.tryFaults()
	c.tryPartial()

	parts := 0
	for _, pointer := range c.answers() {
		response, err := c.at(pointer)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{response.pointer}
		for _, of := range []string{"headers", "content"} {
			below, _ := response.value[of].(map[string]any)
			for name := range below {
				want = append(want, response.pointer+"/"+of+"/"+strings.ReplaceAll(name, "/", "~1"))
			}
		}
		for _, part := range want {
			if parts++; !c.seen[part] {
				t.Errorf("no answer had %s", part)
			}
		}
	}
	if parts < 130 {
		t.Errorf("only %d parts of the document were looked for", parts)
	}
}

// answers returns the pointers of all answers in the document: those that several operations have,
// and those that one has.
func (c checked) answers() (all []string) {
	components, err := c.at("/components")
	if err != nil {
		c.t.Fatal(err)
	}
	for name := range components.value["responses"].(map[string]any) {
		all = append(all, "/components/responses/"+name)
	}
	paths, err := c.members(c.top, "paths")
	if err != nil {
		c.t.Fatal(err)
	}
	for _, item := range paths {
		for _, status := range []string{"200", "304"} {
			if response, err := c.below(item, "get", "responses", status); err == nil {
				all = append(all, response.pointer)
			}
		}
	}
	return all
}

// tryPartial has an hour that had expired before its flows came, and a clock that is not trusted.
func (c checked) tryPartial() {
	e := partlyExpired(c.t, 5)
	e.status.Store(&flow.Status{Detail: "Expiry is held back."})
	ts := serve(c.t, e, nil)
	c.do(ts, 200, "POST", "/flows", oneFlow("a", 5))
	tag := c.do(ts, 200, "GET", "/flows?hour=5", "").Header.Get("Etag")
	c.do(ts, 304, "GET", "/flows?hour=5", "", "If-None-Match: "+tag)
	for _, target := range []string{"/diff?a=1&b=5", "/pairs?hour=5", "/hours", "/ledger", "/readyz"} {
		c.do(ts, 200, "GET", target, "")
	}
}

func (c checked) tryAccess() {
	ts := newServer(c.t, newTable(c.t), func(l *Limits) { l.Rates = limit.Rates{Flows: 1, FlowsBurst: 2} })
	ts.gate = gateOf(c.t)
	ts.run()
	c.do(ts, 401, "POST", "/flows", "[]")
	c.do(ts, 403, "POST", "/flows", "[]", bearing(readToken))
	c.do(ts, 403, "POST", "/flows", oneFlow("a", 1), bearing(boundToken))
	c.do(ts, 200, "POST", "/flows", strings.Replace(oneFlow("a", 1), `"v"`, `"vpc-a"`, 1), bearing(boundToken))
	c.do(ts, 200, "GET", "/hours", "", bearing(boundToken))
	c.do(ts, 403, "GET", "/ledger", "", bearing(boundToken))
	c.do(ts, 200, "POST", "/flows", someFlows[:strings.Index(someFlows, "\n")+1], bearing(writeToken), asNDJSON)
	c.do(ts, 413, "POST", "/flows", string(flowsBody(3)), bearing(writeToken))
	c.do(ts, 200, "POST", "/flows", oneFlow("b", 1), bearing(writeToken))
	c.do(ts, 429, "POST", "/flows", string(flowsBody(2)), bearing(writeToken))
	for range 20 { // enough to be slowed
		ts.do("GET", "/metrics", "", bearing("flowd_unknown"))
	}
	for _, path := range []string{"/flows?hour=1", "/diff?a=1&b=2", "/pairs?hour=1", "/names?field=vpc_id", "/hours", "/ledger", "/metrics"} {
		c.do(ts, 403, "GET", path, "", bearing(writeToken))
		c.do(ts, 429, "GET", path, "", bearing("flowd_unknown"))
	}
}

func (c checked) tryWrites() {
	ts := serve(c.t, nil, func(l *Limits) { l.BodyBytes, l.Flows, l.DecodedBytes = 200_000, 1000, 100_000 })
	post := func(status int, body string, headers ...string) reply {
		c.t.Helper()
		c.do(ts, status, "POST", "/api/v1/flows", body, headers...)
		return c.do(ts, status, "POST", "/flows", body, headers...)
	}
	post(200, oneFlow("a", 1))
	post(200, someFlows, asNDJSON)
	post(200, "[]", "Content-Type: application/json; charset=utf-8")
	if r := post(200, oneFlow("a", 1), "Idempotency-Key: k"); r.Header.Get("Idempotency-Replayed") != "true" {
		c.t.Errorf("the second of a key has the headers %v", r.Header)
	}
	post(422, oneFlow("b", 1), "Idempotency-Key: k")
	post(200, oneFlow("a", 1), "Flowd-Agent: web-1", "Flowd-Seq: 1")
	post(400, "[{}]")
	post(400, "")
	post(400, "["+strings.Repeat("{},", 30)+"{}]")
	post(400, oneFlow("a", 1), "Flowd-Seq: 1")
	post(400, "x", "Content-Encoding: gzip")
	post(413, strings.Repeat(" ", 200_001))
	post(413, string(flowsBody(1001)))
	post(413, gzipped(strings.Repeat(" ", 100_001)), "Content-Encoding: gzip")
	if r := post(415, "x", "Content-Type: text/html"); r.Header.Get("Accept-Post") == "" {
		c.t.Errorf("an answer to an unknown media type has the headers %v", r.Header)
	}
	if r := post(415, "x", "Content-Encoding: br"); r.Header.Get("Accept-Encoding") == "" {
		c.t.Errorf("an answer to an unknown encoding has the headers %v", r.Header)
	}
}

func (c checked) tryReads() {
	ts := serveSome(c.t, nil)
	c.do(ts, 200, "POST", "/flows", `[{"src_app":"\"a,\\","dest_app":"web","vpc_id":"v1","bytes_tx":9223372036854775807,"bytes_rx":9223372036854775807,"hour":3}]`)
	c.do(ts, 200, "POST", "/flows", `[{"src_app":"\"a,\\","dest_app":"web","vpc_id":"v1","bytes_tx":9223372036854775807,"bytes_rx":9223372036854775807,"hour":3}]`)
	c.do(ts, 200, "POST", "/flows", `[{"src_app":"\"a,\\","dest_app":"web","vpc_id":"v1","bytes_tx":1,"bytes_rx":1,"hour":3}]`)
	var many strings.Builder // answers that are worth compressing
	for i := range 500 {
		many.WriteString(oneFlow("many-"+itoa(i), 4)[1:] + "\n")
	}
	for hour := range 50 {
		many.WriteString(oneFlow("a", 100+hour)[1:] + "\n")
	}
	c.do(ts, 200, "POST", "/flows", strings.ReplaceAll(many.String(), "]\n", "\n"), asNDJSON)
	for _, root := range []string{"", prefix} {
		for _, target := range []string{
			"/flows?hour=1", "/flows?hour=3", "/flows?hour=4", "/flows?from=1&to=4&group_by=vpc_id&order_by=-bytes_total&limit=1", "/flows?from=0",
			"/flows?hour=2&group_by=hour", "/diff?a=1&b=2", "/diff?a=2&b=1&group_by=vpc_id", "/diff?a=1&b=3&order_by=-difference&limit=1",
			"/diff?a_from=1&a_to=3&b_from=3&b_to=5", "/pairs?hour=4", "/pairs?from=1&order_by=-bytes_total&limit=2",
		} {
			for _, format := range []string{"json", "ndjson", "csv"} {
				c.do(ts, 200, "GET", root+target+"&format="+format, "")
				c.do(ts, 200, "HEAD", root+target+"&format="+format, "")
			}
			c.do(ts, 200, "GET", root+target, "", "Accept: application/jsonl")
			c.do(ts, 200, "GET", root+target, "", "Accept-Encoding: gzip")
			c.do(ts, 200, "GET", root+target, "", "Accept-Encoding: zstd")
		}
		for _, target := range []string{
			"/names?field=src_app&from=0", "/names?field=src_app&limit=1", "/names?field=dest_app&prefix=d&hour=2", "/hours", "/ledger", "/metrics", "/version",
			"/livez", "/health", "/-/healthy", "/readyz", "/-/ready", "/openapi.json",
		} {
			c.do(ts, 200, "GET", root+target, "", "Accept-Encoding: zstd")
			c.do(ts, 200, "HEAD", root+target, "")
			c.do(ts, 204, "OPTIONS", root+target, "")
			c.do(ts, 405, "DELETE", root+target, "")
		}
		for _, target := range []string{"/flows", "/flows?hour=x", "/diff?a=1", "/pairs?hour=1&x=1", "/names", "/hours?x=1", "/ledger?x=1"} {
			c.do(ts, 400, "GET", root+target, "")
		}
		tag := c.do(ts, 200, "GET", root+"/flows?hour=1", "").Header.Get("Etag")
		c.do(ts, 304, "GET", root+"/flows?hour=1", "", "If-None-Match: "+tag)
		c.do(ts, 404, "GET", root+"/nope", "")
	}
}

func (c checked) tryPage() {
	ts := pageServer(c.t)
	ts.listen()
	c.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := errors.Join(ts.Shutdown(ctx), <-ts.served); err != nil {
			c.t.Error(err)
		}
	})
	for _, path := range []string{"/", "/assets/a.js", "/assets/a.css", "/assets/a.svg", "/assets/a.png", "/assets/a.woff2"} {
		tag := c.do(ts, 200, "GET", path, "", "Accept-Encoding: gzip").Header.Get("Etag")
		c.do(ts, 200, "HEAD", path, "")
		c.do(ts, 304, "GET", path, "", "If-None-Match: "+tag)
		c.do(ts, 405, "POST", path, "")
	}
	c.do(ts, 404, "GET", "/assets/nope.js", "")
	c.do(ts, 404, "GET", "/api/v1/assets/a.js", "")
}

// tryLimits has requests refused for what they, or all together, are too much.
func (c checked) tryLimits() {
	ts := serve(c.t, newMany(20_000), func(l *Limits) {
		l.Queries, l.Groups, l.Connections, l.ConnectionsPerAddress = 1, 10, 3, 10
	})
	c.do(ts, 431, "GET", "/hours", "", "X-Long: "+strings.Repeat("x", 10_000))
	c.do(ts, 400, "GET", "/flows?hour=5&order_by=bytes_tx", "")
	hasty := serve(c.t, nil, func(l *Limits) { l.ReadTimeout = 50 * time.Millisecond })
	slow := hasty.dial()
	slow.write(head("POST", "/flows", "Content-Length: 10"))
	c.is(slow.read("POST"), 408, "POST", "/flows")

	reader := ts.dial()
	reader.write(head("GET", "/flows?hour=5"))
	if _, err := reader.r.Peek(1); err != nil { // it is under way
		c.t.Fatal(err)
	}
	for _, target := range []string{"/flows?hour=5", "/diff?a=1&b=2", "/pairs?hour=1", "/names?field=vpc_id", "/hours", "/ledger"} {
		c.do(ts, 503, "GET", target, "")
	}
	eventually(c.t, "the reader's connection is alone", func() bool { return ts.conns.Count() == 1 })
	for range 2 {
		ts.dial()
	}
	eventually(c.t, "all places for connections are taken", func() bool { return ts.conns.Count() == 3 })
	c.do(ts, 503, "GET", "/livez", "")
}

// tryFaults has an engine that cannot do its work.
func (c checked) tryFaults() {
	e := &hookEngine{Engine: newTable(c.t)}
	ts := serve(c.t, e, nil)
	reads := []string{"/flows?hour=1", "/diff?a=1&b=2", "/pairs?hour=1", "/names?field=vpc_id&hour=1", "/hours", "/ledger"}
	e.status.Store(&flow.Status{Reasons: []string{"recovering"}, Detail: "The server reads what is on disk."})
	for _, target := range append(slices.Clone(reads), "/readyz", "/-/ready") {
		c.do(ts, 503, "GET", target, "")
	}
	c.do(ts, 503, "POST", "/flows", oneFlow("a", 1))
	for _, target := range []string{"/livez", "/metrics", "/version", "/openapi.json"} {
		c.do(ts, 200, "GET", target, "")
	}
	for _, reason := range []string{"disk-full", "log-failed"} {
		e.status.Store(&flow.Status{Reasons: []string{reason}, Detail: "The log cannot be written.", ReadOnly: true})
		c.do(ts, 503, "POST", "/flows", oneFlow("a", 1))
		c.do(ts, 503, "GET", "/readyz", "")
		c.do(ts, 200, "GET", "/hours", "")
	}
	e.status.Store(&flow.Status{})

	broken := errors.New("a fault of the engine")
	for err, status := range map[error]int{flow.ErrTooOld: 409, flow.ErrTooManyHours: 413, flow.ErrInDoubt: 500} {
		e.append = func(*flow.Batch, flow.Origin) (flow.Receipt, error) { return flow.Receipt{}, err }
		c.do(ts, status, "POST", "/flows", oneFlow("a", 1), "Flowd-Agent: web-1", "Flowd-Seq: 1")
	}
	e.rows = func(flow.Hour) (flow.Rows, error) { return nil, broken }
	e.hours = func() ([]flow.HourTotals, error) { return nil, broken }
	e.ledger = func() (flow.Ledger, error) { panic("a fault of the engine") }
	for _, target := range reads {
		c.do(ts, 500, "GET", target, "")
	}
	ts.Drain()
	c.do(ts, 503, "GET", "/readyz", "")
}

// A check that an answer conforms is worth something only if it finds one that does not.
func TestOpenAPICheckFindsFaults(t *testing.T) {
	t.Parallel()
	d := document(t)
	ts := serveSome(t, nil)
	for _, c := range []struct {
		what, target string
		change       func(*reply)
	}{
		{"another status", "/hours", func(r *reply) { r.StatusCode = 201 }},
		{"another media type", "/hours", func(r *reply) { r.Header.Set("Content-Type", "text/plain") }},
		{"a header too many", "/hours", func(r *reply) { r.Header.Set("X-New", "1") }},
		{"a header missing", "/hours", func(r *reply) { r.Header.Del("Vary") }},
		{"a header with another value", "/flows?hour=1", func(r *reply) { r.Header.Set("Flowd-Truncated", "1") }},
		{"a tag that is not weak", "/flows?hour=1", func(r *reply) { r.Header.Set("Etag", `"1"`) }},
		{"a header twice", "/flows?hour=1", func(r *reply) { r.Header.Add("Etag", `W/"1"`) }},
		{"text that is not JSON", "/hours", func(r *reply) { r.body += "]" }},
		{"a field missing", "/hours", replace(`"tuples":`, `"tuple":`)},
		{"a field too many", "/flows?hour=1", replace(`"hour":`, `"day":1,"hour":`)},
		{"a number as a text", "/flows?hour=1", replace(`"bytes_tx":10`, `"bytes_tx":"10"`)},
		{"a number beyond 2^64-1", "/flows?hour=1", replace(`"bytes_tx":10`, `"bytes_tx":18446744073709551616`)},
		{"a number below 0", "/flows?hour=1", replace(`"bytes_tx":10`, `"bytes_tx":-10`)},
		{"an hour beyond the last", "/flows?hour=1", replace(`"hour":1`, `"hour":2147483648`)},
		{"a line that is cut", "/flows?hour=1&format=ndjson", func(r *reply) { r.body = strings.TrimSuffix(r.body, "}\n") }},
		{"a line with a field too many", "/flows?hour=1&format=ndjson", replace(`"hour":`, `"day":1,"hour":`)},
		{"CSV with another header", "/flows?hour=1&format=csv", replace("bytes_tx", "tx")},
		{"CSV with a text for a number", "/flows?hour=1&format=csv", replace(",1000,", ",much,")},
		{"CSV with other line ends", "/flows?hour=1&format=csv", func(r *reply) { r.body = strings.ReplaceAll(r.body, "\r\n", "\n") }},
		{"names twice", "/names?field=src_app", replace(`"worker"`, `"web","web"`)},
		{"an account without hours", "/ledger", replace(`"hours":`, `"hour":`)},
		{"a problem of another status", "/flows", replace(`"status":400`, `"status":404`)},
		{"a problem without a detail", "/flows", replace(`"detail":`, `"details":`)},
		{"a problem with reasons of none", "/flows", replace(`"status":400`, `"status":400,"reasons":["draining"]`)},
		{"a method that is not taken, without Allow", "/-/ready", func(r *reply) { r.StatusCode = 405 }},
	} {
		r := ts.do("GET", c.target, "")
		if err := d.check("GET", c.target, r); err != nil {
			t.Errorf("%s: before the change: %v", c.what, err)
		}
		before := fmt.Sprint(r.StatusCode, r.body, r.Header)
		r.Header = http.Header(maps.Clone(r.Header))
		c.change(&r)
		if err := d.check("GET", c.target, r); err == nil || fmt.Sprint(r.StatusCode, r.body, r.Header) == before {
			t.Errorf("%s is not noticed", c.what)
		}
	}
}

// replace changes a text of an answer's body, where it first stands.
func replace(from, to string) func(*reply) {
	return func(r *reply) { r.body = strings.Replace(r.body, from, to, 1) }
}
