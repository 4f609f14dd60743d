// Package certtest issues certificates for the tests of the HTTP server.
package certtest

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"testing"
	"time"
)

// Authority issues certificates.
type Authority struct {
	t    testing.TB
	Cert *x509.Certificate
	Key  ed25519.PrivateKey
	made int64
}

// Issued is a certificate, what stands between it and its authority, and its key.
type Issued struct {
	Chain [][]byte
	Leaf  *x509.Certificate
	Key   ed25519.PrivateKey
}

// Pair returns the certificate as a client or a server of TLS takes it.
func (i *Issued) Pair() tls.Certificate {
	return tls.Certificate{Certificate: i.Chain, PrivateKey: i.Key, Leaf: i.Leaf}
}

// New returns an authority with a certificate of its own, which it has signed itself.
func New(t testing.TB, name string) *Authority {
	t.Helper()
	a := &Authority{t: t}
	i := a.Issue(name, func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid = true, true
		c.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	})
	a.Cert, a.Key = i.Leaf, i.Key
	return a
}

// Issue makes a certificate for name, which is good for an hour, for server and client, on loopback.
func (a *Authority) Issue(name string, change func(*x509.Certificate)) *Issued {
	a.t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		a.t.Fatal(err)
	}
	a.made++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(a.made), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	parent, signer := a.Cert, a.Key
	if parent == nil {
		parent, signer = template, private
	}
	raw, err := x509.CreateCertificate(nil, template, parent, public, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(raw)
	if err != nil {
		a.t.Fatal(err)
	}
	return &Issued{[][]byte{raw}, leaf, private}
}

// Pool returns a pool with this authority alone.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Cert)
	return pool
}

// PEM returns the authority's certificate.
func (a *Authority) PEM() []byte { return PemOf(a.Cert.Raw) }

// PemOf returns certificates one after the other.
func PemOf(certificates ...[]byte) (text []byte) {
	for _, raw := range certificates {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})...)
	}
	return text
}

// KeyPEM returns the key.
func (i *Issued) KeyPEM(t testing.TB) []byte {
	raw, err := x509.MarshalPKCS8PrivateKey(i.Key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// Write replaces the content of these files by i and its key.
func (i *Issued) Write(t testing.TB, certificate, key string) {
	t.Helper()
	Put(t, certificate, PemOf(i.Chain...))
	Put(t, key, i.KeyPEM(t))
}

// Put writes a file.
func Put(t testing.TB, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
