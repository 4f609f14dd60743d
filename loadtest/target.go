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

// target is where the requests go, taken apart once.
type target struct {
	addr string // host:port to dial
	host string // the Host header
	path string // what comes before the route: "" or "/api/v1"
	tls  *tls.Config
	// token authenticates the sender; "" sends none.
	token string
}

// parseTarget reads the address of a server: http or https, a host, and perhaps a path that
// its routes are under.
func parseTarget(s string) (target, error) {
	u, err := url.Parse(s)
	if err != nil {
		return target{}, fmt.Errorf("target %q is not a URL: %w", s, err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return target{}, fmt.Errorf("target %q must look like http://host:port", s)
	}
	if u.User != nil || u.Fragment != "" {
		return target{}, fmt.Errorf("target %q must have no user and no fragment", s)
	}
	t := target{host: u.Host, path: strings.TrimSuffix(u.RequestURI(), "/")}
	port := u.Port()
	if u.Scheme == "https" {
		t.tls = &tls.Config{ServerName: u.Hostname()}
		port = orDefault(port, "443")
	}
	t.addr = net.JoinHostPort(u.Hostname(), orDefault(port, "80"))
	return t, nil
}

// show has all requests show a token, if there is one.
func (t *target) show(token string) error {
	for i := range len(token) {
		if token[i] <= ' ' || token[i] > '~' {
			return invalid("token", "has a character that no token has: only visible ASCII, without spaces")
		}
	}
	t.token = token
	return nil
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// dialFunc opens a connection to a host:port. Tests put a server without a network behind it.
type dialFunc func(ctx context.Context, addr string) (net.Conn, error)

func dialTCP(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}

// dial connects to t, and greets it where it speaks TLS, before the deadline.
func (t *target) dial(dial dialFunc, deadline time.Time) (net.Conn, error) {
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
