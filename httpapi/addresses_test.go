package httpapi

import (
	"bufio"
	"net"
	"strings"
	"testing"
	"time"
)

// dialFrom connects from an address of this machine.
func (ts *testServer) dialFrom(ip net.IP) *client {
	ts.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: ip}}
	nc, err := d.Dial("tcp", ts.addr)
	if err != nil {
		ts.t.Skipf("no second address on loopback: %v", err)
	}
	ts.t.Cleanup(func() { nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		ts.t.Fatal(err)
	}
	return &client{TCPConn: nc.(*net.TCPConn), t: ts.t, r: bufio.NewReader(nc)}
}

// Beyond its limit an address is refused, while others are served; the limit may change meanwhile.
func TestTooManyConnectionsOfAnAddress(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, func(l *Limits) { l.ConnectionsPerAddress = 2 })
	here, there := net.IPv4(127, 0, 0, 1), net.IPv4(127, 0, 0, 2)
	served := func(c *client) int {
		c.write(head("GET", "/livez"))
		return c.read("GET").StatusCode
	}
	first, second := ts.dialFrom(here), ts.dialFrom(here)
	if a, b := served(first), served(second); a != 200 || b != 200 {
		t.Fatalf("%d, %d", a, b)
	}
	refused := func(want string) {
		t.Helper()
		c := ts.dialFrom(here)
		c.write(head("GET", "/livez"))
		r := c.read("GET")
		if p := problemIn(t, r, 503); !strings.Contains(p.Detail, want) || !strings.Contains(p.Detail, "max-connections-per-address") || !r.Close {
			t.Errorf("%q, close %t", p.Detail, r.Close)
		}
		c.ends()
	}
	refused("as it may, 2;")
	if got := served(ts.dialFrom(there)); got != 200 {
		t.Errorf("%d from another address", got)
	}
	limits := ts.limits
	limits.ConnectionsPerAddress = 3
	ts.SetLimits(limits)
	third := ts.dialFrom(here)
	if got := served(third); got != 200 {
		t.Errorf("%d after the limit was raised", got)
	}
	refused("as it may, 3;")
	limits.ConnectionsPerAddress = 1
	ts.SetLimits(limits)
	refused("as it may, 1;")
	if got := served(first); got != 200 {
		t.Errorf("%d on a connection of before", got)
	}
	limits.ConnectionsPerAddress = 0
	ts.SetLimits(limits)
	for range 10 {
		if got := served(ts.dialFrom(here)); got != 200 {
			t.Errorf("%d without a limit", got)
		}
	}
	if got := ts.metric(`flowd_http_requests_rejected_total{reason="address_connections"}`); got != "3" {
		t.Errorf("%s refusals counted", got)
	}
}
