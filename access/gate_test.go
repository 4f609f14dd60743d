package access

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var (
	noon  = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	local = netip.MustParseAddr("127.0.0.1")
)

// fataler is a test, of package testing or of rapid.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

// certified is a certificate as x509 has it once it was read, with a subject of these parts.
func certified(t fataler, parts pkix.RDNSequence) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{RawSubject: derOf(t, parts), NotAfter: noon.Add(24 * time.Hour)}
	c.Subject.FillFromRDNSequence(&parts)
	return c
}

// named is a certificate with that common name in DE.
func named(t testing.TB, name string) *x509.Certificate {
	return certified(t, pkix.Name{Country: []string{"DE"}, CommonName: name}.ToRDNSequence())
}

// outcome is the name of the grant, or the reason.
func outcome(grant *Grant, refusal *Refusal) string {
	if refusal != nil {
		return refusal.Reason.String()
	}
	return grant.Name
}

func TestCheck(t *testing.T) {
	g := NewGate(Options{})
	g.Replace(parsed(t, `tokens:
- {name: one, sha256: D1, scopes: [query], expires: 2026-06-01T12:00:01Z}
- {name: two, sha256: D2, scopes: [query]}
- {name: cn, certificate: collector, scopes: [query], expires: 2026-06-01T12:00:01Z}
- {name: subject, certificate: "CN=collector,C=DE", scopes: [query]}
- {name: other, certificate: "CN=collector,C=FR", scopes: [query]}
`))
	alone := certified(t, pkix.Name{CommonName: "collector"}.ToRDNSequence())
	for _, c := range []struct {
		header      string
		certificate *x509.Certificate
		after       time.Duration // noon
		want        string
	}{
		{"Bearer t1", nil, 0, "one"},
		{"Bearer t1", nil, time.Second - 1, "one"},
		{"Bearer t1", nil, time.Second, "expired-token"},
		{"Bearer t2", nil, 1e6 * time.Hour, "two"},
		{"Bearer t3", nil, 0, "unknown-token"},
		{"Bearer T1", nil, 0, "unknown-token"},
		{"", nil, 0, "no-token"},
		{"  ", nil, 0, "no-token"},
		{"t1", nil, 0, "malformed-authorization"},
		{"Basic dTE6", nil, 0, "malformed-authorization"},
		{"", alone, 0, "cn"},
		{"", alone, time.Second, "expired-token"},
		{"", named(t, "collector"), time.Second, "subject"},
		{"", named(t, "collector"), 24*time.Hour + 1, "expired-token"},
		{"", named(t, "Collector"), 0, "unknown-certificate"},
		{"", named(t, "CN=collector,C=DE"), 0, "unknown-certificate"},
		{"", named(t, "collector,C=DE"), 0, "unknown-certificate"},
		{"", &x509.Certificate{NotAfter: noon.Add(time.Hour)}, 0, "unknown-certificate"},
		{"Bearer t2", named(t, "collector"), 0, "two"},
		{"Bearer t3", named(t, "collector"), 0, "unknown-token"},
		{"Basic dTE6", named(t, "collector"), 0, "malformed-authorization"},
	} {
		credential := Credential{Addr: local, Authorization: []byte(c.header), Certificate: c.certificate, Now: noon.Add(c.after)}
		if got := outcome(freshGate(g).Check(credential)); got != c.want {
			t.Errorf("%q, %v, %v after noon: %s, want %s", c.header, c.certificate != nil, c.after, got, c.want)
		}
	}
}

// freshGate returns a gate with the list of g, at which no client has failed yet.
func freshGate(g *Gate) *Gate {
	fresh := NewGate(Options{})
	fresh.Replace(g.list.Load())
	return fresh
}

