package httpapi

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-json"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// optional are the fields of answers that are not always there.
var optional = map[string][]string{
	"Row":     {"src_app", "dest_app", "vpc_id", "hour"},
	"DiffRow": {"src_app", "dest_app", "vpc_id"},
	"Problem": {"errors", "reasons"},
	"Ready":   {"detail"},

	"HourTotals":  {"expired_before"},
	"BoundHour":   {"expired_before"},
	"HourAccount": {"expired_before"},
}

// A schema that allows more than there is would hold as well, so what it must say is asked for here:
// what each field is, that it is there, and that there are no others.
func TestOpenAPISchemasAreTight(t *testing.T) {
	t.Parallel()
	d := document(t)
	components, err := d.at("/components")
	if err != nil {
		t.Fatal(err)
	}
	schemas, err := d.members(components, "schemas")
	if err != nil {
		t.Fatal(err)
	}
	objects := 0
	for name, schema := range schemas {
		properties, _ := schema.value["properties"].(map[string]any)
		if !says(schema.value) {
			t.Errorf("schema %s does not say what it is", name)
		}
		if properties == nil {
			continue
		}
		objects++
		for field, property := range properties {
			if !says(property.(map[string]any)) {
				t.Errorf("schema %s: field %s does not say what it is", name, field)
			}
		}
		if schema.value["type"] != "object" {
			t.Errorf("schema %s has properties and is of type %v", name, schema.value["type"])
		}
		if name == "Description" { // of OpenAPI documents, whose schema is not ours
			continue
		}
		want := slices.DeleteFunc(slices.Sorted(maps.Keys(properties)), func(field string) bool { return slices.Contains(optional[name], field) })
		var required []string
		for _, field := range schema.value["required"].([]any) {
			required = append(required, field.(string))
		}
		if slices.Sort(required); !slices.Equal(required, want) {
			t.Errorf("schema %s requires %v, want %v", name, required, want)
		}
		// Other fields of a flow are ignored.
		if open := schema.value["additionalProperties"] != false; open != (name == "Flow") {
			t.Errorf("schema %s: additionalProperties %v", name, schema.value["additionalProperties"])
		}
	}
	if objects < 12 {
		t.Errorf("%d objects", objects)
	}
}

// says reports whether a schema says what a value is.
func says(schema map[string]any) bool {
	items, listed := schema["items"].(map[string]any)
	switch {
	case schema["type"] == "array":
		return listed && says(items)
	case schema["$ref"] != nil, schema["type"] != nil, schema["const"] != nil, schema["enum"] != nil, schema["anyOf"] != nil, schema["allOf"] != nil:
		return true
	}
	return false
}

// Each operation names what can happen to any request, in numbers that are statuses, and each answer
// with a body says what it is.
func TestOpenAPIResponsesAreTight(t *testing.T) {
	t.Parallel()
	d := document(t)
	paths, err := d.members(d.top, "paths")
	if err != nil {
		t.Fatal(err)
	}
	operations := 0
	for path, item := range paths {
		for _, method := range []string{"get", "post"} {
			if item.value[method] == nil {
				continue
			}
			operations++
			operation, err := d.below(item, method)
			if err != nil {
				t.Fatal(err)
			}
			if operation.value["operationId"] == nil || operation.value["summary"] == nil {
				t.Errorf("%s %s has no operationId, or no summary", method, path)
			}
			responses, err := d.members(operation, "responses")
			if err != nil {
				t.Fatal(err)
			}
			for _, status := range []string{"200", "400", "408", "431", "500", "503"} {
				if _, ok := responses[status]; !ok {
					t.Errorf("%s %s: no status %s", method, path, status)
				}
			}
			for status, response := range responses {
				if !regexp.MustCompile(`^[2-5][0-9][0-9]$`).MatchString(status) {
					t.Errorf("%s %s: status %s", method, path, status)
				}
				if err := d.namesStatus(response, status); err != nil {
					t.Errorf("%s %s: status %s: %v", method, path, status, err)
				}
				types, err := d.members(response, "content")
				if err != nil || len(types) == 0 && status != "304" {
					t.Errorf("%s %s: status %s: %d media types, %v", method, path, status, len(types), err)
				}
				for name, content := range types {
					schema, ok := content.value["schema"].(map[string]any)
					binary := name == "image/png" || name == "font/woff2"
					if ok == binary || ok && !says(schema) {
						t.Errorf("%s %s: status %s: %s does not say what it is", method, path, status, name)
					}
					lines := strings.HasPrefix(name, "application/x-") || strings.HasSuffix(name, "jsonl") || name == "text/csv"
					if line, ok := content.value["x-line"].(map[string]any); ok != lines || ok && !says(line) {
						t.Errorf("%s %s: status %s: %s does not say what a line is", method, path, status, name)
					}
				}
			}
		}
	}
	if operations < 15 {
		t.Errorf("%d operations", operations)
	}
}

