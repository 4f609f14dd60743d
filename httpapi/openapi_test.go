package httpapi

import (
	"flowd/httpapi/params"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
)

func TestOpenAPIIsServed(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, nil)
	for _, path := range []string{"/openapi.json", "/api/v1/openapi.json"} {
		if r := ts.do("GET", path, ""); r.StatusCode != 200 || r.Header.Get("Content-Type") != "application/json" || r.body != string(openAPI) {
			t.Errorf("GET %s: %d, %s, %.100q", path, r.StatusCode, r.Header.Get("Content-Type"), r.body)
		}
	}
}

// The document is valid by the rules of OpenAPI 3.1, examples and schemas included.
func TestOpenAPIIsValid(t *testing.T) {
	t.Parallel()
	if err := validate(t, openAPI); err != nil {
		t.Error(err)
	}
	for _, broken := range []struct{ from, to string }{
		{`"openapi": "3.1.0"`, `"openapi": "3.x"`},
		{`"parameters": [`, `"params": [`},
		{`"in": "query"`, `"in": "body"`},
		{`"minimum": 0`, `"minimum": "0"`},
		{`"type": "integer"`, `"type": "int"`},
		{`#/components/schemas/Hour"`, `#/components/schemas/Our"`},
		{`{"accepted": 5, "duplicate": false}`, `{"accepted": "5", "duplicate": false}`},
		{`"operationId": "getDiff"`, `"operationId": "getFlows"`},
		{`"description": "The pairs."`, `"descriptive": "The pairs."`},
		{`"name": "file"`, `"name": "fill"`},
	} {
		text := strings.Replace(string(openAPI), broken.from, broken.to, 1)
		if text == string(openAPI) || validate(t, []byte(text)) == nil {
			t.Errorf("%s in the place of %s is not noticed", broken.to, broken.from)
		}
	}
}

func validate(t *testing.T, text []byte) error {
	document, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return err
	}
	return document.Validate(t.Context())
}

// Every route of the router is in the document, and everything in the document has a route: with
// HEAD wherever there is GET, at each of the servers that the path has.
func TestOpenAPIHasTheRoutes(t *testing.T) {
	t.Parallel()
	var routed, said []string
	for method, paths := range pageServer(t).newRouter().List() {
		for _, path := range paths {
			if strings.HasPrefix(path, "/assets/") {
				path = "/assets/{file}"
			}
			routed = append(routed, method+" "+path)
		}
	}
	document, err := openapi3.NewLoader().LoadFromData(openAPI)
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range document.Paths.Map() {
		servers := document.Servers
		if len(item.Servers) > 0 {
			servers = item.Servers
		}
		for _, server := range servers {
			at := strings.TrimSuffix(server.URL, "/") + path
			for method := range item.Operations() {
				said = append(said, method+" "+at)
				if method == http.MethodGet {
					said = append(said, "HEAD "+at)
				}
			}
		}
	}
	slices.Sort(routed)
	slices.Sort(said)
	if diff := cmp.Diff(slices.Compact(routed), said); diff != "" {
		t.Errorf("routes (-served +in the document):\n%s", diff)
	}
}

// The parameters in the document are those that the server reads, and repeat where those do.
func TestOpenAPIHasTheParameters(t *testing.T) {
	t.Parallel()
	d := document(t)
	for path, read := range map[string][]params.Parameter{
		"/flows": params.Flows, "/diff": params.Diff, "/pairs": params.Pairs, "/names": params.Names,
		"/hours": nil, "/ledger": nil, "/metrics": nil, "/openapi.json": nil,
	} {
		want, got := map[string]bool{}, map[string]bool{}
		for _, p := range read {
			want[p.Name] = p.Repeats
		}
		for _, p := range d.queryParameters(t, path) {
			if standing := p.schema.value["default"]; standing != nil && (path != "/names" || fmt.Sprint(standing) != "100") {
				t.Errorf("%s: the default of %s is %v", path, p.name, standing)
			}
			got[p.name] = p.explode == true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("parameters of %s, and whether they repeat (-read +in the document):\n%s", path, diff)
		}
	}
}

