package loadtest

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// Target is where the requests go: the address of a server in parts.
type Target struct {
	addr string // host:port to dial
	host string // the Host header
	path string // what comes before the route: "" or "/api/v1"
	tls  *tls.Config
	// token authenticates the sender; "" sends none.
	token string
}

// ParseTarget reads the address of a server: http or https, a host, and perhaps a path that
// its routes are under.
func ParseTarget(s string) (Target, error) {
	u, err := url.Parse(s)
	if err != nil {
		return Target{}, fmt.Errorf("target %q is not a URL: %w", s, err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return Target{}, fmt.Errorf("target %q must look like http://host:port", s)
	}
	if u.User != nil || u.Fragment != "" {
		return Target{}, fmt.Errorf("target %q must have no user and no fragment", s)
	}
	t := Target{host: u.Host, path: strings.TrimSuffix(u.RequestURI(), "/")}
	port := u.Port()
	if u.Scheme == "https" {
		t.tls = &tls.Config{ServerName: u.Hostname()}
		port = orDefault(port, "443")
	}
	t.addr = net.JoinHostPort(u.Hostname(), orDefault(port, "80"))
	return t, nil
}

// ParseServer reads the address of a server, whose routes are below its path, and sets the token that all requests
// show, if it is not empty. Values that cannot be used are an *InvalidError.
func ParseServer(address, token string) (Target, error) {
	t, err := ParseTarget(address)
	switch {
	case err != nil:
		return t, Invalid("target", "%v", err)
	case strings.Contains(t.path, "?"):
		return t, Invalid("target", "must have no query, as %q has", address)
	}
	return t, t.SetToken(token)
}

// SetToken has all requests show a token, if it is not empty. It returns an *InvalidError for a token that could end
// a header.
func (t *Target) SetToken(token string) error {
	for i := range len(token) {
		if token[i] <= ' ' || token[i] > '~' {
			return Invalid("token", "has a character that no token has: only visible ASCII, without spaces")
		}
	}
	t.token = token
	return nil
}

// Addr returns the host:port of the server.
func (t *Target) Addr() string { return t.addr }

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// DialFunc opens a connection to a host:port. Tests put a server without a network behind it.
type DialFunc func(ctx context.Context, addr string) (net.Conn, error)

// DialTCP opens a TCP connection.
func DialTCP(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}

// dial connects to t, and greets it where it speaks TLS, before the deadline.
func (t *Target) dial(dial DialFunc, deadline time.Time) (net.Conn, error) {
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	nc, err := dial(ctx, t.addr)
	if err != nil || t.tls == nil {
		return nc, err
	}
	secure := tls.Client(nc, t.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, err
	}
	return secure, nil
}
