package httpapi

import (
	"net"
	"net/netip"
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
