package access

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// digestOf is what a tokens file has of token.
func digestOf(token string) string {
	digest := sha256.Sum256([]byte(token))
	return hex.EncodeToString(digest[:])
}

// parsed returns the list in text, with D1, D2 ... for the digests of the tokens "t1", "t2" ...
func parsed(t testing.TB, text string) *List {
	t.Helper()
	list, err := Parse("tokens.yaml", []byte(withDigests(text)))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

var digestName = regexp.MustCompile(`\bD(\d)\b`)

func withDigests(text string) string {
	return digestName.ReplaceAllStringFunc(text, func(name string) string { return digestOf("t" + name[1:]) })
}

const everyForm = `# Who may do what.
tokens:
  - name: agents-eu
    sha256: D1
    scopes: [ingest]
    vpcs: [vpc-b, "vpc-eu-*", vpc-a, vpc-eu-1, "vpc-eu-west-*"]
    expires: 2027-01-01T01:30:00+01:00
  - {name: "42", scopes: [admin, query, metrics, ingest], sha256: 'D2', vpcs: ["*"]}
  - name: 7
    scopes:
      - query
    certificate: collector.example.net
  - certificate: OU=Flows, O=Example\, Inc., C=DE
    name: a!~"'#b
    scopes: ["metrics"]
`

func TestParse(t *testing.T) {
	list := parsed(t, everyForm)
	got := map[string]*Grant{
		"t1": list.ofToken([]byte("t1")), "t2": list.ofToken([]byte("t2")), "t3": list.ofToken([]byte("t3")),
		"name": list.names["collector.example.net"],
	}
	for _, grant := range list.subjects {
		got["subject"] = grant
	}
	want := map[string]*Grant{
		"t1": {
			Name: "agents-eu", Scopes: Ingest, Expires: time.Date(2027, 1, 1, 0, 30, 0, 0, time.UTC),
			VPCs: VPCs{Names: []string{"vpc-a", "vpc-b"}, Prefixes: []string{"vpc-eu-"}},
		},
		"t2":      {Name: "42", Scopes: Ingest | Query | Metrics | Admin},
		"t3":      nil,
		"name":    {Name: "7", Scopes: Query},
		"subject": {Name: `a!~"'#b`, Scopes: Metrics},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if list.Len() != 4 {
		t.Errorf("there are %d, want 4", list.Len())
	}
	if _, err := Parse("tokens.yaml", []byte(strings.ToUpper(digestOf("t1")))); err == nil {
		t.Error("a file of one word was read")
	}
	upper := strings.Replace(withDigests(everyForm), digestOf("t1"), strings.ToUpper(digestOf("t1")), 1)
	if list, err := Parse("tokens.yaml", []byte(upper)); err != nil || list.ofToken([]byte("t1")) == nil {
		t.Errorf("a digest in capitals: %v", err)
	}
}

// entryOf is a file of one token, a, with lines more.
func entryOf(lines ...string) string {
	return "tokens:\n  - name: a\n    " + strings.Join(lines, "\n    ") + "\n"
}

const (
	digestLine = "sha256: D1"
	scopesLine = "scopes: [ingest]"
	noScopes   = "there are ingest, query, metrics and admin"
)

func TestParseProblems(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"nothing", "", "1: is empty: there are none, so no client could do anything; to let any client do everything, start without a tokens file"},
		{"a comment alone", "# tokens:\n", "1: is empty: there are none, so no client"},
		{"null", "---\n", `2: a tokens file has lines of the form "key: value" with tokens`},
		{"no tokens", "tokens: []", "1: tokens: there are none, so no client"},
		{"null tokens", "tokens:\n", `1: tokens: is a list; each of it begins with "- name: "`},
		{"a mapping of tokens", "tokens:\n  a: b\n", `2: tokens: is a list;`},
		{"a list at once", "- name: a\n", `1: a tokens file has lines of the form "key: value" with tokens`},
		{"no key", "{}", `1: needs key "tokens", a list of tokens and what each may do`},
		{"another key", "tokns: []\n", `1: unknown key "tokns"; a tokens file has tokens|1: needs key "tokens", a list of tokens and what each may do`},
		{"two documents", entryOf(digestLine, scopesLine) + "---\ntokens: []\n", "5: a second document begins here; tokens are one document"},
		{"no YAML", "tokens:\n  - [\n", "2: is not YAML: did not find expected node content"},
		{"an alias of nothing", "tokens: *" + NewToken()[6:16] + "\n", "1: is not YAML: an alias (*) of something that is not there"},
		{"an entry of one word", "tokens:\n  - a\n", `2: a token has lines of the form "key: value" with name, sha256, certificate, scopes, vpcs, expires`},
		{"no entry", "tokens:\n  -\n", `2: a token has lines of the form`},
		{"an entry without keys", "tokens:\n  - {}\n", `2: needs key "name"|2: needs key "scopes"|2: needs one of the keys "sha256", for a client that sends a token, and "certificate"`},
		{"an unknown key", entryOf(digestLine, scopesLine, "vpc: [a]"), `5: unknown key "vpc"; a token has name, sha256, certificate, scopes, vpcs, expires`},
		{"a merge", "tokens:\n  - &a {name: a, sha256: D1, scopes: [query]}\n  - {<<: *a, name: b, sha256: D2, scopes: [query]}\n", `3: unknown key "<<"; a token has`},
		{"a token", entryOf("token: "+NewToken(), scopesLine), `3: unknown key "token": the file has no tokens, but of each its SHA-256, under key "sha256"|2: needs one of the keys`},
		{"a key twice", entryOf(digestLine, scopesLine, "scopes: [query]"), `5: key "scopes" stands on line 4 already`},
		{"a key that is a list", entryOf(digestLine, scopesLine, "[a]: b"), `5: a key is a plain word`},
		{"both kinds", entryOf(digestLine, "certificate: c", scopesLine), `2: needs one of the keys "sha256", for a client that sends a token, and "certificate"`},
		{"an empty name", `tokens: [{name: "", sha256: D1, scopes: [query]}]`, "1: name: is empty; 1 to 64 visible ASCII characters are required"},
		{"a long name", "tokens: [{name: " + strings.Repeat("n", 65) + ", sha256: D1, scopes: [query]}]", "1: name: is 65 bytes long; 1 to 64 visible ASCII characters are required"},
		{"a name of two words", "tokens: [{name: a b, sha256: D1, scopes: [query]}]", "1: name: has a space, or a character that is not visible ASCII"},
		{"a name in other letters", "tokens: [{name: ägent, sha256: D1, scopes: [query]}]", "1: name: has a space, or a character that is not visible ASCII"},
		{"a name that is a list", "tokens: [{name: [a], sha256: D1, scopes: [query]}]", "1: name: needs one plain value"},
		{"a name that is null", "tokens: [{name: ~, sha256: D1, scopes: [query]}]", "1: name: needs one plain value"},
		{"a name of another type", "tokens: [{name: !!binary YWJj, sha256: D1, scopes: [query]}]", "1: name: needs one plain value"},
		{"a token for a name", "tokens: [{name: " + NewToken() + ", sha256: D1, scopes: [query]}]", "1: name: looks like a token or a digest, and names are shown; choose one that says whose it is"},
		{"a digest for a name", "tokens: [{name: D2, sha256: D1, scopes: [query]}]", "1: name: looks like a token or a digest"},
		{"a name twice", "tokens:\n- {name: a, sha256: D1, scopes: [query]}\n- {name: a, certificate: c, scopes: [query]}", "3: name: the same stands on line 2 already"},
		{"a token for its digest", entryOf("sha256: "+NewToken(), scopesLine), "3: sha256: the 49 bytes that stand here are not the 64 hexadecimal digits of a SHA-256"},
		{"a short digest", entryOf("sha256: "+digestOf("a")[:63], scopesLine), "3: sha256: the 63 bytes that stand here are not"},
		{"a longer digest", entryOf("sha256: "+digestOf("a")+"00", scopesLine), "3: sha256: the 66 bytes that stand here are not"},
		{"no hex", entryOf("sha256: "+digestOf("a")[:63]+"g", scopesLine), "3: sha256: the 64 bytes that stand here are not"},
		{"an empty digest", entryOf("sha256:", scopesLine), "3: sha256: needs one plain value"},
		{"a digest twice", "tokens:\n- {name: a, sha256: D1, scopes: [query]}\n- {name: b, sha256: D1, scopes: [query]}", "3: sha256: the same stands on line 2 already"},
		{"an empty common name", entryOf(`certificate: ""`, scopesLine), "3: certificate: is empty; give a common name, or a whole subject such as CN=agents-eu,O=Example"},
		{"no certificate", entryOf("certificate:", scopesLine), "3: certificate: needs one plain value"},
		{"a long common name", entryOf("certificate: "+strings.Repeat("c", 257), scopesLine), "3: certificate: is 257 bytes long; a common name may have 256"},
		{"a control character", entryOf(`certificate: "a\tb"`, scopesLine), "3: certificate: has a control character"},
		{"a bad subject", entryOf("certificate: /C=DE/CN=a", scopesLine), "3: certificate: is no subject such as CN=agents-eu,O=Example: openssl x509 -noout -subject -nameopt RFC2253 prints it as is needed here"},
		{"a common name twice", "tokens:\n- {name: a, certificate: c, scopes: [query]}\n- {name: b, certificate: c, scopes: [query]}", "3: certificate: the same stands on line 2 already"},
		{"a subject twice", "tokens:\n- {name: a, certificate: 'CN=c, O=d', scopes: [query]}\n- {name: b, certificate: 'cn=c,o=\\64', scopes: [query]}", "3: certificate: the same stands on line 2 already"},
		{"no scopes", entryOf(digestLine), `2: needs key "scopes"`},
		{"empty scopes", entryOf(digestLine, "scopes: []"), "4: scopes: is empty, so that nothing is allowed; " + noScopes},
		{"null scopes", entryOf(digestLine, "scopes:"), "4: scopes: is a list such as [ingest, query]"},
		{"one scope", entryOf(digestLine, "scopes: ingest"), "4: scopes: is a list such as [ingest, query]"},
		{"a tagged list", entryOf(digestLine, "scopes: !!set [ingest]"), "4: scopes: is a list such as [ingest, query]"},
		{"an alias", "tokens:\n- {name: a, sha256: D1, scopes: &s [query]}\n- {name: b, sha256: D2, scopes: *s}", "3: scopes: is a list such as [ingest, query]"},
		{"unknown scopes", entryOf(digestLine, "scopes:", "  - read", "  - Ingest", "  - [query]"), `5: scopes: "read" is no scope; ` + noScopes + `|6: scopes: "Ingest" is no scope; ` + noScopes + `|7: scopes: needs one plain value`},
		{"a scope twice", entryOf(digestLine, "scopes: [query, query]"), `4: scopes: "query" stands there twice`},
		{"no VPC", entryOf(digestLine, scopesLine, "vpcs: []"), `5: vpcs: is empty; leave it out for all VPCs, or give names such as vpc-a, or "vpc-eu-*" for those that begin so`},
		{"null VPCs", entryOf(digestLine, scopesLine, "vpcs: ~"), `5: vpcs: is a list such as [vpc-a, "vpc-eu-*"]`},
		{"wrong VPCs", entryOf(digestLine, scopesLine, "vpcs:", `  - ""`, `  - "a\u0085"`, "  - "+strings.Repeat("v", 257), "  - a*b", `  - "**"`, "  - b", "  - b", "  - ~"),
			`6: vpcs: "" is empty; 1 to 256 bytes are required|7: vpcs: "a\u0085" has the control character U+0085|8: vpcs: a text of 257 bytes is 257 bytes long; 1 to 256 bytes are required|` +
				`9: vpcs: "a*b" has a * that does not stand at its end, where alone it means any|10: vpcs: "**" has a * that does not|12: vpcs: "b" stands there twice|13: vpcs: needs one plain value`},
		{"all VPCs and one", entryOf(digestLine, scopesLine, `vpcs: ["*", a]`), `5: vpcs: "*" is all VPCs, so there must be no other beside it`},
		{"metrics of a VPC", entryOf(digestLine, "scopes: [ingest, metrics, admin]", "vpcs: [a]"), "5: vpcs: scope metrics,admin shows more than some VPCs; leave one of both out"},
		{"a day", entryOf(digestLine, scopesLine, "expires: 2027-01-01"), `5: expires: "2027-01-01" is not a time such as 2027-01-01T00:00:00Z or 2027-01-01T00:00:00+01:00`},
		{"a time without a zone", entryOf(digestLine, scopesLine, "expires: 2027-01-01T00:00:00"), `5: expires: "2027-01-01T00:00:00" is not a time`},
		{"no day of February", entryOf(digestLine, scopesLine, "expires: 2027-02-29T00:00:00Z"), `5: expires: "2027-02-29T00:00:00Z" is not a time`},
		{"a while", entryOf(digestLine, scopesLine, "expires: 90d"), `5: expires: "90d" is not a time`},
		{"no end", entryOf(digestLine, scopesLine, "expires:"), `5: expires: needs one plain value`},
		{"Go's zero time", entryOf(digestLine, scopesLine, "expires: 0001-01-01T00:00:00Z"), `5: expires: "0001-01-01T00:00:00Z" is before 1970`},
		{"all at once", "tokens:\n- {name: a b, sha256: x, scopes: [x], expires: x}\n- {scopes: []}\n",
			`2: name: has a space|2: scopes: "x" is no scope|2: expires: "x" is not a time|2: sha256: the 1 bytes|3: needs key "name"|3: needs one of the keys|3: scopes: is empty`},
	} {
		list, err := Parse("tokens.yaml", []byte(withDigests(test.text)))
		var bad *Error
		if !errors.As(err, &bad) || list != nil {
			t.Errorf("%s: %v, %v", test.name, list, err)
			continue
		}
		want := strings.Split(test.want, "|")
		for i, p := range bad.Problems {
			if i >= len(want) || !strings.HasPrefix(p.Place+": "+p.Text, "tokens.yaml:"+want[i]) {
				t.Errorf("%s: problem %d is\n%s: %s\nwant %q", test.name, i, p.Place, p.Text, want[min(i, len(want)-1)])
			}
		}
		if len(bad.Problems) < len(want) {
			t.Errorf("%s: there are %d problems, want %d", test.name, len(bad.Problems), len(want))
		}
		if leaked := leak(err.Error(), test.text); leaked != "" {
			t.Errorf("%s: shows %q:\n%v", test.name, leaked, err)
		}
	}
}

