package httpapi

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"flowd/access"
	"flowd/httpapi/params"
	"flowd/query"
)

// Tokens of the tests, by what they may do.
const (
	everyToken   = "flowd_everything"
	writeToken   = "flowd_write"
	readToken    = "flowd_read"
	metricsToken = "flowd_metrics"
	boundToken   = "flowd_bound"
	expiredToken = "flowd_expired"
)

// gateOf returns a gate for those tokens.
func gateOf(t testing.TB) *access.Gate {
	t.Helper()
	var file strings.Builder
	file.WriteString("tokens:\n")
	for _, token := range []struct{ text, rest string }{
		{everyToken, "scopes: [ingest, query, metrics, admin]"},
		{writeToken, "scopes: [ingest]"},
		{readToken, "scopes: [query]"},
		{metricsToken, "scopes: [metrics]"},
		{boundToken, "scopes: [ingest, query]\n    vpcs: [vpc-a, 'vpc-a-*']"},
		{expiredToken, "scopes: [query]\n    expires: 2020-01-01T00:00:00Z"},
	} {
		fmt.Fprintf(&file, "  - name: %s\n    sha256: %x\n    %s\n", strings.TrimPrefix(token.text, "flowd_"), sha256.Sum256([]byte(token.text)), token.rest)
	}
	list, err := access.Parse("tokens.yaml", []byte(file.String()))
	if err != nil {
		t.Fatal(err)
	}
	gate := access.NewGate(access.Options{})
	gate.Replace(list)
	return gate
}

// guarded serves what the tokens of gateOf may reach.
func guarded(t testing.TB) *testServer {
	t.Helper()
	ts := newServer(t, newTable(t), nil)
	ts.gate = gateOf(t)
	ts.run()
	return ts
}

func bearing(token string) string { return "Authorization: Bearer " + token }

// scopesOf says what each route needs, by its path without prefix. A route that is missing here fails
// the test: somebody has to decide.
var scopesOf = map[string]access.Scopes{
	"POST /flows": access.Ingest,
	"GET /flows":  access.Query, "GET /diff": access.Query, "GET /pairs": access.Query, "GET /names": access.Query,
	"GET /hours": access.Query, "GET /ledger": access.Query, "GET /metrics": access.Metrics,
	"GET /livez": 0, "GET /health": 0, "GET /-/healthy": 0, "GET /readyz": 0, "GET /-/ready": 0,
	"GET /version": 0, "GET /openapi.json": 0,
}

func TestScopes(t *testing.T) {
	t.Parallel()
	ts := guarded(t)
	scopes := map[string]access.Scopes{
		everyToken: access.Ingest | access.Query | access.Metrics | access.Admin,
		writeToken: access.Ingest, readToken: access.Query, metricsToken: access.Metrics,
	}
	for method, paths := range ts.newRouter().List() {
		for _, path := range paths {
			name := strings.Replace(method, "HEAD", "GET", 1) + " " + strings.TrimPrefix(path, prefix)
			needs, decided := scopesOf[name]
			if !decided {
				t.Errorf("%s %s: nobody said what it takes", method, path)
			}
			body := map[string]string{"POST": "[]"}[method]
			want := http.StatusUnauthorized
			if needs == 0 {
				want = http.StatusOK
			}
			for _, header := range []string{"X-Nothing: 1", "Authorization: Basic Og==", bearing("flowd_unknown"), bearing(expiredToken)} {
				r := ts.do(method, path, body, header)
				// Who fails too often is slowed, which is an answer of its own.
				if r.StatusCode != want && (needs == 0 || r.StatusCode != http.StatusTooManyRequests || r.Header.Get("Retry-After") == "") {
					t.Errorf("%s %s with %q: %d, want %d", method, path, header, r.StatusCode, want)
				}
				if r.StatusCode == http.StatusUnauthorized && r.Header.Get("WWW-Authenticate") != challenge {
					t.Errorf("%s %s: WWW-Authenticate %q", method, path, r.Header.Get("WWW-Authenticate"))
				}
			}
			for token, has := range scopes {
				r := ts.do(method, path, body, bearing(token))
				if forbidden := r.StatusCode == http.StatusForbidden; forbidden != (needs&has != needs) || r.StatusCode == http.StatusUnauthorized {
					t.Errorf("%s %s with %s: %d", method, path, token, r.StatusCode)
				}
			}
		}
	}
	for _, secret := range []string{everyToken, readToken, "flowd_unknown", "Og=="} {
		if strings.Contains(ts.log.String(), secret) || strings.Contains(ts.do("GET", "/metrics", "", bearing(metricsToken)).body, secret) {
			t.Errorf("%s is in the log or in the metrics", secret)
		}
	}
}

