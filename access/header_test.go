package access

import (
	"regexp"
	"strings"
	"testing"
)

func TestAuthorization(t *testing.T) {
	for _, c := range []struct {
		header, token string
		wellFormed    bool
	}{
		{"", "", true},
		{" \t ", "", true},
		{"Bearer abc", "abc", true},
		{"bearer abc", "abc", true},
		{"BEARER   abc", "abc", true},
		{"\t bEaReR abc \t", "abc", true},
		{"Bearer aZ09-._~+/==", "aZ09-._~+/==", true},
		{"Bearer a=", "a=", true},
		{"Bearer " + strings.Repeat("a", 8000), strings.Repeat("a", 8000), true},
		{"Bearer", "", false},
		{"Bearer ", "", false},
		{"Bearer =", "", false},
		{"Bearer a=b", "", false},
		{"Bearer\tabc", "", false},
		{"Bearer \tabc", "", false},
		{"Bearerabc", "", false},
		{"Bearer a b", "", false},
		{"Bearer a,b", "", false},
		{"Bearer a, Bearer b", "", false},
		{`Bearer "abc"`, "", false},
		{`Bearer realm="a"`, "", false},
		{"Bearer abc\n", "", false},
		{"Bearer abc\x00", "", false},
		{"Bearer \xc3\xa4", "", false},
		{"Basic dTpw", "", false},
		{"abc", "", false},
		{"abcdefghij", "", false},
		{"\x02earer abc", "", false},
	} {
		token, wellFormed := bearer([]byte(c.header))
		if string(token) != c.token && wellFormed || wellFormed != c.wellFormed {
			t.Errorf("%q: %q, %v, want %q, %v", c.header, token, wellFormed, c.token, c.wellFormed)
		}
	}
}

// credentials is the grammar of RFC 6750, with white space around it as RFC 9110 has it.
var credentials = regexp.MustCompile(`\A[ \t]*(?:[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]+=*))?[ \t]*\z`)

func FuzzAuthorization(f *testing.F) {
	for _, header := range []string{"", "Bearer abc", " \tbearer  a+/=\t", "Basic dTpw", "Bearer a, Bearer b", "Bearer =", "Bearer"} {
		f.Add([]byte(header))
	}
	f.Fuzz(func(t *testing.T, header []byte) {
		before := string(header)
		token, wellFormed := bearer(header)
		match := credentials.FindSubmatch(header)
		if wellFormed != (match != nil) || wellFormed && string(token) != string(match[1]) {
			t.Errorf("%q: %q, %v, the grammar has %q", header, token, wellFormed, match)
		}
		if string(header) != before {
			t.Errorf("%q became %q", before, header)
		}
	})
}