func TestOpenGate(t *testing.T) {
	g := NewGate(Options{})
	for _, list := range []*List{nil, {}} {
		g.Replace(list)
		grant, refusal := g.Check(Credential{Addr: local, Authorization: []byte("Basic dTE6")})
		if !g.Open() || refusal != nil || grant.Scopes != allScopes || !grant.VPCs.All() || grant.Name != "" {
			t.Errorf("open: %v, %+v, %v", g.Open(), grant, refusal)
		}
	}
	g.Replace(parsed(t, "tokens: [{name: a, sha256: D1, scopes: [query], expires: 2020-01-01T00:00:00Z}]"))
	// Without a time in the credential it is that of the call.
	if got := outcome(g.Check(Credential{Addr: local, Authorization: []byte("Bearer t1")})); g.Open() || got != "expired-token" {
		t.Errorf("open: %v, a token that ended is %s", g.Open(), got)
	}
}

// TestSlowed goes through what one address may do, and what others may meanwhile.
func TestSlowed(t *testing.T) {
	g := NewGate(Options{})
	g.Replace(parsed(t, "tokens: [{name: good, sha256: D1, scopes: [query]}]"))
	now := noon
	check := func(addr, header string, want Refusal) {
		t.Helper()
		credential := Credential{Addr: netip.MustParseAddr(addr), Authorization: []byte(header), Now: now}
		grant, refusal := g.Check(credential)
		if refusal == nil || grant != nil || *refusal != want {
			t.Errorf("%s, %v after noon: %v, %v, want %v", addr, now.Sub(noon), grant, refusal, want)
		}
	}
	for range 50 {
		check("10.0.0.1", "", Refusal{Reason: NoToken}) // no guess
	}
	unknown, slowed := Refusal{Reason: UnknownToken}, Refusal{Slowed, time.Second}
	for range 10 {
		check("10.0.0.1", "Bearer x", unknown)
	}
	check("10.0.0.1", "Bearer x", slowed)
	check("::ffff:10.0.0.1", "Basic x", slowed)
	now = noon.Add(250 * time.Millisecond)
	check("10.0.0.1", "Bearer x", Refusal{Slowed, 750 * time.Millisecond})
	check("10.0.0.1", "", Refusal{Reason: NoToken})
	check("10.0.0.2", "Bearer x", unknown)
	credential := Credential{Addr: netip.MustParseAddr("10.0.0.1"), Authorization: []byte("Bearer t1"), Now: now}
	if got := outcome(g.Check(credential)); got != "good" {
		t.Errorf("a good token beside bad ones is %s", got)
	}
	now = noon.Add(time.Second)
	check("10.0.0.1", "Bearer x", unknown)
	check("10.0.0.1", "Bearer x", slowed)

	// A /64 is one client, and an address without a network is one.
	for i := range 10 {
		check(fmt.Sprintf("2001:db8:0:1::%x", i), "Bearer x", unknown)
	}
	check("2001:db8:0:1:ffff::1", "Bearer x", slowed)
	check("2001:db8:0:2::1", "Bearer x", unknown)
	for range 10 {
		check("fe80::1%eth0", "Bearer x", unknown)
	}
	check("fe80::1%eth1", "Bearer x", slowed)

	want := map[Reason]uint64{NoToken: 51, UnknownToken: 10 + 1 + 1 + 10 + 1 + 10, Slowed: 6}
	for reason := range reasons {
		if got := g.Failures(reason); got != want[reason] {
			t.Errorf("%v: counted %d, want %d", reason, got, want[reason])
		}
	}
}

// TestSlowedForgets holds that memory is bounded: of more addresses than are remembered those are forgotten
// that failed before all others.
func TestSlowedForgets(t *testing.T) {
	f := newFailures(3)
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}) }
	for i := range 3 {
		for range failuresAtOnce {
			f.wait(addr(i), noon)
		}
	}
	if f.wait(addr(0), noon) == 0 {
		t.Error("the first is not slowed")
	}
	f.wait(addr(3), noon) // the second one goes
	for i, slowed := range []bool{true, false} {
		if got := f.wait(addr(i), noon) > 0; got != slowed {
			t.Errorf("address %d is slowed: %v, want %v", i, got, slowed)
		}
	}
	if n := f.buckets.Len(); n != 3 {
		t.Errorf("%d are remembered, want 3", n)
	}
	if n := newFailures(0); n.wait(netip.Addr{}, noon) != 0 {
		t.Error("a client without an address is slowed at once")
	}
}

