package httpapi

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// queryParameter is what a query of an operation may have, by its name there.
type queryParameter struct {
	name     string
	schema   place
	explode  any
	examples []string // as they stand in a query: each value by itself where the parameter repeats
}

// queryParameters returns what the document has for the query of a GET. An object whose properties
// stand in the query by themselves is those properties, of all its forms.
func (d *described) queryParameters(t *testing.T, path string) (all []queryParameter) {
	t.Helper()
	for i := range d.parameters(t, path) {
		p, err := d.at(fmt.Sprintf("/paths/~1%s/get/parameters/%d", path[1:], i))
		if err != nil {
			t.Fatal(err)
		}
		if p.value["in"] != "query" {
			continue
		}
		schema, err := d.below(p, "schema")
		if err != nil {
			t.Fatal(err)
		}
		if schema.value["type"] == "object" {
			all = append(all, d.properties(t, p)...)
			continue
		}
		// The schema is where it is written, not where it refers to: that may be one of several keywords.
		at := place{p.pointer + "/schema", schema.value}
		all = append(all, queryParameter{p.value["name"].(string), at, p.value["explode"], examplesOf(p)})
	}
	return all
}

// properties returns the properties of a parameter that is one of several objects, which exclude each
// other. All of them that have a name must have one schema.
func (d *described) properties(t *testing.T, p place) (all []queryParameter) {
	t.Helper()
	forms, _ := p.value["schema"].(map[string]any)["oneOf"].([]any)
	if p.value["explode"] != true || p.value["style"] != "form" || len(forms) < 2 {
		t.Fatalf("%s is no choice of objects whose properties stand in a query", p.pointer)
	}
	seen := map[string]string{}
	for i := range forms {
		form, err := d.at(fmt.Sprintf("%s/schema/oneOf/%d", p.pointer, i))
		if err != nil {
			t.Fatal(err)
		}
		if form.value["type"] != "object" || form.value["additionalProperties"] != false || form.value["required"] == nil {
			t.Errorf("%s is open", form.pointer)
		}
		properties := form.value["properties"].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			property := properties[name].(map[string]any)
			text := fmt.Sprint(property)
			if before, ok := seen[name]; ok {
				if before != text {
					t.Errorf("%s has two schemas of %s: %s and %s", p.pointer, name, before, text)
				}
				continue
			}
			seen[name] = text
			one := queryParameter{name: name, schema: place{form.pointer + "/properties/" + name, property}}
			examples, _ := property["examples"].([]any)
			for _, example := range examples {
				one.examples = append(one.examples, fmt.Sprint(example))
			}
			all = append(all, one)
		}
	}
	return all
}

// examplesOf returns the example of a parameter as it stands in a query.
func examplesOf(p place) (texts []string) {
	if p.value["example"] == nil {
		return nil
	}
	list, ok := p.value["example"].([]any)
	if !ok {
		return []string{fmt.Sprint(p.value["example"])}
	}
	for _, one := range list {
		texts = append(texts, fmt.Sprint(one))
	}
	if p.value["explode"] == false {
		return []string{strings.Join(texts, ",")}
	}
	return texts
}

// read is what a text is to the schema of the parameter.
func (p queryParameter) read(text string) any {
	switch p.explode {
	case true:
		return []any{text}
	case false:
		var list []any
		for one := range strings.SplitSeq(text, ",") {
			list = append(list, one)
		}
		return list
	}
	return valueFor(p.schema.value, text)
}

// headerValue is what a text is to the schema of a header.
func headerValue(p place, text string) any {
	schema, _ := p.value["schema"].(map[string]any)
	return valueFor(schema, text)
}

// valueFor is a number to a schema that may have one; a prefix or a name may look like one too.
func valueFor(schema map[string]any, text string) any {
	if schema["type"] == "string" {
		return text
	}
	return scalar(text)
}
