package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowd/certs"
)

// pair returns a certificate that signs itself, good between two times, and its key, both as PEM.
func pair(t *testing.T, from, to time.Time) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "flowd"}, NotBefore: from, NotAfter: to,
		DNSNames: []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

func TestConfigCheckReadsCertificates(t *testing.T) {
	t.Chdir(t.TempDir())
	day := 24 * time.Hour
	begin := time.Now().Add(-30 * day).UTC().Truncate(time.Second)
	end := begin.Add(60 * day)
	certificate, key := pair(t, begin, end)
	other, otherKey := pair(t, begin, end)
	past, pastKey := pair(t, begin, begin.Add(day))
	future, futureKey := pair(t, end, end.Add(day))
	torn := bytes.Replace(certificate, []byte("\nM"), []byte("\nN"), 1) // its first byte
	tokens := "tokens:\n  - {name: a, certificate: flowd, scopes: [ingest]}\n"
	for name, data := range map[string][]byte{
		"site.crt": certificate, "site.key": key, "other.key": otherKey, "tokens.yaml": []byte(tokens),
		"past.crt": past, "past.key": pastKey, "future.crt": future, "future.key": futureKey,
		"chain.crt": bytes.Join([][]byte{[]byte("subject=CN = flowd\n"), certificate, other}, nil),
		"both.pem":  bytes.Join([][]byte{certificate, key}, nil),
		"tail.pem":  append(bytes.Clone(certificate), "-----BEGIN CERTIFICATE-----\nMII"...),
		"wrong.crt": bytes.Join([][]byte{other, certificate}, nil),
		"torn.crt":  torn, "torn-chain.crt": append(bytes.Clone(certificate), torn...), "text.key": []byte("not a key"),
		"long.key": make([]byte, certs.MaxFile+1),
	} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const site, rest = "tls-cert-file: site.crt\ntls-key-file: site.key\n", "tokens-file: tokens.yaml\n"
	const noKey = " is not the key of the first certificate in "
	for _, test := range []struct{ file, want string }{
		{site, "good: 2 settings"},
		{rest + site + "tls-client-ca-file: site.crt\n", "good: 4 settings, 1 token"},
		{"tls-cert-file: chain.crt\ntls-key-file: site.key\n", "good: 2 settings"},
		{"\ntls-cert-file: site.crt\ntls-key-file: other.key\n", "3: tls-key-file: other.key" + noKey + "site.crt: private key does not match public key"},
		{"tls-key-file: site.key\ntls-cert-file: wrong.crt\n", "1: tls-key-file: site.key" + noKey + "wrong.crt: private key does not match public key"},
		{"tls-cert-file: site.crt\ntls-key-file: text.key\n", "2: tls-key-file: text.key" + noKey + "site.crt: failed to find any PEM data in key input"},
		{"tls-cert-file: site.crt\ntls-key-file: long.key\n", "2: tls-key-file: long.key has more than 1 MiB, so it is not a file of certificates"},
		{"tls-cert-file: site.key\ntls-key-file: site.key\n", "1: tls-cert-file: site.key has no certificate in PEM form"},
		{"tls-cert-file: .\ntls-key-file: site.key\n", "1: tls-cert-file: . cannot be read: is a directory"},
		{"tls-cert-file: past.crt\ntls-key-file: past.key\n", "1: tls-cert-file: the certificate in past.crt ended at " + begin.Add(day).Format(time.RFC3339) + ", so that clients refuse it"},
		{"tls-cert-file: future.crt\ntls-key-file: future.key\n", "1: tls-cert-file: the certificate in future.crt begins at " + end.Format(time.RFC3339) + ", so that clients refuse it"},
		{"tls-cert-file: torn.crt\ntls-key-file: site.key\n", "1: tls-cert-file: certificate 1 in torn.crt cannot be read: malformed certificate"},
		{rest + site + "tls-client-ca-file: torn-chain.crt\n", "4: tls-client-ca-file: certificate 2 in torn-chain.crt cannot be read: malformed certificate"},
		{rest + site + "tls-client-ca-file: tokens.yaml\n", "4: tls-client-ca-file: tokens.yaml has no certificate in PEM form"},
		{rest + site + "tls-client-ca-file: both.pem\n", "4: tls-client-ca-file: block 2 of both.pem is a PRIVATE KEY, and must be a CERTIFICATE"},
		{rest + site + "tls-client-ca-file: tail.pem\n", "4: tls-client-ca-file: what follows block 1 of tail.pem is not in PEM form"},
		{rest + site + "tls-client-ca-file: long.key\n", "4: tls-client-ca-file: long.key has more than 1 MiB, so it is not a file of certificates"},
	} {
		path := filepath.Join(t.TempDir(), "flowd.yaml")
		if err := os.WriteFile(path, []byte(test.file), 0o600); err != nil {
			t.Fatal(err)
		}
		var stdout, stderr strings.Builder
		code := run(context.Background(), []string{"config", "check", path}, nil, &stdout, &stderr)
		got, want, wantCode := stderr.String(), "flowd: "+path+":"+test.want+"\n", exitRuntime
		if strings.HasPrefix(test.want, "good") {
			got, want, wantCode = stdout.String()+got, path+": "+test.want+"\n", exitOK
		}
		if diff := cmp.Diff(want, got); diff != "" || code != wantCode {
			t.Errorf("%q: exit %d (-want +got):\n%s", test.file, code, diff)
		}
	}
}