// boundQuestions are questions of every read, by its path.
var boundQuestions = map[string][]string{
	"/flows": {
		"hour=1", "hour=2", "hour=3", "from=0&to=9", "hour=1&vpc_id=vpc-b", "hour=1&vpc_id=vpc-*", "hour=1&vpc_id=*", "hour=1&vpc_id=v*&vpc_id=vpc-b",
		"hour=1&group_by=vpc_id", "hour=1&group_by=src_app", "from=0&to=9&group_by=hour", "from=0&to=9&group_by=hour,vpc_id",
		"hour=1&order_by=-bytes_total&limit=1", "hour=1&limit=2", "hour=1&format=csv", "hour=1&format=ndjson",
		"hour=1&src_app=only-b&dest_app=x&vpc_id=vpc-b", "hour=1&src_app=shared&dest_app=x&vpc_id=vpc-a",
	},
	"/diff":   {"a=1&b=2", "a=1&b=2&group_by=vpc_id", "a=1&b=2&group_by=src_app", "a_from=0&a_to=2&b_from=2&b_to=9", "a=1&b=2&vpc_id=vpc-b"},
	"/pairs":  {"hour=1", "from=0&to=9", "hour=1&vpc_id=vpc-b", "hour=1&app=only-b"},
	"/names":  {"field=vpc_id", "field=vpc_id&hour=1", "field=src_app&prefix=only", "field=src_app&hour=1", "field=dest_app&vpc_id=vpc-b", "field=vpc_id&prefix=vpc-b", "field=vpc_id&hour=3"},
	"/hours":  {""},
	"/ledger": {""},
	// They say the same whatever there is.
	"/livez": {""}, "/health": {""}, "/-/healthy": {""}, "/readyz": {""}, "/-/ready": {""}, "/version": {""}, "/openapi.json": {""},
	"/metrics": {""},
}

