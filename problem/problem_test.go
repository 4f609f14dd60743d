package problem

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestRead(t *testing.T) {
	const batch = `{"type":"about:blank","title":"Bad Request","detail":"No.","errors":[{"pointer":"/0/hour","detail":"is missing"},{}]}`
	for _, test := range []struct {
		contentType, body string
		want              Problem
		ok                bool
		text, suffix      string
	}{
		{MediaType, batch, Problem{Title: "Bad Request", Detail: "No.", Errors: []FieldError{{"/0/hour", "is missing"}, {}}}, true,
			"No.", ": Bad Request: No.: /0/hour is missing"},
		{MediaType + " ; charset=utf-8", `{"title":"Bad Request"}`, Problem{Title: "Bad Request"}, true, "Bad Request", ": Bad Request"},
		{MediaType, `{"detail":"Recovering.","reasons":["recovering"]}`, Problem{Detail: "Recovering.", Reasons: []string{"recovering"}}, true,
			"Recovering.", ": Recovering."},
		{MediaType, `{}`, Problem{}, true, "", ""},
		{MediaType, `<html>`, Problem{}, false, "", ""},
		{MediaType, ``, Problem{}, false, "", ""},
		{MediaType, `{"title":7,"detail":"No."}`, Problem{}, false, "", ""},
		{"application/json", batch, Problem{}, false, "", ""},
		{MediaType, `{"detail":"` + strings.Repeat("x", MaxBytes) + `"}`, Problem{}, false, "", ""}, // cut
	} {
		p, ok := Read(test.contentType, strings.NewReader(test.body))
		if diff := cmp.Diff(test.want, p); diff != "" || ok != test.ok || p.Text() != test.text || p.Suffix() != test.suffix {
			t.Errorf("%s, %.60s: %v, %q, %q (-want +got):\n%s", test.contentType, test.body, ok, p.Text(), p.Suffix(), diff)
		}
	}
	broken := io.MultiReader(strings.NewReader(`{"title":"a"}`), iotest.ErrReader(errors.New("reset")))
	if p, ok := Read(MediaType, broken); ok {
		t.Errorf("a body that broke off is %+v", p)
	}
}

// Whatever a server sends is read without a panic.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"title":"Bad Request","errors":[{"pointer":"/0"}],"reasons":["a"]}`))
	f.Add([]byte(`{"errors":null,"detail":"\ud800"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, ok := Parse(MediaType, body)
		if !ok && p.Suffix() != "" {
			t.Fatalf("no problem, but %q", p.Suffix())
		}
	})
}