// TestFailuresHoldTheirRate lets credentials fail at any times: no more are looked at than ten and one per second,
// and whoever waits as long as was said is looked at.
func TestFailuresHoldTheirRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, now, looked := newFailures(1), noon, 0
		for _, pause := range rapid.SliceOfN(rapid.Int64Range(0, int64(3*time.Second)), 1, 60).Draw(t, "pauses") {
			now = now.Add(time.Duration(pause) / time.Duration(rapid.SampledFrom([]int{1, 10, 1000}).Draw(t, "divided by")))
			wait := f.wait(local, now)
			if wait == 0 {
				looked++
			} else if wait > time.Second {
				t.Fatalf("wait %v", wait)
			} else if rapid.Bool().Draw(t, "waits") {
				now = now.Add(wait + time.Microsecond) // floats are not exact to the nanosecond
				if again := f.wait(local, now); again > 0 {
					t.Fatalf("after %v: wait %v", wait, again)
				}
				looked++
			}
			if most := failuresAtOnce + now.Sub(noon).Seconds(); float64(looked) > most+1e-3 {
				t.Fatalf("%d were looked at, of at most %f", looked, most)
			}
		}
	})
}

// modelEntry is an entry of a tokens file.
type modelEntry struct {
	token, commonName, subject string // one of them
	grant                      Grant
}

// TestCheckAgainstModel draws lists and credentials, and holds Check to a search from front to back.
func TestCheckAgainstModel(t *testing.T) {
	names := []string{"a", "b", "c.example", "支払い", "a=b"}
	end := rapid.SampledFrom([]time.Time{{}, noon.Add(-time.Hour), noon, noon.Add(time.Second)})
	rapid.Check(t, func(t *rapid.T) {
		var entries []modelEntry
		var file strings.Builder
		file.WriteString("tokens:\n")
		seen := map[string]bool{}
		for i := range rapid.IntRange(1, 12).Draw(t, "entries") {
			e := modelEntry{grant: Grant{
				Name: fmt.Sprintf("grant-%d", i), Expires: end.Draw(t, "end"),
				Scopes: Scopes(rapid.IntRange(1, 3).Draw(t, "scopes")),
			}}
			patterns := rapid.SliceOfNDistinct(rapid.StringMatching(`[ab]{1,2}\*?`), 0, 3, rapid.ID).Draw(t, "vpcs")
			name := rapid.SampledFrom(names).Draw(t, "name")
			key := ""
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				e.token = rapid.SampledFrom([]string{"t1", "t2", "t3", "t4"}).Draw(t, "token")
				key = fmt.Sprintf("sha256: %q", digestOf(e.token))
			case 1:
				e.commonName = strings.ReplaceAll(name, "=", "-")
				key = fmt.Sprintf("certificate: %q", e.commonName)
			default:
				e.subject = name
				key = fmt.Sprintf("certificate: %q", "cn = "+strings.ReplaceAll(name, "=", `\=`)+", C=DE")
			}
			if seen[key] {
				continue
			}
			seen[key] = true
			fmt.Fprintf(&file, "- name: %s\n  %s\n  scopes: [%v]\n", e.grant.Name, key, e.grant.Scopes)
			if len(patterns) > 0 {
				e.grant.VPCs = must(ParseVPCs(patterns))
				fmt.Fprintf(&file, "  vpcs: [%s]\n", `"`+strings.Join(patterns, `", "`)+`"`)
			}
			if !e.grant.Expires.IsZero() {
				fmt.Fprintf(&file, "  expires: %s\n", e.grant.Expires.Format(time.RFC3339))
			}
			entries = append(entries, e)
		}
		list, err := Parse("tokens.yaml", []byte(file.String()))
		if err != nil {
			t.Fatalf("%v\n%s", err, &file)
		}
		g := NewGate(Options{})
		g.Replace(list)
		for i := range 30 {
			credential := Credential{Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), Now: noon}
			token := rapid.SampledFrom([]string{"", "", "t1", "t2", "t3", "t4", "t5"}).Draw(t, "presented token")
			if token != "" {
				credential.Authorization = []byte("Bearer " + token)
			}
			name := rapid.SampledFrom(append(names, "", "a-b")).Draw(t, "presented name")
			country := rapid.SampledFrom([]string{"DE", "FR"}).Draw(t, "country")
			if name != "" {
				credential.Certificate = certified(t, pkix.Name{Country: []string{country}, CommonName: name}.ToRDNSequence())
			}
			wantRight, want := modelCheck(entries, token, name, country)
			grant, refusal := g.Check(credential)
			if got := outcome(grant, refusal); got != want {
				t.Fatalf("token %q, name %q in %s: %s, want %s, of\n%s", token, name, country, got, want, &file)
			}
			if grant != nil {
				if diff := cmp.Diff(wantRight, grant); diff != "" {
					t.Fatalf("(-want +got):\n%s", diff)
				}
			}
		}
	})
}

