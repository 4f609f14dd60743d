package access

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// allows is the rule of patterns, word by word.
func allows(patterns []string, vpc string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		prefix, any := strings.CutSuffix(pattern, "*")
		return pattern == vpc || any && strings.HasPrefix(vpc, prefix)
	})
}

// TestVPCs holds sets to their patterns, of which many are the beginnings of others.
func TestVPCs(t *testing.T) {
	name := rapid.StringMatching(`[ab-]{1,5}|é[ab]?`)
	pattern := rapid.OneOf(name, name, rapid.Map(name, func(name string) string { return name + "*" }))
	rapid.Check(t, func(t *rapid.T) {
		patterns := rapid.SliceOfNDistinct(pattern, 1, 20, rapid.ID).Draw(t, "patterns")
		v, err := ParseVPCs(patterns)
		if err != nil {
			t.Fatal(err)
		}
		for _, vpc := range rapid.SliceOfN(rapid.OneOf(name, rapid.Just(""), rapid.Just("*")), 1, 50).Draw(t, "vpcs") {
			if got, want := v.Allow([]byte(vpc)), allows(patterns, vpc); got != want {
				t.Errorf("%q of %q (%+v): %v, want %v", vpc, patterns, v, got, want)
			}
		}
		again, err := ParseVPCs(v.patterns())
		if diff := cmp.Diff(v, again); diff != "" || err != nil {
			t.Errorf("written and read again: %v\n%s", err, diff)
		}
	})
}

func TestAllVPCs(t *testing.T) {
	for _, v := range []VPCs{{}, must(ParseVPCs([]string{"*"}))} {
		if !v.All() || !v.Allow([]byte("vpc-a")) || !v.Allow(nil) {
			t.Errorf("%+v is not all", v)
		}
	}
	some := must(ParseVPCs([]string{"a*", "a"}))
	if diff := cmp.Diff(VPCs{Prefixes: []string{"a"}}, some); diff != "" || some.All() {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWrongVPCs(t *testing.T) {
	for pattern, want := range map[string]string{
		"\xff*": `"\xff*" is not valid UTF-8`,
		"":      `"" is empty; 1 to 256 bytes are required`,
		"a**":   `"a**" has a * that does not stand at its end, where alone it means any`,
	} {
		if v, err := ParseVPCs([]string{"a", pattern}); err == nil || err.Error() != want || !v.All() {
			t.Errorf("%q: %+v, %v, want %s", pattern, v, err, want)
		}
	}
	if _, err := ParseVPCs(nil); err != errNoVPC {
		t.Errorf("no VPC: %v", err)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func TestScopes(t *testing.T) {
	for text, want := range map[string]Scopes{"ingest": Ingest, "query": Query, "metrics,admin": Metrics | Admin, "ingest,query,metrics,admin": allScopes} {
		got, err := ParseScopes(strings.Split(text, ","))
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s: %v, %v", text, got, err)
		}
		for _, one := range []Scopes{Ingest, Query, Metrics, Admin} {
			if got.Has(one) != strings.Contains(text, one.String()) {
				t.Errorf("%s has %v: %v", text, one, got.Has(one))
			}
		}
	}
	if text := Scopes(0).String(); text != "none" {
		t.Errorf("no scope is %q", text)
	}
	if _, err := ParseScopes(nil); err != errNoScope {
		t.Errorf("no scope: %v", err)
	}
}
