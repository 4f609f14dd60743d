package conn

import (
	"net"
	"net/netip"
	"testing"

	"flowd/httpapi/reject"

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
		set := NewSet(Options{Max: rapid.IntRange(1, 12).Draw(t, "connections")})
		each := 0
		var open []*Conn
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
				t.Fatal("memory is kept for an address without connections")
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"": check,
			"limit": func(t *rapid.T) {
				each = rapid.IntRange(0, 4).Draw(t, "each")
				set.SetPerAddress(each)
			},
			"open": func(t *rapid.T) {
				addr := rapid.SampledFrom([]net.Addr{
					&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2)},
					&net.TCPAddr{IP: net.ParseIP("2001:db8::1")}, &net.TCPAddr{IP: net.ParseIP("2001:db8::2")},
					&net.TCPAddr{IP: net.ParseIP("2001:db8:0:1::1")}, &net.UnixAddr{},
				}).Draw(t, "addr")
				c := set.serve(fromAddr{addr: addr})
				full := len(open) >= set.options.Max
				own := c.address.IsValid() && each > 0 && model[c.address] >= each
				held, left := model[c.address], set.options.Max-len(open)-1
				share := c.address.IsValid() && each == 0 && held > 0 && held+1 > 4*left
				over, ok := set.add(c)
				switch {
				case ok != !(full || own || share):
					t.Fatalf("let in: %t, with %d of %d of all and %d of %d of its address",
						ok, len(open), set.options.Max, model[c.address], each)
				case !ok && (own != (over == reject.AddressConnections) || share && !full != (over == reject.AddressShare)):
					t.Fatalf("rejected for %s", (&reject.Problem{Reason: over}).Name())
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
