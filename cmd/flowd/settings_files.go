package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"flowd/access"
	"flowd/certs"
	"flowd/config"
)

// namedFiles finds what is wrong with the files that settings name. A problem stands at the
// setting, but for tokens, which have lines of their own; nothing of a key or a token is in it.
type namedFiles struct {
	places   map[string]string // where each setting stands
	tokens   int               // and certificates that have a right
	problems []config.Problem
}

// check reads the files that c names. A certificate must be good at now.
func (f *namedFiles) check(c *config.Config, now time.Time) {
	if c.TokensFile != "" {
		f.checkTokens(c.TokensFile)
	}
	f.checkPair(c.TLSCertFile, c.TLSKeyFile, now)
	if c.TLSClientCAFile != "" {
		file, err := certs.Read(c.TLSClientCAFile)
		if err == nil {
			_, err = file.Authorities()
		}
		if err != nil {
			f.wrong("tls-client-ca-file", "%v", err)
		}
	}
}

// wrong keeps what is wrong with the file that the setting with this key names.
func (f *namedFiles) wrong(key, format string, args ...any) {
	f.problems = append(f.problems, config.Problem{Place: f.places[key], Text: key + ": " + fmt.Sprintf(format, args...)})
}

func (f *namedFiles) checkTokens(path string) {
	data, err := readAtMost(path, access.MaxFile)
	if err != nil {
		f.wrong("tokens-file", "%v", err)
		return
	}
	list, err := access.Parse(path, data)
	var parse *access.Error
	switch {
	case errors.As(err, &parse):
		for _, p := range parse.Problems {
			f.problems = append(f.problems, config.Problem{Place: p.Place, Text: p.Text})
		}
	case err != nil:
		f.wrong("tokens-file", "%v", err)
	}
	f.tokens = list.Len()
}

// checkPair checks the server's certificate and its key. That one is given without the other is
// told by the settings.
func (f *namedFiles) checkPair(certFile, keyFile string, now time.Time) {
	var certificate, key certs.File
	var err error
	if certFile != "" {
		var chain []*x509.Certificate
		if certificate, err = certs.Read(certFile); err == nil {
			chain, err = certificate.Chain()
		}
		if err != nil {
			f.wrong("tls-cert-file", "%v", err)
		} else if when := outside(chain[0], now); when != "" {
			f.wrong("tls-cert-file", "the certificate in %s %s, so that clients refuse it", certFile, when)
		}
	}
	if keyFile != "" {
		var wrong error
		if key, wrong = certs.Read(keyFile); wrong != nil {
			f.wrong("tls-key-file", "%v", wrong)
			err = errors.Join(err, wrong)
		}
	}
	if certFile == "" || keyFile == "" || err != nil {
		return
	}
	if _, err := certs.Pair(certificate, key); err != nil {
		f.wrong("tls-key-file", "%v", err)
	}
}

// outside says that now is before or after the time of a certificate.
func outside(c *x509.Certificate, now time.Time) string {
	switch {
	case now.After(c.NotAfter):
		return "ended at " + c.NotAfter.Format(time.RFC3339)
	case now.Before(c.NotBefore):
		return "begins at " + c.NotBefore.Format(time.RFC3339)
	}
	return ""
}

// readAtMost reads a file of at most so many bytes. The error names it.
func readAtMost(path string, most int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", path, cause(err))
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s cannot be read: %w", path, cause(err))
	case int64(len(data)) > most:
		return nil, fmt.Errorf("%s is longer than %s", path, config.Size(most))
	}
	return data, nil
}
