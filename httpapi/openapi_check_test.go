package httpapi

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/goccy/go-json"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// described is the OpenAPI document as its readers have it, to hold answers to. Numbers are kept as
// they are written, so that 2^64 is not taken for 2^64-1.
type described struct {
	top      place
	compiler *jsonschema.Compiler

	mu   sync.Mutex
	seen map[string]bool // pointers of the responses, headers and media types that answers had
}

// place is a part of the document: a JSON pointer, and what stands there.
type place struct {
	pointer string
	value   map[string]any
}

const documentURL = "openapi.json"

// describe reads an OpenAPI document.
func describe(text []byte) (*described, error) {
	root, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	object, _ := root.(map[string]any)
	d := &described{top: place{"", object}, compiler: jsonschema.NewCompiler(), seen: map[string]bool{}}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	return d, d.compiler.AddResource(documentURL, root)
}

// document is the one that the server has.
func document(t testing.TB) *described {
	t.Helper()
	d, err := describe(openAPI)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// at returns the object at a pointer, or the one that it refers to.
func (d *described) at(pointer string) (place, error) {
	value := any(d.top.value)
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		switch parent := value.(type) {
		case map[string]any:
			value = parent[token]
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i >= len(parent) {
				return place{}, fmt.Errorf("nothing is at %s", pointer)
			}
			value = parent[i]
		}
	}
	object, ok := value.(map[string]any)
	if !ok {
		return place{}, fmt.Errorf("no object is at %s", pointer)
	}
	if to, ok := object["$ref"].(string); ok {
		return d.at(strings.TrimPrefix(to, "#"))
	}
	return place{pointer, object}, nil
}

// below returns the object at a member of p, or the one that it refers to.
func (d *described) below(p place, path ...string) (place, error) {
	pointer := p.pointer
	for _, token := range path {
		pointer += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(token)
	}
	return d.at(pointer)
}

// members returns the objects below a member of p by their names; none if p has no such member.
func (d *described) members(p place, of string) (map[string]place, error) {
	all := map[string]place{}
	given, _ := p.value[of].(map[string]any)
	for name := range given {
		one, err := d.below(p, of, name)
		if err != nil {
			return nil, err
		}
		all[name] = one
	}
	return all, nil
}

