package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// newPair makes a certificate and its key.
func newPair(t testing.TB) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: certificateType, Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestFiles(t *testing.T) {
	certificate, key := newPair(t)
	other, otherKey := newPair(t)
	torn := bytes.Replace(certificate, []byte("\nM"), []byte("\nN"), 1) // its first byte
	const none, malformed = "f has no certificate in PEM form", " in f cannot be read: malformed certificate"
	for _, test := range []struct {
		name                     string
		text                     []byte
		chain, authorities, pair string // what is wrong; "" is nothing
	}{
		{"one certificate", certificate, "", "", ""},
		{"a chain with text between", join([]byte("site\n"), certificate, []byte("next\n"), other), "", "", ""},
		{"with its key", join(certificate, key), "", "block 2 of f is a PRIVATE KEY, and must be a CERTIFICATE", ""},
		{"a key alone", key, none, "block 1 of f is a PRIVATE KEY, and must be a CERTIFICATE", none},
		{"another first", join(other, certificate), "", "", "k is not the key of the first certificate in f: private key does not match public key"},
		{"nothing", nil, none, none, none},
		{"text", []byte("hello"), none, none, none},
		{"a torn certificate", torn, "certificate 1" + malformed, "certificate 1" + malformed, "certificate 1" + malformed},
		{"a torn one behind", join(certificate, torn), "certificate 2" + malformed, "certificate 2" + malformed, "certificate 2" + malformed},
		{"a broken tail", join(certificate, other[:len(other)/2]), "what follows block 1 of f is not in PEM form",
			"what follows block 1 of f is not in PEM form", "what follows block 1 of f is not in PEM form"},
	} {
		f := File{"f", test.text}
		_, chain := f.Chain()
		_, authorities := f.Authorities()
		_, pair := Pair(f, File{"k", key})
		if message(chain) != test.chain || message(authorities) != test.authorities || message(pair) != test.pair {
			t.Errorf("%s: got %q, %q and %q", test.name, message(chain), message(authorities), message(pair))
		}
	}
	if _, err := Pair(File{"f", certificate}, File{"k", otherKey}); err == nil {
		t.Error("a certificate was taken with another's key")
	}
}

func TestRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.pem")
	for _, test := range []struct {
		size int
		want string
	}{
		{MaxFile, ""}, {MaxFile + 1, name + " has more than 1 MiB, so it is not a file of certificates"},
	} {
		if err := os.WriteFile(name, make([]byte, test.size), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := Read(name)
		if message(err) != test.want || err == nil && (f.Name != name || len(f.Text) != test.size) {
			t.Errorf("%d bytes: got %d and %v", test.size, len(f.Text), err)
		}
	}
	for _, bad := range []string{name + ".absent", filepath.Dir(name)} {
		if _, err := Read(bad); err == nil || !strings.HasPrefix(err.Error(), bad+" cannot be read: ") || strings.Count(err.Error(), bad) != 1 {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// What is accepted as authorities is a chain of the same certificates.
func FuzzAuthorities(f *testing.F) {
	certificate, key := newPair(f)
	f.Add(certificate)
	f.Add(join(certificate, key))
	f.Add(join([]byte("a\n"), certificate, certificate[:100]))
	f.Fuzz(func(t *testing.T, text []byte) {
		file := File{"f", text}
		chain, chainErr := file.Chain()
		pool, err := file.Authorities()
		if err != nil {
			return
		}
		want := x509.NewCertPool()
		for _, c := range chain {
			want.AddCert(c)
		}
		if chainErr != nil || len(chain) == 0 || !pool.Equal(want) {
			t.Fatalf("authorities were accepted of a chain of %d and %v", len(chain), chainErr)
		}
	})
}
