package httpapi

import (
	"flowd/httpapi/params"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// fenced are the blocks of a language in the page that describes the API.
func fenced(t *testing.T, language string) (blocks []string) {
	t.Helper()
	page, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		blocks = append(blocks, match[1])
	}
	return blocks
}

// Every example of the page is what the server answers, and every parameter has one.
func TestDocumentedExamples(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, nil)
	flows := fenced(t, "ndjson")
	if len(flows) != 1 {
		t.Fatalf("%d blocks of flows, want the one of the examples", len(flows))
	}
	if r := ts.do("POST", "/flows", flows[0], asNDJSON); r.StatusCode != 200 {
		t.Fatalf("%d: %s", r.StatusCode, r.body)
	}
	shown := map[string]bool{}
	for _, block := range fenced(t, "http") {
		for example := range strings.SplitSeq(strings.TrimSpace(block), "\n\n") {
			request, want, _ := strings.Cut(example, "\n")
			target, ok := strings.CutPrefix(request, "GET ")
			path, query, _ := strings.Cut(target, "?")
			if !ok || want == "" {
				t.Errorf("no example: %q", example)
				continue
			}
			for pair := range strings.SplitSeq(query, "&") {
				name, _, _ := strings.Cut(pair, "=")
				shown[path+" "+name] = true
			}
			// Arrays are broken into lines to be read; rows without an order may come in any.
			got := strings.ReplaceAll(strings.TrimSpace(ts.do("GET", target, "").body), "\r\n", "\n")
			if want[0] == '[' {
				want = regexp.MustCompile(`\n +`).ReplaceAllString(want, "")
			}
			unordered := path == "/flows" && !strings.Contains(query, "order_by")
			if got != want && !(unordered && slices.Equal(objects(got), objects(want))) {
				t.Errorf("%s\n got %s\nwant %s", request, got, want)
			}
		}
	}
	for path, known := range map[string][]params.Parameter{
		"/flows": params.Flows, "/diff": params.Diff, "/pairs": params.Pairs, "/names": params.Names,
	} {
		for _, p := range known {
			if !shown[path+" "+p.Name] {
				t.Errorf("%s has no example with %s", path, p.Name)
			}
		}
	}
}

// objects returns the objects of an array of rows, in an order of its own.
func objects(array string) []string {
	return slices.Sorted(strings.SplitSeq(strings.Trim(array, "[]{}"), "},{"))
}
