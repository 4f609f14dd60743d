package access

import (
	"crypto/x509"
	"fmt"
	"io"
	"net/netip"
	"sync/atomic"
	"time"
)

// Gate lets requests in, or refuses them. All of its methods may be called at once.
type Gate struct {
	list      atomic.Pointer[List]
	everybody *Right // where the gate is open
	refused   [reasons]atomic.Uint64
	failures  *failures
}

// Options are what a Gate is made of.
type Options struct {
	// Addresses is how many addresses' failures are remembered, of those that failed last: 0 is 10,000.
	Addresses int
}

// NewGate returns an open gate.
func NewGate(o Options) *Gate {
	return &Gate{everybody: &Right{Scopes: allScopes}, failures: newFailures(o.Addresses)}
}

// Replace puts l in force for every Check that begins from now on. nil and a list of nobody open the gate.
func (g *Gate) Replace(l *List) { g.list.Store(l) }

// Open tells whether everybody has every right, since there is no list of who has which.
func (g *Gate) Open() bool { return g.list.Load().Len() == 0 }

// Claim is what a request has to show. However it is printed, no header is in it.
type Claim struct {
	// Addr is the client's. IPv6 addresses of one /64 are one client.
	Addr netip.Addr
	// Authorization is the value of that header, and lent for the call; empty if there is none. Of a
	// request that has several it is all of them with commas between (RFC 9110, 5.2), which is malformed.
	Authorization []byte
	// Certificate is the one that the client proved to be its own, verified, or nil.
	Certificate *x509.Certificate
	// Now is the time, by which rights end. Zero is the time of the call.
	Now time.Time
}

// Format writes whose claim it is and in which form, whatever the verb.
func (c Claim) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.text()) }

// MarshalText is what logs and JSON have of a claim: the same.
func (c Claim) MarshalText() ([]byte, error) { return []byte(c.text()), nil }

func (c *Claim) text() string {
	has := map[bool]string{false: "without", true: "with"}
	return fmt.Sprintf("%v %s a header, %s a certificate", c.Addr, has[len(c.Authorization) > 0], has[c.Certificate != nil])
}

// Refusal is why a claim is refused.
type Refusal struct {
	Reason Reason
	// RetryAfter is when the next claim that fails is looked at, of a claim that was Slowed.
	RetryAfter time.Duration
}

// Reason is why a claim is refused. Its text is that of the metrics.
type Reason uint8

const (
	// NoToken is a request without a token, and without a certificate.
	NoToken Reason = iota
	// MalformedAuthorization is a header that is not "Bearer" and one token.
	MalformedAuthorization
	// UnknownToken is a token that is not in the list.
	UnknownToken
	// ExpiredToken is a token, or a certificate, whose right has ended.
	ExpiredToken
	// UnknownCertificate is a certificate that is not in the list.
	UnknownCertificate
	// Slowed is a claim that fails for any reason but NoToken, after too many of those from its address.
	Slowed
	reasons
)

// reasonNames are in the order of the reasons.
var reasonNames = [reasons]string{
	"no-token", "malformed-authorization", "unknown-token", "expired-token", "unknown-certificate", "slowed",
}

// String returns the reason as in "unknown-token".
func (r Reason) String() string { return reasonNames[r] }

// Failures returns how many claims were refused for that reason.
func (g *Gate) Failures(r Reason) uint64 { return g.refused[r].Load() }

// Check returns the right that c has, or why it has none. A token goes before a certificate.
//
// Claims that fail with a token or a certificate are slowed by address: beyond ten, one in a second is told
// why, and the others are refused as Slowed. What holds is let in all the same: whoever shares an address
// with somebody else's failures need not suffer for them.
func (g *Gate) Check(c Claim) (*Right, *Refusal) {
	list := g.list.Load()
	if list.Len() == 0 {
		return g.everybody, nil
	}
	if c.Now.IsZero() {
		c.Now = time.Now()
	}
	right, reason := list.check(&c)
	if right != nil {
		return right, nil
	}
	refusal := &Refusal{Reason: reason}
	// Without a token nothing was guessed; it is how a client learns that it needs one.
	if reason != NoToken {
		if wait := g.failures.wait(c.Addr, c.Now); wait > 0 {
			*refusal = Refusal{Slowed, wait}
		}
	}
	g.refused[refusal.Reason].Add(1)
	return nil, refusal
}