// conforms holds a value to the schema at a member of p, or to p itself if there is none.
func (d *described) conforms(p place, to string, value any) error {
	d.mu.Lock()
	schema, err := d.compiler.Compile(documentURL + "#" + (&url.URL{Path: strings.TrimSuffix(p.pointer+"/"+to, "/")}).EscapedPath())
	d.mu.Unlock()
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// operation returns what the document says of a request: its operation, or nil and the response that
// the document has for all requests that are none.
func (d *described) operation(method, target string) (operation *place, none string, err error) {
	path, _, _ := strings.Cut(target, "?")
	paths, err := d.members(d.top, "paths")
	if err != nil {
		return nil, "", err
	}
	bare, prefixed := strings.CutPrefix(path, prefix)
	for name, item := range paths {
		asked := path
		if prefixed && item.value["servers"] == nil {
			asked = bare
		}
		pattern := "^" + regexp.MustCompile(`\\{\w+\\}`).ReplaceAllString(regexp.QuoteMeta(name), "[^/]+") + "$"
		if !regexp.MustCompile(pattern).MatchString(asked) {
			continue
		}
		switch method {
		case http.MethodHead:
			method = http.MethodGet
		case http.MethodOptions:
			return nil, "Methods", nil
		}
		if item.value[strings.ToLower(method)] == nil {
			return nil, "MethodNotAllowed", nil
		}
		found, err := d.below(item, strings.ToLower(method))
		return &found, "", err
	}
	return nil, "NotFound", nil
}

// check holds an answer to what the document says of it: its status, its headers, also those that
// the document does not name, its media type and its body.
func (d *described) check(method, target string, r reply) error {
	operation, none, err := d.operation(method, target)
	if err != nil {
		return err
	}
	status := strconv.Itoa(r.StatusCode)
	var response place
	if operation != nil {
		response, err = d.below(*operation, "responses", status)
	} else {
		response, err = d.below(d.top, "components", "responses", none)
	}
	if err != nil {
		return fmt.Errorf("status %s: %w", status, err)
	}
	d.saw(response.pointer)
	if err := d.checkHeaders(response, r); err != nil {
		return err
	}
	return d.checkBody(response, method, r)
}

func (d *described) saw(pointer string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen[pointer] = true
}

// plainHeaders are those of HTTP itself, which the document leaves out.
var plainHeaders = []string{"Connection", "Content-Length", "Content-Type", "Date", "Transfer-Encoding"}

func (d *described) checkHeaders(response place, r reply) error {
	headers, err := d.members(response, "headers")
	if err != nil {
		return err
	}
	known := slices.Clone(plainHeaders)
	for name, header := range headers {
		known = append(known, http.CanonicalHeaderKey(name))
		switch values := r.Header.Values(name); {
		case len(values) > 1:
			return fmt.Errorf("header %s is there %d times", name, len(values))
		case len(values) == 1:
			d.saw(response.pointer + "/headers/" + name)
			if err := d.conforms(header, "schema", scalar(values[0])); err != nil {
				return fmt.Errorf("header %s: %w", name, err)
			}
		case header.value["required"] == true:
			return fmt.Errorf("header %s is missing", name)
		}
	}
	for name := range r.Header {
		if !slices.Contains(known, name) {
			return fmt.Errorf("header %s is not in the document", name)
		}
	}
	return nil
}

func (d *described) checkBody(response place, method string, r reply) error {
	types, err := d.members(response, "content")
	if err != nil {
		return err
	}
	given := r.Header.Get("Content-Type")
	if len(types) == 0 {
		if given != "" || r.body != "" {
			return fmt.Errorf("a body of type %q, where the document has none: %.100q", given, r.body)
		}
		return nil
	}
	name, _, err := mime.ParseMediaType(given)
	if err != nil {
		return err
	}
	content, ok := types[name]
	if !ok {
		return fmt.Errorf("media type %q is none of %v", name, slices.Sorted(maps.Keys(types)))
	}
	d.saw(content.pointer)
	if method == http.MethodHead || content.value["schema"] == nil {
		return nil
	}
	body, err := unpack(r.Header.Get("Content-Encoding"), r.body)
	if err != nil {
		return err
	}
	return d.checkText(content, name, body)
}

// checkText holds a body to a media type of the document.
func (d *described) checkText(content place, name, body string) error {
	if strings.HasSuffix(name, "json") && name != "application/x-ndjson" {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
		if err != nil {
			return fmt.Errorf("%w: %.100q", err, body)
		}
		return d.conforms(content, "schema", value)
	}
	if err := d.conforms(content, "schema", body); err != nil || content.value["x-line"] == nil {
		return err
	}
	values, err := d.lines(content, name, body)
	for i, value := range values {
		if err := d.conforms(content, "x-line", value); err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
	}
	return err
}

// lines reads the rows of a body of lines.
func (d *described) lines(content place, name, body string) (values []any, err error) {
	if name != "text/csv" {
		for line := range strings.Lines(body) {
			value, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
			if err != nil || !strings.HasSuffix(line, "}\n") {
				return nil, fmt.Errorf("line %q: %v", line, err)
			}
			values = append(values, value)
		}
		return values, nil
	}
	row, err := d.below(content, "x-line")
	if err != nil {
		return nil, err
	}
	fields, err := d.members(row, "properties")
	if err != nil {
		return nil, err
	}
	records, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil {
		return nil, err
	}
	if ends := strings.Count(body, "\r\n"); len(records) == 0 || ends != len(records) {
		return nil, fmt.Errorf("%d lines of CSV, %d of them ended by CRLF", len(records), ends)
	}
	for _, record := range records[1:] {
		value := map[string]any{}
		for i, name := range records[0] {
			if value[name] = any(record[i]); fields[name].value["type"] == "integer" {
				value[name] = scalar(record[i])
			}
		}
		values = append(values, value)
	}
	return values, nil
}

var integer = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

// scalar is what a text of a header, a parameter or a line of CSV is to a schema.
func scalar(text string) any {
	if integer.MatchString(text) {
		return json.Number(text)
	}
	return text
}

// checkExamples holds the examples of a body to its schemas, and has use do something with each.
func (d *described) checkExamples(body place, use func(mediaType, text string) error) error {
	types, err := d.members(body, "content")
	if err != nil || len(types) == 0 {
		return errors.Join(err, fmt.Errorf("%d media types", len(types)))
	}
	for name, content := range types {
		examples, err := d.members(content, "examples")
		if err != nil || len(examples) == 0 {
			return errors.Join(err, fmt.Errorf("%s: %d examples", name, len(examples)))
		}
		for title, example := range examples {
			text, ok := example.value["value"].(string)
			if !ok {
				encoded, err := json.Marshal(example.value["value"])
				if err != nil {
					return err
				}
				text = string(encoded)
			}
			if err := d.checkText(content, name, text); err != nil {
				return fmt.Errorf("%s: example %s: %w", name, title, err)
			}
			if err := use(name, text); err != nil {
				return fmt.Errorf("%s: example %s: %w", name, title, err)
			}
		}
	}
	return nil
}