// needed is what must be asked beside a parameter.
func needed(path, name string) string {
	switch path + " " + name {
	case "/flows from", "/flows to", "/pairs from", "/pairs to":
		return ""
	case "/names field":
		return ""
	case "/diff a_from":
		return "a_to=2147483648&b=1"
	case "/diff a_to":
		return "a_from=0&b=1"
	case "/diff b_from":
		return "a=1&b_to=2147483648"
	case "/diff b_to":
		return "a=1&b_from=0"
	case "/diff a":
		return "b=1"
	case "/diff b":
		return "a=1"
	case "/flows hour", "/pairs hour":
		return ""
	}
	return map[string]string{"/flows": "hour=1", "/pairs": "hour=1", "/names": "field=vpc_id", "/diff": "a=1&b=2"}[path]
}

// What the schema of a parameter allows the server takes, and nothing else; the examples are among
// it.
func TestOpenAPIParameterRanges(t *testing.T) {
	t.Parallel()
	d := document(t)
	ts := serve(t, nil, func(l *Limits) { l.Groups = 100_000_000 })
	c := ts.dial()
	values := []string{
		"", "0", "1", "-1", "10", "10000", "10001", "100000000", "100000001", "2147483647", "2147483648", "2147483649", "1.5", "1e3",
		"x", "*", "a*", "a\nb", "a\u0085", strings.Repeat("n", 256), strings.Repeat("n", 256) + "*", strings.Repeat("n", 258),
		"src_app", "hour", "src_app,vpc_id", "src_app,hour", "src_app,src_app", "src_app,", "bytes_tx", "-bytes_total", "difference",
		"-difference", "disagreement", "-disagreement", "json", "ndjson", "csv", "CSV", "2026-01-31T15:00:00Z", "2026-01-31T15:00:00.123+01:00",
		"2026-01-31", "2026-02-30T15:00:00Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "2026-01-31t15:00:00z", "2016-12-31T23:59:60Z",
		"2026-01-31T15:00:00.1234567891Z", "2026-01-31T15:00:00,5Z", "2026-01-31T15:00Z", "2026-01-31T15:00:00", "2026-01-31T15:00:00+24:00", "a\n",
	}
	accepted, refused := 0, 0
	for _, path := range []string{"/flows", "/diff", "/pairs", "/names"} {
		for _, p := range d.queryParameters(t, path) {
			for _, value := range append(slices.Clone(values), p.examples...) {
				target := path + "?" + strings.Trim(needed(path, p.name)+"&"+p.name+"="+url.QueryEscape(value), "&")
				c.write(head("GET", target))
				r := c.read("GET")
				wrong := d.conforms(p.schema, "", p.read(value))
				if (r.StatusCode == 200) != (wrong == nil) {
					t.Errorf("GET %.200s: %d, %.200s\nbut by the document: %v", target, r.StatusCode, r.body, wrong)
				}
				if accepted++; wrong != nil {
					accepted, refused = accepted-1, refused+1
				}
				if err := d.check("GET", target, r); err != nil {
					t.Errorf("GET %.200s: %v", target, err)
				}
			}
			if len(p.examples) == 0 {
				t.Errorf("%s %s has no example", path, p.name)
			}
			for _, value := range p.examples {
				if err := d.conforms(p.schema, "", p.read(value)); err != nil {
					t.Errorf("the example of %s %s: %v", path, p.name, err)
				}
			}
		}
	}
	if accepted < 100 || refused < 500 {
		t.Errorf("%d values were taken and %d refused: not much was tried", accepted, refused)
	}
}

func (d *described) parameters(t *testing.T, path string) []any {
	t.Helper()
	operation, err := d.at("/paths/~1" + path[1:] + "/get")
	if err != nil {
		t.Fatal(err)
	}
	all, _ := operation.value["parameters"].([]any) // some have none
	return all
}

