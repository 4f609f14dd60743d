package problem

import (
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	for _, test := range []struct {
		body, text string // "" is an error
		reasons    int
	}{
		{`{"title":"Bad Request","detail":"No hour."}`, "No hour.", 0},
		{`{"title":"Bad Request"}`, "Bad Request", 0},
		{`{"detail":"Recovering.","reasons":["recovering","disk-full"]}`, "Recovering.", 2},
		{`{"reasons":["recovering"]}`, "", 0},
		{`{}`, "", 0},
		{`<html>`, "", 0},
		{``, "", 0},
		{`{"detail":"` + strings.Repeat("x", MaxBytes) + `"}`, "", 0}, // cut
	} {
		p, err := Read(strings.NewReader(test.body))
		if p.Text() != test.text || len(p.Reasons) != test.reasons || (err == nil) != (test.text != "") {
			t.Errorf("%.60s: got %+v and %v", test.body, p, err)
		}
	}
}
