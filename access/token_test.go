package access

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestNewToken(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		token := NewToken()
		secret, found := strings.CutPrefix(token, "flowd_")
		data, err := base64.RawURLEncoding.Strict().DecodeString(secret)
		if !found || err != nil || len(data) != 32 || seen[token] {
			t.Fatalf("%q: %d bytes, %v, seen: %v", token, len(data), err, seen[token])
		}
		seen[token] = true
		if got, wellFormed := bearer([]byte("Bearer " + token)); !wellFormed || string(got) != token {
			t.Fatalf("%q is read as %q", token, got)
		}
	}
}

// drawnGrant is a grant that a tokens file can have.
func drawnGrant(t *rapid.T, name string) *Grant {
	r := &Grant{Name: name, Scopes: Scopes(rapid.IntRange(1, int(allScopes)).Draw(t, "scopes"))}
	vpc := rapid.StringOfN(rapid.OneOf(rapid.RuneFrom([]rune("ab :#-,[]{}'\"\\&!|>%@`?~ \u2028\ufeff支\U0001F6D2")), rapid.Rune()), 1, 8, maxVPC).
		Filter(func(s string) bool { return wrongVPC(s) == "" })
	if !r.Scopes.Has(Metrics) && !r.Scopes.Has(Admin) {
		if patterns := rapid.SliceOfNDistinct(vpc, 0, 4, rapid.ID).Draw(t, "vpcs"); len(patterns) > 0 {
			if rapid.Bool().Draw(t, "prefix") {
				patterns[0] += "*"
			}
			r.VPCs = must(ParseVPCs(patterns))
		}
	}
	if rapid.Bool().Draw(t, "ends") {
		r.Expires = time.Unix(rapid.Int64Range(0, 253402300799).Draw(t, "end"), 0).UTC()
	}
	return r
}

// TestAppend adds grants to a file, one after the other, and holds that each is read as it was, and that
// what was there stays as it was written.
func TestAppend(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[!-~]{1,64}`).Filter(func(s string) bool { return wrongName(s) == "" })
		taken := []string{"agents-eu", "42", "7", `a!~"'#b`} // by everyForm
		name = name.Filter(func(s string) bool { return !slices.Contains(taken, s) })
		names := rapid.SliceOfNDistinct(name, 1, 5, rapid.ID).Draw(t, "names")
		data := []byte(rapid.SampledFrom([]string{
			"", "\n", "# Tokens of all agents", withDigests(everyForm),
		}).Draw(t, "file"))
		grants := map[string]*Grant{}
		for _, name := range names {
			token, grant := NewToken(), drawnGrant(t, name)
			after, err := Append("tokens.yaml", data, token, grant)
			if err != nil {
				t.Fatalf("%v\n%+v\n%s", err, grant, data)
			}
			if !strings.HasPrefix(string(after), string(data)) {
				t.Fatalf("what was there has changed:\n%s\nis\n%s", data, after)
			}
			grants[token], data = grant, after
		}
		list, err := Parse("tokens.yaml", data)
		if err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
		for token, want := range grants {
			if diff := cmp.Diff(want, list.ofToken([]byte(token))); diff != "" {
				t.Fatalf("(-want +got):\n%s\nof\n%s", diff, data)
			}
		}
	})
}

func TestAppendForms(t *testing.T) {
	const entry = "name: b\n%[1]ssha256: D2\n%[1]sscopes: [ingest, query]\n%[1]svpcs: [a, b*]\n%[1]sexpires: 2027-01-01T00:00:00Z\n"
	grant := &Grant{Name: "b", Scopes: Ingest | Query, VPCs: VPCs{[]string{"a"}, []string{"b"}}, Expires: time.Date(2027, 1, 1, 0, 0, 0, 999, time.UTC)}
	for _, c := range []struct{ name, before, added, want string }{
		{"no file", "", "tokens:\n  - " + fmt.Sprintf(entry, "    "), ""},
		{"a comment", "# x", "\ntokens:\n  - " + fmt.Sprintf(entry, "    "), ""},
		{"no indentation", "tokens:\n- {name: a, sha256: D1, scopes: [query]}", "\n- " + fmt.Sprintf(entry, "  "), ""},
		{"six", "tokens:\n      -   name: a\n          sha256: D1\n          scopes: [query]\n", "      - " + fmt.Sprintf(entry, "        "), ""},
		{"a comment behind it", "tokens:\n- {name: a, sha256: D1, scopes: [query]}\n# the end\n", "- " + fmt.Sprintf(entry, "  "), ""},
		{"a list in brackets", "tokens: [{name: a, sha256: D1, scopes: [query]}]\n", "", "tokens.yaml has a form to which nothing can be added without changing the rest; add the entry by hand"},
		{"all in braces", "{tokens: [{name: a, sha256: D1, scopes: [query]}]}\n", "", "tokens.yaml has a form"},
		{"an end of the document", "tokens:\n- {name: a, sha256: D1, scopes: [query]}\n...\n", "", "tokens.yaml has a form"},
		{"the same name", "tokens:\n- {name: b, sha256: D1, scopes: [query]}\n", "", `tokens.yaml has an entry called "b" already; choose another name`},
		{"the same name of a certificate", "tokens:\n- {name: b, certificate: CN=c, scopes: [query]}\n", "", `tokens.yaml has an entry called "b" already`},
		{"the same name by common name", "tokens:\n- {name: b, certificate: c, scopes: [query]}\n", "", `tokens.yaml has an entry called "b" already`},
		{"no tokens", "tokens: []\n", "", "tokens.yaml:1: tokens: there are none"},
		{"no tokens file", "listen: :8080\n", "", `tokens.yaml:1: unknown key "listen"`},
	} {
		before := withDigests(c.before)
		after, err := Append("tokens.yaml", []byte(before), "t2", grant)
		if c.want != "" {
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || after != nil {
				t.Errorf("%s: %v, want %s", c.name, err, c.want)
			}
			continue
		}
		if diff := cmp.Diff(before+withDigests(c.added), string(after)); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", c.name, err, diff)
		}
	}
}

func TestEntryRefuses(t *testing.T) {
	for want, grant := range map[string]Grant{
		"name: is empty; 1 to 64 visible ASCII characters are required": {Scopes: Query},
		"scopes: is empty": {Name: "a"},
		"vpcs: scope admin shows more than some VPCs":    {Name: "a", Scopes: Admin | Query, VPCs: VPCs{Names: []string{"v"}}},
		"vpcs: cannot be written as YAML":                {Name: "a", Scopes: Query, VPCs: VPCs{Names: []string{"b", "a"}}},
		`expires: "1969-12-31T23:59:59Z" is before 1970`: {Name: "a", Scopes: Query, Expires: time.Unix(-1, 0)},
		`vpcs: "\a" has the control character U+0007`:    {Name: "a", Scopes: Query, VPCs: VPCs{Names: []string{"\a"}}},
	} {
		entry, err := Entry("t", &grant, "")
		if entry != nil || err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v\n%s", want, err, entry)
		}
	}
}
