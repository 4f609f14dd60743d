package access

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// manyTokens is a file with n tokens.
func manyTokens(n int) []byte {
	var b strings.Builder
	b.WriteString("tokens:\n")
	for i := range n {
		fmt.Fprintf(&b, "- {name: agent-%06d, sha256: %064x, scopes: [ingest]}\n", i, i)
	}
	return []byte(b.String())
}

// checks are credentials at a gate of so many tokens and two certificates.
func checks(t testing.TB, tokens int) (*Gate, map[string]Credential) {
	text := string(manyTokens(tokens-1)) + withDigests(`- {name: t, sha256: "D1", scopes: [ingest]}
- {name: cn, certificate: collector, scopes: [ingest]}
- {name: subject, certificate: "CN=agent,C=DE", scopes: [ingest]}
`)
	g := NewGate(Options{})
	g.Replace(parsed(t, text))
	credential := Credential{Addr: netip.MustParseAddr("2001:db8::1"), Now: noon}
	token, name, subject := credential, credential, credential
	token.Authorization = []byte("Bearer t1")
	name.Certificate, subject.Certificate = named(t, "collector"), named(t, "agent")
	return g, map[string]Credential{"token": token, "common name": name, "subject": subject}
}

func TestCheckMakesNoGarbage(t *testing.T) {
	g, credentials := checks(t, 10)
	for name, credential := range credentials {
		allocs := testing.AllocsPerRun(100, func() {
			if _, refusal := g.Check(credential); refusal != nil {
				t.Fatal(refusal)
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
	v := must(ParseVPCs([]string{"a", "b*"}))
	vpc := []byte("bcd")
	if allocs := testing.AllocsPerRun(100, func() { v.Allow(vpc) }); allocs != 0 {
		t.Errorf("Allow: %v allocations", allocs)
	}
}

func BenchmarkCheck(b *testing.B) {
	g, credentials := checks(b, MaxTokens-2)
	for _, name := range []string{"token", "common name", "subject"} {
		credential := credentials[name]
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, refusal := g.Check(credential); refusal != nil {
					b.Fatal(refusal)
				}
			}
		})
	}
	credential := credentials["token"]
	credential.Authorization = []byte("Bearer " + NewToken())
	b.Run("unknown token", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			g.Check(credential)
		}
	})
}

func BenchmarkAllow(b *testing.B) {
	for _, n := range []int{1, 10, 1000} {
		var patterns []string
		for i := range n {
			patterns = append(patterns, fmt.Sprintf("vpc-%06d", i), fmt.Sprintf("vpc-eu-%06d-*", i))
		}
		v := must(ParseVPCs(patterns))
		vpc := []byte("vpc-eu-000000-a")
		b.Run(fmt.Sprint(2*n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !v.Allow(vpc) {
					b.Fatal("refused")
				}
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	data := manyTokens(10_000)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("tokens.yaml", data); err != nil {
			b.Fatal(err)
		}
	}
}
