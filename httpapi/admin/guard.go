package admin

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"flowd/httpapi/conn"
	"flowd/httpapi/reject"
)

// crossSite rejects what a page of another site made a browser send. That matters most on loopback, where
// a browser reaches what its user alone should, and where there may be no tokens:
//
//   - By a name that resolves to this machine for the moment ("DNS rebinding") the page is of the same
//     origin as this server to the browser, but Host has the name. An address needs no
//     name server, nor does localhost.
//   - To an address the page can send, though not read the answer, and Origin or Sec-Fetch-Site
//     tell whose page it is. Old browsers tell neither of a GET, which changes nothing here.
func (a *Server) crossSite(r *http.Request) *reject.Problem {
	refuse := func(detail string, args ...any) *reject.Problem {
		return &reject.Problem{
			Status: http.StatusForbidden, Reason: reject.Access, Word: "foreign-site", Detail: fmt.Sprintf(detail, args...),
		}
	}
	if !a.called(r.Host) {
		return refuse("The header Host has %q, which may be the name of any site; call this server by its address, by localhost, "+
			"or by the name in admin-listen.", r.Host)
	}
	for _, origin := range r.Header.Values("Origin") {
		if from, err := url.Parse(origin); err != nil || !strings.EqualFold(from.Host, r.Host) {
			return refuse("A page of %q sent this, and pages of other sites may not; use curl, for example.", origin)
		}
	}
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if site != "same-origin" && site != "none" {
			return refuse("A page of another site sent this, or led here, which none may; type the address in the browser instead.")
		}
	}
	return nil
}

// called tells whether the server goes by the name in host, which may have a port. Without a name, as in
// HTTP/1.0, no browser asks.
func (a *Server) called(host string) bool {
	name := host
	if bare, _, err := net.SplitHostPort(host); err == nil {
		name = bare
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	// With a dot at its end a name is the same one, whatever domains the machine looks for others in.
	undotted := func(name string) string { return strings.TrimSuffix(name, ".") }
	same := func(known string) bool { return strings.EqualFold(undotted(known), undotted(name)) }
	return name == "" || same("localhost") || slices.ContainsFunc(a.hosts, same)
}

// certificate returns what the client of r proved to be its own, or nil.
func (a *Server) certificate(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return nil
	}
	// A connection may be older than what is in force now.
	if now := time.Now(); a.tls.Verifies(r.TLS.PeerCertificates, now) {
		return r.TLS.VerifiedChains[0][0]
	}
	return nil
}

// fewListener closes connections beyond what free has room for, and secures the others by tls, if it is
// not nil.
type fewListener struct {
	net.Listener
	free chan struct{}
	tls  *conn.TLS
}

// Accept returns the next connection within the bound.
func (l *fewListener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.free <- struct{}{}:
			nc = &fewConn{Conn: nc, listener: l}
			if l.tls != nil {
				nc = l.tls.Server(nc)
			}
			return nc, nil
		default:
			_ = nc.Close() // there is nothing to say to it
		}
	}
}

type fewConn struct {
	net.Conn
	listener *fewListener
	once     sync.Once
}

// Close closes the connection, which counts no longer.
func (c *fewConn) Close() error {
	c.once.Do(func() { <-c.listener.free })
	return c.Conn.Close()
}
