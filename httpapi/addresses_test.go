package httpapi

import (
	"bufio"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestAddressKey(t *testing.T) {
	t.Parallel()
	tcp := func(ip string) net.Addr {
		addr := netip.MustParseAddr(ip)
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 1234))
	}
	for _, c := range []struct {
		of   net.Addr
		want string
	}{
		{tcp("192.0.2.7"), "192.0.2.7"},
		{tcp("::ffff:192.0.2.7"), "192.0.2.7"},
		{tcp("::ffff:192.0.2.8"), "192.0.2.8"},
		{tcp("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::"},
		{tcp("2001:db8:1:2:ffff::"), "2001:db8:1:2::"},
		{tcp("2001:db8:1:3::1"), "2001:db8:1:3::"},
		{tcp("fe80::1%eth0"), "fe80::"},
		{tcp("::1"), "::"},
		{&net.TCPAddr{}, "invalid IP"},
		{&net.UnixAddr{Name: "@", Net: "unix"}, "invalid IP"},
		{nil, "invalid IP"},
	} {
		if got := addressKey(c.of).String(); got != c.want {
			t.Errorf("%v counts as %s, want %s", c.of, got, c.want)
		}
	}
}

// fromAddr is a connection from anywhere.
type fromAddr struct {
	net.Conn
	addr net.Addr
}

func (c fromAddr) RemoteAddr() net.Addr { return c.addr }

// However connections come, go and limits change, each address has at most what it may when one more is
// let in, is refused only when it has that, and is forgotten with its last connection.
func TestConnectionsPerAddress(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limits := DefaultLimits()
		limits.Connections = rapid.IntRange(1, 12).Draw(t, "connections")
		var set conns
		var open []*conn
		model := map[netip.Addr]int{}
		check := func(t *rapid.T) {
			total := 0
			for addr, n := range model {
				if total += n; addr.IsValid() && set.addresses[addr] != n {
					t.Fatalf("%s has %d connections, and %d are counted", addr, n, set.addresses[addr])
				}
			}
			known := len(model)
			if _, ok := model[netip.Addr{}]; ok {
				known--
			}
			if total != len(set.open) || int64(total) != set.count.Load() || known != len(set.addresses) {
				t.Fatalf("%d connections of %d addresses: %d, %d, %d are held", total, known, len(set.open), set.count.Load(), len(set.addresses))
			}
			if total == 0 && (set.addresses != nil || set.open != nil) {
				t.Fatal("memory is kept for nobody")
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"": check,
			"limit": func(t *rapid.T) {
				limits.ConnectionsPerAddress = rapid.IntRange(0, 4).Draw(t, "each")
			},
			"open": func(t *rapid.T) {
				addr := rapid.SampledFrom([]net.Addr{
					&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2)},
					&net.TCPAddr{IP: net.ParseIP("2001:db8::1")}, &net.TCPAddr{IP: net.ParseIP("2001:db8::2")},
					&net.TCPAddr{IP: net.ParseIP("2001:db8:0:1::1")}, &net.UnixAddr{},
				}).Draw(t, "addr")
				c := newConn(fromAddr{addr: addr}, &limits, time.Now())
				full := len(open) >= limits.Connections
				own := c.address.IsValid() && limits.ConnectionsPerAddress > 0 && model[c.address] >= limits.ConnectionsPerAddress
				held, left := model[c.address], limits.Connections-len(open)-1
				share := c.address.IsValid() && limits.ConnectionsPerAddress == 0 && held > 0 && held+1 > 4*left
				over, ok := set.add(c, &limits)
				switch {
				case ok != !(full || own || share):
					t.Fatalf("let in: %t, with %d of %d of all and %d of %d of its address",
						ok, len(open), limits.Connections, model[c.address], limits.ConnectionsPerAddress)
				case !ok && (own != (over == reasonAddress) || share && !full != (over == reasonAddressShare)):
					t.Fatalf("refused for %s", reasonNames[over])
				case !ok:
					set.remove(c) // as fasthttp does not, and nothing may come of it
				default:
					model[c.address]++
					open = append(open, c)
				}
			},
			"close": func(t *rapid.T) {
				if len(open) == 0 {
					t.Skip()
				}
				i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
				c := open[i]
				open = append(open[:i], open[i+1:]...)
				set.remove(c)
				set.remove(c)
				if model[c.address]--; model[c.address] == 0 {
					delete(model, c.address)
				}
			},
		})
	})
}

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