// modelCheck returns the grant of a credential at noon, and its outcome.
func modelCheck(entries []modelEntry, token, name, country string) (*Grant, string) {
	var found *Grant
	for i := range entries {
		e := &entries[i]
		switch {
		case token != "" && e.token == token,
			token == "" && e.subject != "" && e.subject == name && country == "DE",
			token == "" && e.commonName != "" && e.commonName == name && found == nil:
			found = &e.grant
		}
	}
	switch {
	case found != nil && (found.Expires.IsZero() || noon.Before(found.Expires)):
		return found, found.Name
	case found != nil:
		return nil, "expired-token"
	case token != "":
		return nil, "unknown-token"
	case name != "":
		return nil, "unknown-certificate"
	}
	return nil, "no-token"
}

// TestReplaceBesideChecks holds that a check sees one list or the other, whole.
func TestReplaceBesideChecks(t *testing.T) {
	lists := []*List{
		parsed(t, "tokens: [{name: a, sha256: D1, scopes: [query]}, {name: b, sha256: D2, scopes: [ingest]}]"),
		parsed(t, "tokens: [{name: b, sha256: D1, scopes: [ingest]}, {name: a, sha256: D2, scopes: [query]}]"),
	}
	g := NewGate(Options{})
	g.Replace(lists[0])
	done := make(chan struct{})
	var checks sync.WaitGroup
	for i := range 4 {
		checks.Go(func() {
			header := []byte(fmt.Sprintf("Bearer t%d", i%2+1))
			for n := 0; ; n++ {
				grant, refusal := g.Check(Credential{Addr: local, Authorization: header, Now: noon})
				if refusal != nil || (grant.Name == "a") != (grant.Scopes == Query) {
					t.Errorf("%v, %v", grant, refusal)
					return
				}
				g.Check(Credential{Addr: local, Authorization: header[:len(header)-1], Now: noon})
				if n < failuresAtOnce {
					continue
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range 10_000 {
		g.Replace(lists[i%2])
	}
	close(done)
	checks.Wait()
	if g.Failures(UnknownToken) != failuresAtOnce {
		t.Errorf("%d were looked at, want %d", g.Failures(UnknownToken), failuresAtOnce)
	}
}

// TestSameBeginning holds that digests that begin with the same eight bytes are told apart.
func TestSameBeginning(t *testing.T) {
	one, other := digestOf("t1"), digestOf("t1")[:63]+"0"
	if one == other {
		other = other[:63] + "1"
	}
	text := "tokens:\n"
	for i, digest := range []string{other, one, digestOf("t2")} {
		text += fmt.Sprintf("- {name: r%d, sha256: %q, scopes: [query]}\n", i, digest)
	}
	list := parsed(t, text)
	for token, want := range map[string]string{"t1": "r1", "t2": "r2"} {
		if grant := list.ofToken([]byte(token)); grant == nil || grant.Name != want {
			t.Errorf("%s is %v, want %s", token, grant, want)
		}
	}
}
