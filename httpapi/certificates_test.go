package httpapi

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"testing"
	"time"

	"flowd/access"
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
func (ss *secureServer) showing(i *issued) *tls.Config {
	config := ss.config()
	config.Certificates = []tls.Certificate{i.pair()}
	return config
}

// Who shows a good certificate has the rights of its subject; others may come, with none.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	clients := newAuthority(t, "clients")
	ss := serveSecured(t, nil, clients, nil)
	ss.withCertificates()
	// An authority below the one that is known, whose certificate the client brings along.
	below := newAuthority(t, "below")
	signed := clients.issue("below", func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid, c.ExtKeyUsage = true, true, nil })
	below.cert, below.key = signed.leaf, signed.key
	brought := below.issue("agent", nil)
	brought.chain = append(brought.chain, signed.chain...)

	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, c := range []struct {
			name   string
			config *tls.Config
			want   int
		}{
			{"none", ss.config(), 401},
			{"agent", ss.showing(clients.issue("agent", nil)), 200},
			{"another subject", ss.showing(clients.issue("somebody", nil)), 401},
			{"through another authority", ss.showing(brought), 200},
		} {
			c.config.MaxVersion = version
			client, err := ss.shake(c.config)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			for _, authorities := range [][]byte{nil, slices.Concat(newAuthority(t, "more").pem(), clients.pem())} {
				if authorities != nil { // they are verified again then
					put(t, ss.files.ClientCA, authorities)
					if err := ss.tls.Reload(ss.files); err != nil {
						t.Fatal(err)
					}
				}
				if r := client.ask("GET", "/hours"); r.StatusCode != c.want {
					t.Errorf("%s, %x: %d: %s", c.name, version, r.StatusCode, r.body)
				}
			}
			client.Close()
			put(t, ss.files.ClientCA, clients.pem())
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
		before, after := newAuthority(t, "before"), newAuthority(t, "after")
		ss := serveSecured(t, nil, before, nil)
		ss.withCertificates()
		config := ss.showing(before.issue("agent", nil))
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
			put(t, ss.files.ClientCA, slices.Concat(pem...))
			if err := ss.tls.Reload(ss.files); err != nil {
				t.Fatal(err)
			}
		}
		status, first := visit()
		again, second := visit()
		if status != 200 || again != 200 || !second.tls.ConnectionState().DidResume {
			t.Fatalf("%x: %d, then %d, resumed %t", version, status, again, second.tls.ConnectionState().DidResume)
		}
		ss.files.write(t, ss.ca.issue("next", nil))
		authorities(before.pem())
		wantAll(200, "another server's certificate", first, second)
		authorities(before.pem(), after.pem())
		wantAll(200, "one more authority", first, second)

		authorities(after.pem())
		wantAll(401, "no authority any more", first, second)
		if status, c := visit(); status != 401 || c.tls.ConnectionState().DidResume {
			t.Errorf("%x: %d by a new connection, resumed %t", version, status, c.tls.ConnectionState().DidResume)
		}
		authorities(before.pem())
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

// A certificate that expires while its connection is open is none from then on.
func TestClientCertificateExpires(t *testing.T) {
	t.Parallel()
	clients := newAuthority(t, "clients")
	ss := serveSecured(t, nil, clients, nil)
	agent := clients.issue("agent", nil)
	c, err := ss.shake(ss.showing(agent))
	if err != nil {
		t.Fatal(err)
	}
	c.ask("GET", "/livez")
	secured := ss.served1().tls
	known := ss.tls.current.Load().authorities
	if got := secured.holding(known, agent.leaf.NotAfter); !got.Equal(agent.leaf) {
		t.Errorf("%v until it expires", got)
	}
	if got := secured.holding(known, agent.leaf.NotAfter.Add(time.Second)); got != nil {
		t.Errorf("%v after it expired", got.Subject)
	}
}