// namesStatus returns an error unless a response that is a problem says of its body that it has the
// response's own status and title.
func (d *described) namesStatus(response place, status string) error {
	types, err := d.members(response, "content")
	if err != nil || types["application/problem+json"].value == nil {
		return err
	}
	limits, err := d.at(response.pointer + "/content/application~1problem+json/schema/allOf/1/properties")
	if err != nil {
		return err
	}
	code, err := strconv.Atoi(status)
	if err != nil {
		return err
	}
	for field, want := range map[string]string{"status": status, "title": http.StatusText(code)} {
		one, _ := limits.value[field].(map[string]any)
		if fmt.Sprint(one["const"]) != want {
			return fmt.Errorf("its problem has the %s %v, want %s", field, one["const"], want)
		}
	}
	return nil
}

// Each parameter and header of the document says what it is.
func TestOpenAPIParametersAreTight(t *testing.T) {
	t.Parallel()
	d := document(t)
	components, err := d.at("/components")
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range []string{"parameters", "headers"} {
		all, err := d.members(components, of)
		if err != nil || len(all) < 10 {
			t.Fatalf("%d %s, %v", len(all), of, err)
		}
		for name, one := range all {
			if schema, ok := one.value["schema"].(map[string]any); !ok || !says(schema) || one.value["description"] == nil {
				t.Errorf("%s: %s does not say what it is", of, name)
			}
		}
	}
	for _, path := range []string{"/flows", "/diff", "/pairs", "/names"} {
		for i := range d.parameters(t, path) {
			one, err := d.at("/paths/~1" + path[1:] + "/get/parameters/" + itoa(i))
			if err != nil {
				t.Fatal(err)
			}
			if schema, ok := one.value["schema"].(map[string]any); !ok || !says(schema) {
				t.Errorf("%s: %v does not say what it is", path, one.value["name"])
			}
		}
	}
}

// What the schema of a flow allows the server takes, and nothing else.
func TestOpenAPIFlowRanges(t *testing.T) {
	t.Parallel()
	d := document(t)
	components, err := d.at("/components/schemas")
	if err != nil {
		t.Fatal(err)
	}
	ts := serve(t, nil, nil)
	c := ts.dial()
	values := []string{
		`""`, `"a"`, `"é日"`, `"a\u0000b"`, `"a\u0085"`, `"` + strings.Repeat("n", 256) + `"`, `"` + strings.Repeat("n", 257) + `"`, `"*"`,
		"0", "1", "-1", "1.5", "2147483647", "2147483648", "9223372036854775807", "9223372036854775808", "18446744073709551616",
		"null", "true", "{}", "[]",
	}
	taken := map[string]int{}
	for _, field := range []string{"src_app", "dest_app", "vpc_id", "bytes_tx", "bytes_rx", "hour", "more", "-src_app", "-dest_app", "-vpc_id", "-bytes_tx", "-bytes_rx", "-hour"} {
		for _, value := range values {
			one := map[string]json.RawMessage{
				"src_app": json.RawMessage(`"a"`), "dest_app": json.RawMessage(`"b"`), "vpc_id": json.RawMessage(`"c"`),
				"bytes_tx": json.RawMessage("1"), "bytes_rx": json.RawMessage("2"), "hour": json.RawMessage("3"),
			}
			if left, without := strings.CutPrefix(field, "-"); without {
				delete(one, left)
			} else {
				one[field] = json.RawMessage(value)
			}
			body, err := json.Marshal([]any{one})
			if err != nil {
				t.Fatal(err)
			}
			c.write(head("POST", "/flows", "Content-Length: "+itoa(len(body))) + string(body))
			r := c.read("POST")
			value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if wrong := d.conforms(components, "Batch", value); (r.StatusCode == 200) != (wrong == nil) {
				t.Errorf("%s: %d, %s\nbut by the document: %v", body, r.StatusCode, r.body, wrong)
			}
			if r.StatusCode == 200 {
				taken[field]++
			}
		}
	}
	for field, want := range map[string]int{"src_app": 4, "bytes_tx": 5, "hour": 3, "more": len(values), "-hour": 0} {
		if taken[field] != want {
			t.Errorf("%s: %d of %d values were taken, want %d", field, taken[field], len(values), want)
		}
	}
}