// What the schemas of the headers of a POST allow the server takes, and nothing else.
func TestOpenAPIHeaderRanges(t *testing.T) {
	t.Parallel()
	d := document(t)
	ts := serve(t, nil, nil)
	long := strings.Repeat("k", 129)
	for number, values := range map[int][]string{
		0: {"a", `"a"`, "6a1f3c0e-8f0e-4a56-9e1a-2f6f3e0c1d7b", `"a,b;c"`, `"a\"b\\c"`, `a"b`, `a\b`, "a,b", "a;b", `"a`, `"a"b`, `"a\b"`, `""`, "a b",
			"é", "!#$%&'()*+-./0:<=>?@AZ[]^_`az{|}~", `"!#$%&'()*+-./0:<=>?@AZ[]^_az{|}~"`, long, long[1:], `"` + long[1:] + `"`, `"` + long + `"`, ""},
		1: {"a", `"a"`, `a,b;c\`, "a b", "é", strings.Repeat("a", 64), strings.Repeat("a", 65), ""},
		2: {"1", "0", "01", "+1", "-1", "1.0", "1e3", "x", "18446744073709551615", "18446744073709551616", ""},
		3: {"gzip", "zstd", "identity", "x-gzip", "br", "gzip, zstd", ""},
	} {
		p, err := d.at(fmt.Sprintf("/paths/~1flows/post/parameters/%d", number))
		if err != nil {
			t.Fatal(err)
		}
		name := p.value["name"].(string)
		if err := d.conforms(p, "schema", p.value["example"]); err != nil {
			t.Errorf("the example of %s: %v", name, err)
		}
		taken := 0
		for i, value := range values {
			wrong := d.conforms(p, "schema", headerValue(p, value))
			headers := []string{name + ": " + value}
			switch name {
			case "Flowd-Agent":
				headers = append(headers, "Flowd-Seq: 1")
			case "Flowd-Seq":
				headers = append(headers, "Flowd-Agent: ranges-"+itoa(i))
			}
			r := ts.do("POST", "/flows", oneFlow("a", 1), headers...)
			// A body that is not what its encoding says is refused for that, not for the header.
			ok := r.StatusCode == 200 || strings.Contains(r.body, "cannot be decompressed")
			if ok != (wrong == nil) {
				t.Errorf("%s: %s: %d, %s\nbut by the document: %v", name, value, r.StatusCode, r.body, wrong)
			}
			if err := d.check("POST", "/flows", r); err != nil {
				t.Errorf("%s: %s: %v", name, value, err)
			}
			if ok {
				taken++
			}
		}
		if taken == 0 || taken == len(values) {
			t.Errorf("%s: %d of %d values were taken", name, taken, len(values))
		}
	}
}

// Every example of a body is what its schema says, and the bodies of requests are taken.
func TestOpenAPIExamples(t *testing.T) {
	t.Parallel()
	d := document(t)
	ts := serve(t, nil, nil)
	post, err := d.at("/paths/~1flows/post/requestBody")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.checkExamples(post, func(mediaType, body string) error {
		r := ts.do("POST", "/flows", body, "Content-Type: "+mediaType)
		if r.StatusCode != 200 {
			return fmt.Errorf("%d: %s", r.StatusCode, r.body)
		}
		return d.check("POST", "/flows", r)
	}); err != nil {
		t.Error(err)
	}
	pointers := map[string]bool{}
	for _, found := range regexp.MustCompile(`#(/components/responses/\w+)`).FindAllStringSubmatch(string(openAPI), -1) {
		pointers[found[1]] = true
	}
	for _, path := range []string{"/flows", "/diff", "/pairs", "/names", "/hours", "/ledger", "/metrics", "/version"} {
		pointers["/paths/~1"+path[1:]+"/get/responses/200"] = true
	}
	for pointer := range maps.Keys(pointers) {
		response, err := d.at(pointer)
		if err == nil && response.value["content"] != nil {
			err = d.checkExamples(response, func(string, string) error { return nil })
		}
		if err != nil {
			t.Errorf("%s: %v", pointer, err)
		}
	}
}