func TestLimitsOfAFile(t *testing.T) {
	for _, c := range []struct {
		name string
		text string
		want string // the last problem
	}{
		{"as many tokens as may be, all of them wrong", "tokens: [" + strings.Repeat("a,", MaxTokens) + "]", "tokens.yaml: and 99900 more problems"},
		{"one more", "tokens: [" + strings.Repeat("a,", MaxTokens+1) + "]", "tokens.yaml:1: tokens: there are 100001; there may be 100000"},
		{"as many bytes as may be", strings.Repeat("\x00", MaxFile), "tokens.yaml:1: is not YAML: control characters are not allowed"},
		{"one byte more", strings.Repeat("\x00", MaxFile+1), "tokens.yaml: is no tokens file: it is longer than 32 MiB"},
	} {
		_, err := Parse("tokens.yaml", []byte(c.text))
		var bad *Error
		if !errors.As(err, &bad) || len(bad.Problems) > maxProblems+1 {
			t.Fatalf("%s: %v", c.name, err)
		}
		if last := (&Error{bad.Problems[len(bad.Problems)-1:]}).Error(); last != c.want {
			t.Errorf("%s: %s, want %s", c.name, last, c.want)
		}
	}
}

var longWords = regexp.MustCompile(`[A-Za-z0-9_=+/.~-]{33,}`)

