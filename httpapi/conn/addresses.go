package conn

import (
	"net"
	"net/netip"

	"github.com/valyala/fasthttp"

	"flowd/access"
	"flowd/httpapi/reservation"
)

// siteBits is how much of an IPv6 address stands for its owner: a /64 is the least that a network is
// given, and all of it is at the disposal of that customer.
const siteBits = 64

// addressKey returns what counts as one address: an IPv4 address, or the /64 of an IPv6 address. It is
// the zero Addr where there is no IP address, as of a Unix socket: that has no bound of its own.
func addressKey(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	addr, _ := netip.AddrFromSlice(tcp.IP)
	addr = addr.Unmap() // or all of IPv4 would be of one /64
	if !addr.Is6() {
		return addr
	}
	site, err := addr.Prefix(siteBits)
	if err != nil {
		return addr // 64 bits are in every IPv6 address
	}
	return site.Addr()
}

// perAddress counts connections by addressKey. It holds addresses with connections alone.
type perAddress map[netip.Addr]int

func (p *perAddress) add(key netip.Addr) {
	if !key.IsValid() {
		return
	}
	if *p == nil {
		*p = make(perAddress)
	}
	(*p)[key]++
}

func (p *perAddress) remove(key netip.Addr) {
	switch n := (*p)[key]; {
	case n > 1:
		(*p)[key] = n - 1
	case n == 1 && len(*p) == 1:
		*p = nil // as with the connections themselves
	case n == 1:
		delete(*p, key)
	}
}

// AddressText names the client's address in log lines.
func (c *Conn) AddressText() string { return AddressText(c.RemoteAddr()) }

// AddressText names an address in log lines as it counts: an IPv4 address, the /64 of an IPv6 address, or
// what else there is.
func AddressText(a net.Addr) string {
	switch key := addressKey(a); {
	case key.Is4():
		return key.String()
	case key.Is6():
		return netip.PrefixFrom(key, siteBits).String()
	}
	return a.String()
}

// AddressOf returns the address that ctx comes from, without the port.
func AddressOf(ctx *fasthttp.RequestCtx) netip.Addr {
	addr, _ := netip.AddrFromSlice(ctx.RemoteIP())
	return addr.Unmap()
}

// ClientOf returns the client of a request, which has right. The connection keeps it for as long as ctx is
// served.
func ClientOf(ctx *fasthttp.RequestCtx, right *access.Grant) *reservation.Client {
	c := ctx.Conn().(*Conn)
	if c.client == nil || c.right != right {
		was := c.client
		c.client, c.right = c.set.options.Clients.Join(clientName(ctx, right)), right
		c.set.options.Clients.Leave(was)
	}
	return c.client
}

// clientName returns the name by which the client of a request is told from others: that of its token, or its
// address if it has no token.
func clientName(ctx *fasthttp.RequestCtx, right *access.Grant) string {
	if right.Name != "" {
		return right.Name
	}
	addr := AddressOf(ctx)
	if addr.Is4() {
		text := addr.As4()
		return string(text[:])
	}
	const network = 8 // of IPv6: one host has a whole /64
	text := addr.As16()
	return string(text[:network])
}
