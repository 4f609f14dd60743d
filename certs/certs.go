// Package certs reads certificates and keys from files in PEM. The server and the check of its settings both
// read them here, so that they cannot disagree about a file.
package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// MaxFile is the size limit of a file in bytes. The authorities of a whole operating system take a quarter of it.
const MaxFile = 1 << 20

const certificateType = "CERTIFICATE"

// File is what a file of at most MaxFile bytes holds.
type File struct {
	Name string
	Text []byte
}

// Read reads the file with this name. An error begins with the name.
func Read(name string) (File, error) {
	text, err := readAll(name)
	switch {
	case err != nil:
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return File{}, fmt.Errorf("%s cannot be read: %w", name, err)
	case len(text) > MaxFile:
		return File{}, fmt.Errorf("%s has more than 1 MiB, so it is not a file of certificates", name)
	}
	return File{name, text}, nil
}

func readAll(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, MaxFile+1))
}

// Chain returns the certificates of a server: its own, then those up to its authority. There is at least one.
// Blocks of other types, such as a key, are skipped.
func (f File) Chain() ([]*x509.Certificate, error) {
	return f.certificates(func(int, string) error { return nil })
}

// Authorities returns the certificates of authorities, at least one. Anything else in the file is an error:
// a key there was probably meant for another file.
func (f File) Authorities() (*x509.CertPool, error) {
	all, err := f.certificates(func(n int, is string) error {
		return fmt.Errorf("block %d of %s is a %s, and must be a %s", n, f.Name, is, certificateType)
	})
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for _, c := range all {
		pool.AddCert(c)
	}
	return pool, nil
}

// certificates parses all certificates. It calls other with the number and type of each block of another type.
func (f File) certificates(other func(n int, is string) error) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	rest, n := f.Text, 0
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		n++
		if block.Type != certificateType {
			if err := other(n, block.Type); err != nil {
				return nil, err
			}
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d in %s cannot be read: %s", len(all)+1, f.Name, strings.TrimPrefix(err.Error(), "x509: "))
		}
		all = append(all, c)
	}
	switch {
	case bytes.Contains(rest, []byte("-----BEGIN")):
		return nil, fmt.Errorf("what follows block %d of %s is not in PEM form", n, f.Name)
	case all == nil:
		return nil, fmt.Errorf("%s has no certificate in PEM form", f.Name)
	}
	return all, nil
}

// Pair returns the chain of a server's certificate and its key. An error names both files, where they disagree.
func Pair(certificate, key File) (tls.Certificate, error) {
	if _, err := certificate.Chain(); err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(certificate.Text, key.Text)
	if err != nil {
		err = fmt.Errorf("%s is not the key of the first certificate in %s: %s", key.Name, certificate.Name, strings.TrimPrefix(err.Error(), "tls: "))
	}
	return pair, err
}