// leak returns a word of text that is in shown and could be a secret.
func leak(shown, text string) string {
	for _, word := range longWords.FindAllString(text, -1) {
		for i := range len(word) - longestShown {
			if part := word[i : i+longestShown+1]; strings.Contains(shown, part) {
				return part
			}
		}
	}
	return ""
}

// FuzzParse holds that whatever a file is, it is read into grants that keep every rule, or refused with
// problems that show no secret.
func FuzzParse(f *testing.F) {
	f.Add([]byte(withDigests(everyForm)))
	for _, text := range []string{"", "tokens: [&a [*a]]", "tokens:\n- name: a\n  sha256: " + NewToken(), "\xff", "tokens: *" + digestOf("a")} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := Parse("f", data)
		if err != nil {
			var bad *Error
			if !errors.As(err, &bad) || len(bad.Problems) == 0 || list != nil {
				t.Fatalf("%v, %v", list, err)
			}
			for _, p := range bad.Problems {
				if !strings.HasPrefix(p.Place, "f:") && p.Place != "f" || p.Text == "" {
					t.Errorf("place %q, text %q", p.Place, p.Text)
				}
			}
			if leaked := leak(err.Error(), string(data)); leaked != "" {
				t.Errorf("shows %q:\n%v", leaked, err)
			}
			return
		}
		if list.Len() == 0 {
			t.Fatal("a file without entries was accepted, which would let every client in")
		}
		names := map[string]bool{}
		var grants []*Grant
		for _, token := range list.tokens {
			grants = append(grants, token.grant)
		}
		for _, certificates := range []map[string]*Grant{list.names, list.subjects} {
			for key, grant := range certificates {
				if key == "" {
					t.Error("a certificate without a name")
				}
				grants = append(grants, grant)
			}
		}
		for _, grant := range grants {
			if names[grant.Name] || wrongName(grant.Name) != "" || grant.Scopes == 0 || grant.Scopes > allScopes ||
				!grant.VPCs.All() && grant.Scopes&(Metrics|Admin) != 0 || !grant.Expires.IsZero() && grant.Expires.Unix() < 0 {
				t.Errorf("%+v", grant)
			}
			names[grant.Name] = true
			if patterns := grant.VPCs.patterns(); len(patterns) > 0 {
				if again, err := ParseVPCs(patterns); err != nil || cmp.Diff(again, grant.VPCs) != "" {
					t.Errorf("%q: %+v, %v", patterns, again, err)
				}
			}
		}
	})
}

// TestExampleOfParse holds the example in the comment of Parse to Parse.
func TestExampleOfParse(t *testing.T) {
	source, err := os.ReadFile("file.go")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(source), "//	tokens:\n")
	text, _, _ = strings.Cut(text, "\n//\n")
	text = strings.ReplaceAll("//	tokens:\n"+text, "//	", "")
	text = strings.Replace(text, "64 hexadecimal digits, the SHA-256 of the token", digestOf("t"), 1)
	list, err := Parse("tokens.yaml", []byte(text))
	if err != nil || list.Len() != 2 {
		t.Errorf("there are %d, %v, in:\n%s", list.Len(), err, text)
	}
}
