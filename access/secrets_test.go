package access

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
)

// spellings are the forms in which Go's packages print bytes.
func spellings(secret []byte) []string {
	list := func(format, between string) string {
		var all []string
		for _, b := range secret {
			all = append(all, fmt.Sprintf(format, b))
		}
		return strings.Join(all, between)
	}
	return []string{
		string(secret), fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), strings.Trim(fmt.Sprintf("%q", secret), `"`),
		list("%d", " "), list("0x%x", ", "), list("%d", ","), base64.StdEncoding.EncodeToString(secret),
	}
}

// printed is value in every form in which it may come to a log, an answer or a metric.
func printed(value any) string {
	var text bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
		fmt.Fprintf(&text, verb+"\n", value)
	}
	slog.New(slog.NewTextHandler(&text, nil)).Info("text", "value", value)
	slog.New(slog.NewJSONHandler(&text, nil)).Info("JSON", "value", value)
	data, _ := json.Marshal(value) // not all have a form in JSON
	text.Write(data)
	return text.String()
}

// TestNothingSecretIsShown prints all that the package returns, with a token, its digest or its header
// wherever one can be.
func TestNothingSecretIsShown(t *testing.T) {
	token := NewToken()
	digest := sha256.Sum256([]byte(token))
	header := "Bearer " + token
	var secrets []string
	for _, secret := range [][]byte{[]byte(token), []byte(token[len("flowd_"):]), digest[:], []byte(header), digest[:8]} {
		secrets = append(secrets, spellings(secret)...)
	}
	seen := 0
	hold := func(name string, value any) {
		t.Helper()
		seen++
		text := printed(value)
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows %q:\n%s", name, secret, text)
			}
		}
	}

	grant := &Grant{Name: "a", Scopes: Query}
	entry := must(Entry(token, grant, ""))
	list := must(Parse("tokens.yaml", append([]byte("tokens:\n"), entry...)))
	hold("a list", list)
	hold("a list by value", *list)
	g := NewGate(Options{})
	g.Replace(list)
	credentials := map[string]Credential{"good": {Authorization: []byte(header)}}
	for name, header := range map[string]string{"twice": header + ", " + header, "Basic": "Basic " + token, "bare": token, "longer": header + "x"} {
		credentials[name] = Credential{Authorization: []byte(header)}
	}
	for name, credential := range credentials {
		credential.Addr = netip.AddrFrom4([4]byte{10, 0, 0, byte(seen)})
		hold(name+" credential", credential)
		hold(name+" credential by pointer", &credential)
		for range failuresAtOnce + 1 {
			got, refusal := g.Check(credential)
			if (name == "good") != (refusal == nil) {
				t.Errorf("%s credential: %v", name, refusal)
			}
			hold(name+" grant", got)
			hold(name+" refusal", refusal)
		}
	}
	hold("a gate", g)
	hold("both in a struct", struct {
		Gate       *Gate
		List       *List
		Credential Credential
	}{g, list, credentials["good"]})

	for _, secret := range []string{token, fmt.Sprintf("%x", digest), fmt.Sprintf("%X", digest), header} {
		for _, text := range []string{
			"%s", "%s: x", "tokens: %s", "tokens: [%s]", "tokens: {%s: x}", "tokens: *%s", "tokens: &%s", "tokens: !%s [a]", "%%%s x\n---\na", "--- %s\n--- a", "tokens: [\"%s", "tokens: ['%s", "tokens:\n- |%s\n  a",
			"tokens:\n- {%s}", "tokens:\n- {%s: a}", "tokens:\n- {name: %s}", "tokens:\n- {sha256: %[1]s, sha256: %[1]s}", "tokens:\n- {sha256: x%s}", "tokens:\n- {certificate: %[1]s=%[1]s}",
			"tokens:\n- {certificate: 'CN=%s+'}", "tokens:\n- {scopes: %s}", "tokens:\n- {scopes: [%[1]s, %[1]s]}", "tokens:\n- {vpcs: %s}", "tokens:\n- {vpcs: [%[1]s, %[1]s, '%[1]s*%[1]s']}", "tokens:\n- {expires: %s}",
			"tokens:\n- &%s {name: a}", "tokens:\n- {name: *%s}", "tokens:\n- {name: !!%s a}", "tokens:\n- {token: %[1]s, %[1]s: a}",
			"tokens:\n- {name: a, sha256: %[1]s, scopes: [query]}\n- {name: b, sha256: %[1]s, scopes: [query]}", "tokens:\n- {name: a, certificate: %[1]s, scopes: [query]}\n- {name: b, certificate: %[1]s, scopes: [query]}",
		} {
			data := []byte(fmt.Sprintf(text, secret))
			read, err := Parse("tokens.yaml", data)
			if err == nil {
				t.Errorf("was taken:\n%s", data)
			}
			hold("a list that is none", read)
			hold("an error of Parse", err)
			_, err = Append("tokens.yaml", data, token, grant)
			hold("an error of Append", err)
		}
		_, err := ParseScopes([]string{secret})
		hold("an error of ParseScopes", err)
		_, err = ParseVPCs([]string{secret, secret})
		hold("an error of ParseVPCs", err)
		_, err = Entry(token, &Grant{Name: secret, Scopes: Query}, "")
		if err == nil {
			t.Errorf("%q may be a name", secret)
		}
		hold("an error of Entry", err)
	}
	for reason := range reasons {
		hold("a reason", reason)
	}
	hold("no reason", NewGate(Options{}))
	if seen < 400 {
		t.Errorf("%d values were looked at", seen)
	}
}

// TestClaimsAreDescribed holds what takes the place of a header, so that it is of use.
func TestClaimsAreDescribed(t *testing.T) {
	credential := Credential{Addr: local, Authorization: []byte("Bearer x")}
	if got, want := fmt.Sprintf("%+v", credential), "127.0.0.1 with a header, without a certificate"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	list := parsed(t, everyForm)
	if got, want := fmt.Sprint(list), "2 tokens, 2 certificates"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
