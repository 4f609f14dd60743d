package httpapi

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"flowd/access"
	"flowd/httpapi/admin"
	"flowd/httpapi/certtest"
)

// Pages of other sites get nothing, by whatever way a browser lets them reach for it.
func TestAdminForeignSites(t *testing.T) {
	t.Parallel()
	var reloads atomic.Int64
	as := serveAdmin(t, nil, func(o *admin.Options) {
		o.Hosts = []string{"flowd-admin.internal"}
		o.Reload = func() (admin.Reloaded, error) { reloads.Add(1); return admin.Reloaded{}, nil }
	})
	_, port, _ := net.SplitHostPort(as.addr)
	for _, c := range []struct {
		name    string
		headers []string
		ok      bool
	}{
		{"curl", nil, true},
		{"localhost", []string{"Host: localhost:" + port}, true},
		{"localhost in capitals", []string{"Host: LOCALHOST"}, true},
		{"localhost with its dot", []string{"Host: localhost.:" + port}, true},
		{"localhost with its dot and no port", []string{"Host: LocalHost."}, true},
		{"a name that it was given, with its dot", []string{"Host: flowd-admin.internal."}, true},
		{"IPv6", []string{"Host: [::1]:" + port}, true},
		{"IPv6 without a port", []string{"Host: [::1]"}, true},
		{"a probe by the pod's address", []string{"Host: 10.1.2.3:8081"}, true},
		{"a name that it was given", []string{"Host: Flowd-Admin.internal:8081"}, true},
		{"the address typed into a browser", []string{"Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"}, true},
		{"a link of its own page", []string{"Sec-Fetch-Site: same-origin"}, true},
		{"a script of its own page", []string{"Origin: http://" + as.addr, "Sec-Fetch-Site: same-origin"}, true},

		{"rebinding", []string{"Host: evil.example:" + port}, false},
		{"rebinding, said to be the same", []string{"Host: evil.example", "Origin: http://evil.example", "Sec-Fetch-Site: same-origin"}, false},
		{"a name that ends alike", []string{"Host: localhost.evil.example"}, false},
		{"a name below localhost", []string{"Host: evil.localhost"}, false},
		{"localhost with two dots", []string{"Host: localhost.."}, false},
		{"a dot alone", []string{"Host: ."}, false},
		{"a number that is no address", []string{"Host: 2130706433"}, false},
		{"a dot behind", []string{"Host: evil.example."}, false},
		{"a form", []string{"Origin: https://evil.example", "Sec-Fetch-Site: cross-site", "Content-Type: text/plain"}, false},
		{"a form in an old browser", []string{"Origin: https://evil.example"}, false},
		{"a page without an origin", []string{"Origin: null"}, false},
		{"a page on another port", []string{"Origin: http://127.0.0.1:3000", "Sec-Fetch-Site: same-site"}, false},
		{"a page on another port, old browser", []string{"Origin: http://127.0.0.1:3000"}, false},
		{"an image", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"}, false},
		{"a link elsewhere", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"}, false},
		{"one of two origins", []string{"Origin: http://" + as.addr, "Origin: http://evil.example"}, false},
		{"no origin at all", []string{"Origin: %zz"}, false},
	} {
		before := reloads.Load()
		for _, r := range []reply{as.do("POST", "/-/reload", c.headers...), as.do("GET", "/debug/pprof/heap", c.headers...)} {
			if c.ok && r.StatusCode != 200 {
				t.Errorf("%s: %d: %s", c.name, r.StatusCode, r.body)
			}
			if !c.ok {
				problemIn(t, r, 403)
			}
		}
		if got := reloads.Load() > before; got != c.ok {
			t.Errorf("%s: reloaded %t", c.name, got)
		}
	}
	c := as.dial()
	c.write("GET /livez HTTP/1.0\r\n\r\n")
	if r := c.read("GET"); r.StatusCode != 200 {
		t.Errorf("HTTP/1.0 without a host: %d", r.StatusCode)
	}
	for _, raw := range []string{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /livez HTTP/1.2\r\nHost: localhost\r\n\r\n"} {
		c = as.dial()
		c.write(raw)
		problemIn(t, c.read("GET"), 505)
	}
	c = as.dial()
	c.write("POST http://evil.example/-/reload HTTP/1.1\r\nHost: localhost\r\n\r\n")
	problemIn(t, c.read("POST"), 403)
	if got := as.ts.metric(`flowd_http_requests_rejected_total{reason="foreign-site"}`); got != "35" {
		t.Errorf("%s counted", got)
	}
}

func TestAdminAuthorization(t *testing.T) {
	t.Parallel()
	ts := newServer(t, newTable(t), nil)
	ts.gate = gateOf(t)
	as := serveAdmin(t, ts, func(o *admin.Options) { o.Reload = func() (admin.Reloaded, error) { return admin.Reloaded{}, nil } })
	for _, c := range []struct {
		method, target, token string
		status                int
	}{
		{"POST", "/-/reload", "", 401},
		{"POST", "/-/reload", "flowd_unknown", 401},
		{"POST", "/-/reload", metricsToken, 403},
		{"POST", "/-/reload", everyToken, 200},
		{"GET", "/debug/pprof/", "", 401},
		{"GET", "/debug/pprof/heap", readToken, 403},
		{"GET", "/debug/pprof/heap", everyToken, 200},
		{"GET", "/metrics", "", 401},
		{"GET", "/metrics", readToken, 403},
		{"GET", "/metrics", metricsToken, 200},
		{"GET", "/livez", "", 200},
		{"GET", "/readyz", "", 200},
		{"GET", "/none", "", 404},
	} {
		var headers []string
		if c.token != "" {
			headers = append(headers, bearing(c.token))
		}
		r := as.do(c.method, c.target, headers...)
		if r.StatusCode != c.status || (c.status == 401) != (r.Header.Get("WWW-Authenticate") != "") {
			t.Errorf("%s %s with %q: %d, %q", c.method, c.target, c.token, r.StatusCode, r.Header.Get("WWW-Authenticate"))
		}
	}
	if r := as.do("POST", "/-/reload", bearing(everyToken), bearing(everyToken)); r.StatusCode != 401 {
		t.Errorf("two tokens: %d", r.StatusCode)
	}
	if strings.Contains(ts.log.String(), everyToken) || strings.Contains(ts.log.String(), "flowd_unknown") {
		t.Errorf("a token is in the log: %s", ts.log.String())
	}
	// Guesses are slowed, and who has the right is not.
	eventually(t, "guesses are slowed", func() bool {
		return as.do("POST", "/-/reload", bearing("flowd_guess")).StatusCode == 429
	})
	if r := as.do("POST", "/-/reload", bearing(everyToken)); r.StatusCode != 200 {
		t.Errorf("%d beside guesses", r.StatusCode)
	}
}

// With TLS a certificate gives rights as long as its authority is known.
func TestAdminTLS(t *testing.T) {
	t.Parallel()
	clients := certtest.New(t, "clients")
	ss := newSecured(t, newTable(t), clients, nil)
	list, err := access.Parse("tokens.yaml", []byte("tokens:\n  - name: operator\n    certificate: operator\n    scopes: [admin]\n"))
	if err != nil {
		t.Fatal(err)
	}
	ss.gate.Replace(list)
	as := serveAdmin(t, ss.testServer, func(o *admin.Options) {
		o.TLS = ss.tls
		o.Reload = func() (admin.Reloaded, error) { return admin.Reloaded{}, nil }
	})
	visit := func(config *tls.Config) (*tls.Conn, func() int) {
		c := tls.Client(as.dial().TCPConn, config)
		r := bufio.NewReader(c)
		return c, func() int {
			if _, err := io.WriteString(c, "POST /-/reload HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			return res.StatusCode
		}
	}
	operator, ask := visit(ss.showing(clients.Issue("operator", nil)))
	if got := ask(); got != 200 || operator.ConnectionState().NegotiatedProtocol != "" {
		t.Errorf("%d, %q", got, operator.ConnectionState().NegotiatedProtocol)
	}
	if _, ask := visit(ss.config()); ask() != 401 {
		t.Error("let in without a certificate")
	}
	certtest.Put(t, ss.files.ClientCA, certtest.New(t, "others").PEM())
	if err := ss.tls.Reload(ss.files); err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != 401 {
		t.Errorf("%d on a connection that is open, with an authority that is not known any more", got)
	}
}
