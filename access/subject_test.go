package access

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// derOf is a subject of these parts in DER.
func derOf(t fataler, parts pkix.RDNSequence) []byte {
	t.Helper()
	der, err := asn1.Marshal(parts)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// keyOf is by what a certificate of these parts is looked up.
func keyOf(t fataler, parts pkix.RDNSequence) (string, bool) {
	t.Helper()
	key, ok := appendSubject(nil, derOf(t, parts))
	return string(key), ok
}

// part is a part of a subject.
func part(oid asn1.ObjectIdentifier, value any) pkix.RelativeDistinguishedNameSET {
	return pkix.RelativeDistinguishedNameSET{{Type: oid, Value: value}}
}

var (
	oidCN = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidO  = asn1.ObjectIdentifier{2, 5, 4, 10}
	oidDC = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}
	oidX  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}
)

func TestSubjects(t *testing.T) {
	for _, c := range []struct {
		text  string
		parts pkix.RDNSequence
	}{
		{"CN=a", pkix.RDNSequence{part(oidCN, "a")}},
		{"cn = a", pkix.RDNSequence{part(oidCN, "a")}},
		{"2.5.4.3=a", pkix.RDNSequence{part(oidCN, "a")}},
		{"CN=a,O=Example", pkix.RDNSequence{part(oidO, "Example"), part(oidCN, "a")}},
		{" CN = a b , O = Example ", pkix.RDNSequence{part(oidO, "Example"), part(oidCN, "a b")}},
		{`CN=\ a\20,O=Example\, Inc.`, pkix.RDNSequence{part(oidO, "Example, Inc."), part(oidCN, " a ")}},
		{`CN=\#a\=b=c\"\<\>\;\+\\`, pkix.RDNSequence{part(oidCN, `#a=b=c"<>;+\`)}},
		{`CN=支払\E3\81\84`, pkix.RDNSequence{part(oidCN, "支払い")}},
		{"CN=a,DC=example,DC=net", pkix.RDNSequence{part(oidDC, "net"), part(oidDC, "example"), part(oidCN, "a")}},
		{"1.3.6.1.4.1.99999.1=x,CN=#130161", pkix.RDNSequence{part(oidCN, "a"), part(oidX, "x")}},
		{"UID=1,emailAddress=a@b,STREET=s,PostalCode=p,serialNumber=n", pkix.RDNSequence{
			part(asn1.ObjectIdentifier{2, 5, 4, 5}, "n"), part(asn1.ObjectIdentifier{2, 5, 4, 17}, "p"), part(asn1.ObjectIdentifier{2, 5, 4, 9}, "s"),
			part(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, "a@b"), part(asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}, "1"),
		}},
	} {
		want, ok := keyOf(t, c.parts)
		got, err := parseSubject(c.text)
		if got != want || !ok || err != nil {
			t.Errorf("%s: %q, %v, want %q, %v", c.text, got, err, want, ok)
		}
	}
}

func TestWrongSubjects(t *testing.T) {
	for text, want := range map[string]string{
		"=":                               "is no subject",
		"a=b":                             "is no subject",
		"CN=a,":                           "is no subject",
		"CN=a,,O=b":                       "is no subject",
		"CN=a,O":                          "is no subject",
		"/CN=a":                           "is no subject",
		"1.=a":                            "is no subject",
		"9.9=a":                           "is no subject",
		"1=a":                             "is no subject",
		"-1.2=a":                          "is no subject",
		strings.Repeat("1.", 300) + "1=a": "is no subject",
		"CN=":                             "has a part without a value",
		"CN= ,O=b":                        "has a part without a value",
		"CN=a+O=b":                        "has a part of several values, with a +; name the certificate by its common name",
		`CN="a"`:                          `has "\"" without a \ before it`,
		"CN=a;O=b":                        `has ";" without a \ before it`,
		`CN=a\`:                           `has a \ that is followed neither by`,
		`CN=a\b`:                          `has a \ that is followed neither by`,
		`CN=a\gh`:                         `has a \ that is followed neither by`,
		`CN=\FF`:                          "has a value that is not UTF-8",
		"CN=#13":                          "has a value after # that is not the hexadecimal DER of a text",
		"CN=#1302":                        "has a value after # that is not",
		"CN=#13016100":                    "has a value after # that is not",
		"CN=#020101":                      "has a value after # that is not",
		"CN=#":                            "has a value after # that is not",
		"CN=#zz":                          "has a value after # that is not",
		"CN=" + strings.Repeat("a", 257):  "has a value of 257 bytes; there may be 256",
		"CN=#0c82010161" + strings.Repeat("61", 256): "has a value of 257 bytes; there may be 256",
	} {
		got, err := parseSubject(text)
		if got != "" || err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %q, %v, want %s", text, got, err, want)
		}
	}
}

// TestSubjectsThatNothingNames has those that no tokens file can mean, so that they are not taken for others.
func TestSubjectsThatNothingNames(t *testing.T) {
	two := append(part(oidCN, "a"), part(oidO, "b")...)
	for name, parts := range map[string]pkix.RDNSequence{
		"several values in a part": {two},
		"a number":                 {part(oidCN, 7)},
		"a long value":             {part(oidCN, strings.Repeat("a", 257))},
		"BMPString":                {part(oidCN, asn1.RawValue{Tag: asn1.TagBMPString, Bytes: []byte("\x00a")})},
	} {
		if key, ok := keyOf(t, parts); ok {
			t.Errorf("%s: %q", name, key)
		}
	}
	whole := derOf(t, pkix.RDNSequence{part(oidO, "Example"), part(oidCN, strings.Repeat("a", 200))})
	for n := range whole {
		if key, ok := appendSubject(nil, whole[:n]); ok {
			t.Errorf("the first %d of %d bytes: %q", n, len(whole), key)
		}
	}
	for name, der := range map[string]string{
		"a byte more":         string(whole) + "\x00",
		"no set":              "\x30\x02\x30\x00",
		"an empty set":        "\x30\x02\x31\x00",
		"a type that is none": "\x30\x0a\x31\x08\x30\x06\x04\x01a\x13\x01a",
	} {
		if key, ok := appendSubject(nil, []byte(der)); ok {
			t.Errorf("%s: %q", name, key)
		}
	}
}

// rfc2253 writes a subject as the RFC has it.
func rfc2253(parts pkix.RDNSequence) string {
	var text []string
	for _, p := range parts {
		value := ""
		for i, c := range []byte(p[0].Value.(string)) {
			switch {
			case strings.IndexByte(`,+"\<>;=`, c) >= 0, c == '#' && i == 0:
				value += `\` + string(rune(c))
			case c == ' ' || c >= 0x80 || c < ' ':
				value += `\` + hex.EncodeToString([]byte{c})
			default:
				value += string(rune(c))
			}
		}
		text = append([]string{p[0].Type.String() + "=" + value}, text...)
	}
	return strings.Join(text, ",")
}

// TestSubjectsAreToldApart holds that texts name the certificate of that subject, and no other.
func TestSubjectsAreToldApart(t *testing.T) {
	subject := rapid.Custom(func(t *rapid.T) pkix.RDNSequence {
		value := rapid.StringOfN(rapid.RuneFrom([]rune(` ,+"\<>;=#aCNO`+"\x00\x01é支")), 1, 6, -1)
		var parts pkix.RDNSequence
		for range rapid.IntRange(1, 4).Draw(t, "parts") {
			oid := rapid.SampledFrom([]asn1.ObjectIdentifier{oidCN, oidO, oidDC, oidX}).Draw(t, "type")
			parts = append(parts, part(oid, value.Draw(t, "value")))
		}
		return parts
	})
	rapid.Check(t, func(t *rapid.T) {
		one, other := subject.Draw(t, "one"), subject.Draw(t, "other")
		key, ok := keyOf(t, one)
		got, err := parseSubject(rfc2253(one))
		if got != key || !ok || err != nil {
			t.Fatalf("%s: %q, %v, want %q", rfc2253(one), got, err, key)
		}
		if otherKey, _ := keyOf(t, other); (otherKey == key) != (fmt.Sprint(one) == fmt.Sprint(other)) {
			t.Fatalf("%v and %v are %q and %q", one, other, key, otherKey)
		}
	})
}

// TestCertificate has a certificate that was really made and read.
func TestCertificate(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: noon.Add(time.Hour),
		Subject: pkix.Name{
			CommonName: "支払い agent", Organization: []string{"Example, Inc."}, Country: []string{"DE"},
			Locality: []string{strings.Repeat("long ", 40)},
		},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	g := NewGate(Options{})
	for name, want := range map[string]string{
		"支払い agent": "a",
		certificate.Subject.ToRDNSequence().String(): "a",
		"CN=支払い agent":                               "unknown-certificate",
	} {
		g.Replace(parsed(t, fmt.Sprintf("tokens: [{name: a, certificate: %q, scopes: [query]}]", name)))
		if got := outcome(g.Check(Credential{Addr: local, Certificate: certificate, Now: noon})); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func FuzzSubject(f *testing.F) {
	for _, text := range []string{"CN=a,O=b", `CN=\ a\2C`, "2.5.4.3=#130161", "1.3.6.1.4.1.99999.1=x"} {
		key, _ := parseSubject(text)
		f.Add([]byte(key), text)
	}
	f.Add(derOf(f, pkix.RDNSequence{part(oidO, "Example"), part(oidCN, "a")}), "")
	f.Fuzz(func(t *testing.T, der []byte, text string) {
		if key, ok := appendSubject(nil, der); ok {
			var parts pkix.RDNSequence
			if rest, err := asn1.Unmarshal(der, &parts); err == nil && len(rest) == 0 && len(key) > 0 {
				if got := partsOf(t, string(key)); len(got) != len(parts) {
					t.Errorf("%x has %d parts, and package asn1 finds %v", der, len(got), parts)
				}
			}
		}
		if key, err := parseSubject(text); err == nil && len(partsOf(t, key)) == 0 {
			t.Errorf("%q names no part", text)
		}
	})
}

// partsOf takes a key apart.
func partsOf(t *testing.T, key string) (values []string) {
	t.Helper()
	for len(key) > 0 {
		kind := int(key[0])
		if len(key) < 1+kind+2 {
			t.Fatalf("%q ends within a part", key)
		}
		key = key[1+kind:]
		n := int(key[0])<<8 | int(key[1])
		if len(key) < 2+n {
			t.Fatalf("%q ends within a value", key)
		}
		values, key = append(values, key[2:2+n]), key[2+n:]
	}
	return values
}
