package httpapi

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"testing"

	"flowd/access"
	"flowd/httpapi/certtest"
)

// withCertificates lets in the client whose certificate is for "agent", to read, and nobody else.
func (ss *secureServer) withCertificates() {
	list, err := access.Parse("tokens.yaml", []byte("tokens:\n  - name: agent\n    certificate: agent\n    scopes: [query]\n"))
	if err != nil {
		ss.t.Fatal(err)
	}
	ss.gate.Replace(list)
}

// showing is a client's configuration with a certificate.
func (ss *secureServer) showing(i *certtest.Issued) *tls.Config {
	config := ss.config()
	config.Certificates = []tls.Certificate{i.Pair()}
	return config
}

// Who shows a good certificate has the rights of its subject; others may come, with none.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	clients := certtest.New(t, "clients")
	ss := serveSecured(t, nil, clients, nil)
	ss.withCertificates()
	// An authority below the one that is known, whose certificate the client brings along.
	below := certtest.New(t, "below")
	signed := clients.Issue("below", func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid, c.ExtKeyUsage = true, true, nil })
	below.Cert, below.Key = signed.Leaf, signed.Key
	brought := below.Issue("agent", nil)
	brought.Chain = append(brought.Chain, signed.Chain...)

	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, c := range []struct {
			name   string
			config *tls.Config
			want   int
		}{
			{"none", ss.config(), 401},
			{"agent", ss.showing(clients.Issue("agent", nil)), 200},
			{"another subject", ss.showing(clients.Issue("somebody", nil)), 401},
			{"through another authority", ss.showing(brought), 200},
		} {
			c.config.MaxVersion = version
			client, err := ss.shake(c.config)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			for _, authorities := range [][]byte{nil, slices.Concat(certtest.New(t, "more").PEM(), clients.PEM())} {
				if authorities != nil { // they are verified again then
					certtest.Put(t, ss.files.ClientCA, authorities)
					if err := ss.tls.Reload(ss.files); err != nil {
						t.Fatal(err)
					}
				}
				if r := client.ask("GET", "/hours"); r.StatusCode != c.want {
					t.Errorf("%s, %x: %d: %s", c.name, version, r.StatusCode, r.body)
				}
			}
			client.Close()
			certtest.Put(t, ss.files.ClientCA, clients.PEM())
			if err := ss.tls.Reload(ss.files); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A certificate holds as long as its authority is known, on open connections and resumed sessions, too.
func TestClientAuthorityChanges(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		before, after := certtest.New(t, "before"), certtest.New(t, "after")
		ss := serveSecured(t, nil, before, nil)
		ss.withCertificates()
		config := ss.showing(before.Issue("agent", nil))
		config.MaxVersion, config.ClientSessionCache = version, tls.NewLRUClientSessionCache(4)
		visit := func() (int, *secureClient) {
			c, err := ss.shake(config)
			if err != nil {
				t.Fatal(err)
			}
			return c.ask("GET", "/hours").StatusCode, c
		}
		wantAll := func(want int, step string, open ...*secureClient) {
			t.Helper()
			for i, c := range open {
				if got := c.ask("GET", "/hours").StatusCode; got != want {
					t.Errorf("%x, %s: %d on open connection %d, want %d", version, step, got, i, want)
				}
			}
		}
		authorities := func(pem ...[]byte) {
			t.Helper()
			certtest.Put(t, ss.files.ClientCA, slices.Concat(pem...))
			if err := ss.tls.Reload(ss.files); err != nil {
				t.Fatal(err)
			}
		}
		status, first := visit()
		again, second := visit()
		if status != 200 || again != 200 || !second.tls.ConnectionState().DidResume {
			t.Fatalf("%x: %d, then %d, resumed %t", version, status, again, second.tls.ConnectionState().DidResume)
		}
		writeFiles(t, ss.files, ss.ca.Issue("next", nil))
		authorities(before.PEM())
		wantAll(200, "another server's certificate", first, second)
		authorities(before.PEM(), after.PEM())
		wantAll(200, "one more authority", first, second)

		authorities(after.PEM())
		wantAll(401, "no authority any more", first, second)
		if status, c := visit(); status != 401 || c.tls.ConnectionState().DidResume {
			t.Errorf("%x: %d by a new connection, resumed %t", version, status, c.tls.ConnectionState().DidResume)
		}
		authorities(before.PEM())
		status, third := visit()
		if status != 200 {
			t.Errorf("%x: %d with the authority back", version, status)
		}
		none := ss.files
		none.ClientCA = ""
		if err := ss.tls.Reload(none); err != nil {
			t.Fatal(err)
		}
		wantAll(401, "clients are not asked any more", third)
		if status, _ := visit(); status != 401 {
			t.Errorf("%x: %d where clients are not asked", version, status)
		}
	}
}
