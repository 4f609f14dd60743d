package access

import (
	"crypto/x509"
	"fmt"
	"io"
	"net/netip"
	"sync/atomic"
	"time"
)

// Gate authorizes requests, or refuses them. All methods may be called concurrently.
type Gate struct {
	list      atomic.Pointer[List]
	anyClient *Grant // the result of Check while the gate is open
	refused   [reasons]atomic.Uint64
	failures  *failures
}

// Options configure a Gate.
type Options struct {
	// Addresses is the number of addresses whose failures are remembered, those that failed last; 0 means
	// 10,000.
	Addresses int
}

// NewGate returns an open gate.
func NewGate(o Options) *Gate {
	return &Gate{anyClient: &Grant{Scopes: allScopes}, failures: newFailures(o.Addresses)}
}

// Replace puts l in force for every Check that begins from now on. A nil or empty list opens the gate.
func (g *Gate) Replace(l *List) { g.list.Store(l) }

// Open reports whether every client may do everything, because no list is in force.
func (g *Gate) Open() bool { return g.list.Load().Len() == 0 }

// Credential is what one request presents to be authorized. No verb prints its header.
type Credential struct {
	// Addr is the client's address. IPv6 addresses of one /64 are one client.
	Addr netip.Addr
	// Authorization is the value of that header, empty without one. Check reads it only during the call.
	// Several headers are joined by commas (RFC 9110, 5.2), which is malformed.
	Authorization []byte
	// Certificate is the verified certificate of the client, which proved to have its key; or nil.
	Certificate *x509.Certificate
	// Now is the time by which grants expire. Zero means the time of the call.
	Now time.Time
}

// Format writes the address, and which credentials there are, whatever the verb.
func (c Credential) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.text()) }

// MarshalText returns the same text for logs and JSON.
func (c Credential) MarshalText() ([]byte, error) { return []byte(c.text()), nil }

func (c *Credential) text() string {
	has := map[bool]string{false: "without", true: "with"}
	return fmt.Sprintf("%v %s a header, %s a certificate", c.Addr, has[len(c.Authorization) > 0], has[c.Certificate != nil])
}

// Refusal says why a credential is refused.
type Refusal struct {
	Reason Reason
	// RetryAfter is the time until the next failure is answered with its own reason. It is set only with
	// Slowed.
	RetryAfter time.Duration
}

// Reason is why a credential is refused. Its text is the label of the metrics.
type Reason uint8

const (
	// NoToken is a request with neither a token nor a certificate.
	NoToken Reason = iota
	// MalformedAuthorization is a header that is not "Bearer" and one token.
	MalformedAuthorization
	// UnknownToken is a token that is not in the list.
	UnknownToken
	// ExpiredToken is a token or a certificate whose grant has expired.
	ExpiredToken
	// UnknownCertificate is a certificate that is not in the list.
	UnknownCertificate
	// Slowed is a credential that fails for any reason but NoToken, after too many such failures of its address.
	Slowed
	reasons
)

// reasonNames are in the order of the reasons.
var reasonNames = [reasons]string{
	"no-token", "malformed-authorization", "unknown-token", "expired-token", "unknown-certificate", "slowed",
}

// String returns the reason as in "unknown-token".
func (r Reason) String() string { return reasonNames[r] }

// Failures returns the number of credentials that were refused for that reason.
func (g *Gate) Failures(r Reason) uint64 { return g.refused[r].Load() }

// Check returns the grant of c, or why it has none. A token has precedence over a certificate.
//
// Credentials that fail with a token or a certificate are rate-limited by address: after ten failures, one per
// second is answered with its own reason, and the others are refused as Slowed. Valid credentials always pass,
// so a client does not suffer from the failures of another one behind the same address.
func (g *Gate) Check(c Credential) (*Grant, *Refusal) {
	list := g.list.Load()
	if list.Len() == 0 {
		return g.anyClient, nil
	}
	if c.Now.IsZero() {
		c.Now = time.Now()
	}
	grant, reason := list.check(&c)
	if grant != nil {
		return grant, nil
	}
	refusal := &Refusal{Reason: reason}
	// A request without a token guesses nothing; it is how a client learns that it needs one.
	if reason != NoToken {
		if wait := g.failures.wait(c.Addr, c.Now); wait > 0 {
			*refusal = Refusal{Slowed, wait}
		}
	}
	g.refused[refusal.Reason].Add(1)
	return nil, refusal
}