// TestBoundTokenSeesNothingElse asks two servers everything, of which one has flows of a second VPC as
// well: the token of the first VPC must get the same from both, down to the headers.
func TestBoundTokenSeesNothingElse(t *testing.T) {
	t.Parallel()
	alone, both := guarded(t), guarded(t)
	ours := `[{"src_app":"shared","dest_app":"x","vpc_id":"vpc-a","bytes_tx":1,"bytes_rx":2,"hour":1},` +
		`{"src_app":"a","dest_app":"x","vpc_id":"vpc-a-2","bytes_tx":5,"bytes_rx":2,"hour":1},` +
		`{"src_app":"a","dest_app":"y","vpc_id":"vpc-a","bytes_tx":3,"bytes_rx":9,"hour":2}]`
	theirs := `[{"src_app":"shared","dest_app":"x","vpc_id":"vpc-b","bytes_tx":100,"bytes_rx":200,"hour":1},` +
		`{"src_app":"only-b","dest_app":"x","vpc_id":"vpc-b","bytes_tx":100,"bytes_rx":200,"hour":1},` +
		`{"src_app":"x","dest_app":"shared","vpc_id":"vpc","bytes_tx":100,"bytes_rx":200,"hour":2},` +
		`{"src_app":"only-b","dest_app":"x","vpc_id":"vpc-b","bytes_tx":100,"bytes_rx":200,"hour":3}]`
	for _, ts := range []*testServer{alone, both} {
		if r := ts.do("POST", "/flows", ours, bearing(boundToken)); r.StatusCode != http.StatusOK {
			t.Fatalf("%d: %s", r.StatusCode, r.body)
		}
	}
	if r := both.do("POST", "/flows", theirs, bearing(everyToken), "Idempotency-Key: k"); r.StatusCode != http.StatusOK {
		t.Fatalf("%d: %s", r.StatusCode, r.body)
	}
	compare := func(path string) {
		t.Helper()
		for _, more := range []string{"X-Nothing: 1", "If-None-Match: *", "Accept-Encoding: identity"} {
			for _, method := range []string{"GET", "HEAD"} {
				a, b := alone.do(method, path, "", bearing(boundToken), more), both.do(method, path, "", bearing(boundToken), more)
				a.Header.Del("Date")
				b.Header.Del("Date")
				if a.StatusCode != b.StatusCode || inOrder(a.body) != inOrder(b.body) || !maps.EqualFunc(a.Header, b.Header, slices.Equal) {
					t.Errorf("%s %s tells of another VPC:\n%d %v\n%s\nand\n%d %v\n%s", method, path, a.StatusCode, a.Header, a.body, b.StatusCode, b.Header, b.body)
				}
				if a.Header.Get("ETag") != "" || a.StatusCode == http.StatusNotModified {
					t.Errorf("%s %s has a tag", method, path)
				}
			}
		}
	}
	for _, path := range alone.newRouter().List()["GET"] {
		questions, known := boundQuestions[strings.TrimPrefix(path, prefix)]
		if !known {
			t.Errorf("%s: nobody said what to ask it", path)
		}
		for _, q := range questions {
			compare(path + "?" + q)
		}
	}
	for _, batch := range []string{theirs, strings.Replace(ours, "vpc-a-2", "vpc-b", 1)} {
		for _, ts := range []*testServer{alone, both} {
			p := problemIn(t, ts.do("POST", "/flows", batch, bearing(boundToken), "Idempotency-Key: k"), http.StatusForbidden)
			if len(p.Errors) == 0 || !strings.HasSuffix(p.Errors[0].Pointer, "/vpc_id") {
				t.Errorf("the flows are not pointed at: %+v", p)
			}
		}
	}
	if r := both.do("POST", "/flows", ours, bearing(boundToken), "Idempotency-Key: k"); r.StatusCode != http.StatusOK {
		t.Errorf("the key of another client is not free: %d: %s", r.StatusCode, r.body)
	}
	if r := both.do("GET", "/flows?hour=1&group_by=vpc_id&order_by=vpc_id", "", bearing(boundToken)); !strings.Contains(r.body, "vpc-a-2") || strings.Contains(r.body, "vpc-b") {
		t.Errorf("it should see its own: %s", r.body)
	}
}

// inOrder returns the rows of a text in an order of their own: where none is promised it may differ.
func inOrder(text string) string {
	rows := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '[' || r == ']' || r == '}' })
	for i := range rows {
		rows[i] = strings.TrimPrefix(rows[i], ",")
	}
	slices.Sort(rows)
	return strings.Join(rows, "\n")
}

func TestWithin(t *testing.T) {
	t.Parallel()
	patterns := []string{"", "v", "vp", "vpc", "vpc-a", "vpc-a-1", "vpc-b", "w"}
	sets := []query.Match{{}}
	for i, a := range patterns {
		for _, b := range patterns[i+1:] {
			sets = append(sets, query.Match{Names: []string{b}}, query.Match{Prefixes: []string{b}}, query.Match{Names: []string{b}, Prefixes: []string{"x" + a}})
		}
	}
	keeps := func(m *query.Match, name string) bool {
		return m.All() || slices.Contains(m.Names, name) || slices.ContainsFunc(m.Prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
	}
	for _, m := range sets {
		for _, v := range sets {
			bound := access.VPCs{Names: v.Names, Prefixes: v.Prefixes}
			both := params.Within(m, &bound)
			for _, name := range append(patterns[1:], "vpc-a-12", "xv", "xvpc", "other") {
				if got, want := keeps(&both, name), keeps(&m, name) && keeps(&v, name); got != want {
					t.Fatalf("%v within %v is %v: %q kept: %t, want %t", m, v, both, name, got, want)
				}
			}
		}
	}
	if m := params.Within(query.Match{Names: []string{"b"}}, &access.VPCs{Names: []string{"a"}}); m.All() {
		t.Error("nothing in common became everything")
	}
}
