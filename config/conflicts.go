package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// conflict describes settings that are valid one by one but not together.
type conflict struct {
	// keys are those settings. The problem is reported at the place of the first one that a source gives.
	keys []string
	why  string
}

// conflicts returns the problems between settings of c. Each setting alone must be valid.
func (l *Loader) conflicts(c *Config) []Problem {
	all := c.bodyConflicts()
	all = append(all, c.logConflicts()...)
	all = append(all, c.tlsConflicts()...)
	all = append(all, c.listenConflicts(l.Given("admin-listen"))...)
	all = append(all, c.boundConflicts()...)
	var problems []Problem
	for _, found := range all {
		for _, key := range found.keys {
			if how, ok := l.auto[key]; ok && l.memory.Bytes > 0 {
				found.why += fmt.Sprintf("; %s is %s: give the process more memory, or lower the others", key, how)
			}
		}
		problems = append(problems, Problem{l.given(found.keys), found.why})
	}
	return problems
}

// given returns the source of the first of keys that a source gives a value.
func (l *Loader) given(keys []string) string {
	for _, key := range keys {
		if l.Given(key) {
			return l.source(key)
		}
	}
	return sourceDefault
}

// bodyConflicts compares the size limits of bodies.
func (c *Config) bodyConflicts() (found []conflict) {
	if c.MaxDecodedBytes < c.MaxBodyBytes {
		found = append(found, conflict{[]string{"max-decoded-bytes", "max-body-bytes"}, fmt.Sprintf(
			"max-decoded-bytes (%s) is less than max-body-bytes (%s), and a plain body must keep both",
			c.MaxDecodedBytes, c.MaxBodyBytes)})
	}
	if most := c.largestRequest(); Size(c.MaxInflightBytes) < most {
		found = append(found, conflict{[]string{"max-inflight-bytes", "max-decoded-bytes", "max-body-bytes"}, fmt.Sprintf(
			"max-inflight-bytes (%s) is less than the %s that one request may need with max-body-bytes %s and max-decoded-bytes %s (2 and 3 times as much)",
			c.MaxInflightBytes, most, c.MaxBodyBytes, c.MaxDecodedBytes)})
	}
	return found
}

// logConflicts compares the settings of the log with those of its content.
func (c *Config) logConflicts() (found []conflict) {
	if c.Durability == DurabilityNone {
		return nil
	}
	if c.Data == "" {
		return []conflict{{[]string{"data", "durability"}, fmt.Sprintf(
			"data is empty, so flows are kept in memory only, but durability is %s, which writes them to disk: "+
				"give durability none too, or a folder as data", c.Durability)}}
	}
	if most := c.largestRecord(); c.SegmentBytes < most {
		found = append(found, conflict{[]string{"segment-bytes", "max-decoded-bytes", "max-flows"}, fmt.Sprintf(
			"segment-bytes (%s) is less than the %s that the log may need for one batch with max-decoded-bytes %s and max-flows %d "+
				"(the lesser of the first and 1KiB per flow, and 128KiB)",
			c.SegmentBytes, most, c.MaxDecodedBytes, c.MaxFlows)})
	}
	return found
}

// largestRecord returns the most bytes that one batch may take in a segment of the log. A flow in the log
// is never longer than in JSON, and with three names of 256 bytes and three numbers it is shorter than 1
// KiB. The headers of record, frame and segment, and the name of the batch, take less than 128 KiB.
func (c *Config) largestRecord() Size {
	return min(c.MaxDecodedBytes, Size(c.MaxFlows)<<10) + 128<<10
}

// tlsConflicts finds TLS files that require another one.
func (c *Config) tlsConflicts() (found []conflict) {
	if c.TLSCertFile != "" && c.TLSKeyFile == "" {
		found = append(found, conflict{[]string{"tls-cert-file"}, fmt.Sprintf(
			"tls-cert-file is %s, but there is no tls-key-file: give both, or neither", c.TLSCertFile)})
	}
	if c.TLSKeyFile != "" && c.TLSCertFile == "" {
		found = append(found, conflict{[]string{"tls-key-file"}, fmt.Sprintf(
			"tls-key-file is %s, but there is no tls-cert-file: give both, or neither", c.TLSKeyFile)})
	}
	if c.TLSClientCAFile == "" {
		return found
	}
	if c.TLSCertFile == "" && c.TLSKeyFile == "" {
		found = append(found, conflict{[]string{"tls-client-ca-file"}, fmt.Sprintf(
			"tls-client-ca-file is %s, but there is no TLS for clients to show a certificate in: give tls-cert-file and tls-key-file too",
			c.TLSClientCAFile)})
	}
	// An operator that sets an authority expects that only its clients get in.
	if c.TokensFile == "" {
		found = append(found, conflict{[]string{"tls-client-ca-file"}, fmt.Sprintf(
			"tls-client-ca-file is %s, but there is no tokens-file, so that any client may do everything, with a certificate or without: "+
				"give tokens-file too, which says what the certificates may do", c.TLSClientCAFile)})
	}
	return found
}

// listenConflicts finds addresses beyond loopback without access control, and two addresses that overlap.
// If no source gives admin-listen, the server does without an admin listener whose address is taken, by
// itself or by another process.
func (c *Config) listenConflicts(adminGiven bool) (found []conflict) {
	listeners := []struct{ key, address string }{{"listen", string(c.Listen)}}
	if c.AdminListen != AdminOff {
		listeners = append(listeners, struct{ key, address string }{"admin-listen", string(c.AdminListen)})
	}
	for _, l := range listeners {
		if c.TokensFile == "" && !bool(c.Insecure) && !IsLoopback(l.address) {
			found = append(found, conflict{[]string{l.key}, fmt.Sprintf(
				"%s is %s, which is beyond loopback, but there is no tokens-file, so that any client that reaches it could do everything: "+
					"give tokens-file, or an address of loopback such as 127.0.0.1:8080, or insecure if that is what you want", l.key, l.address)})
		}
	}
	if adminGiven && c.AdminListen != AdminOff && overlap(string(c.Listen), string(c.AdminListen)) {
		found = append(found, conflict{[]string{"admin-listen"}, fmt.Sprintf(
			"admin-listen (%s) takes the port of listen (%s): give it another one, or off", c.AdminListen, c.Listen)})
	}
	return found
}

// IsLoopback reports whether only this machine reaches the host of address. localhost is the only name of
// which that is certain: the addresses of other names may change at any time.
func IsLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// overlap reports whether one connection could go to both addresses.
func overlap(a, b string) bool {
	hostA, portA, ok := split(a)
	hostB, portB, okB := split(b)
	if !ok || !okB || portA != portB || portA == 0 { // port 0 means a different port each time
		return false
	}
	if hostA == hostB {
		return true
	}
	return covers(hostA, hostB) || covers(hostB, hostA)
}

// covers reports whether a stands for all interfaces, and b is one of them.
func covers(a, b string) bool {
	if a == "::" { // for IPv4 too
		return true
	}
	ip, err := netip.ParseAddr(b)
	return a == "0.0.0.0" && (err != nil || ip.Is4())
}

// split returns the host of address in a canonical form, and its port.
func split(address string) (host string, port uint64, ok bool) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, false
	}
	port, err = strconv.ParseUint(text, 10, 16)
	host = strings.ToLower(host)
	switch ip, noIP := netip.ParseAddr(host); {
	case host == "":
		host = "::"
	case host == "localhost":
		host = "127.0.0.1"
	case noIP == nil:
		host = ip.Unmap().String()
	}
	return host, port, err == nil
}

// boundConflicts finds bounds that another bound makes useless.
func (c *Config) boundConflicts() (found []conflict) {
	if c.RateFlows > 0 && c.RateFlowsBurst > 0 && c.RateFlowsBurst < c.MaxFlows {
		found = append(found, conflict{[]string{"rate-flows-burst", "max-flows", "rate-flows"}, fmt.Sprintf(
			"rate-flows-burst (%d) is less than max-flows (%d), so that a batch of as many flows could never come in",
			c.RateFlowsBurst, c.MaxFlows)})
	}
	if c.RateBytes > 0 && c.RateBytesBurst > 0 && c.RateBytesBurst < c.MaxBodyBytes {
		found = append(found, conflict{[]string{"rate-bytes-burst", "max-body-bytes", "rate-bytes"}, fmt.Sprintf(
			"rate-bytes-burst (%s) is less than max-body-bytes (%s), so that a body of that size could never come in",
			c.RateBytesBurst, c.MaxBodyBytes)})
	}
	if c.MaxTuples > 0 && c.MaxTuplesHour > c.MaxTuples {
		found = append(found, conflict{[]string{"max-tuples-hour", "max-tuples"}, fmt.Sprintf(
			"max-tuples-hour (%d) is more than max-tuples (%d), which bounds all hours together", c.MaxTuplesHour, c.MaxTuples)})
	}
	return found
}
