package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"slices"
)

// List maps tokens and certificates to their grants. It is immutable, so any number of goroutines may read
// it. A nil or empty List means that there is no tokens file: every client may do everything.
type List struct {
	// tokens are sorted by digest. first is an index by the first eight bytes of the digest: nearly always
	// one token has them.
	tokens   []tokenGrant
	first    map[uint64]int
	names    map[string]*Grant // certificates by common name
	subjects map[string]*Grant // certificates by whole subject
}

// tokenGrant is the grant of a token. Only the digest of the token is known.
type tokenGrant struct {
	digest [sha256.Size]byte
	grant  *Grant
}

// Len returns the number of tokens and certificates that have a grant.
func (l *List) Len() int {
	if l == nil {
		return 0
	}
	return len(l.tokens) + len(l.names) + len(l.subjects)
}

// Format writes the numbers of tokens and certificates, whatever the verb: digests must not get into logs.
func (l List) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "%d tokens, %d certificates", len(l.tokens), len(l.names)+len(l.subjects))
}

func beginning(digest *[sha256.Size]byte) uint64 { return binary.BigEndian.Uint64(digest[:]) }

// newList returns the list of these grants, which must have no duplicates.
func newList(tokens []tokenGrant, names, subjects map[string]*Grant) *List {
	slices.SortFunc(tokens, func(a, b tokenGrant) int { return slices.Compare(a.digest[:], b.digest[:]) })
	first := make(map[uint64]int, len(tokens))
	for i := len(tokens) - 1; i >= 0; i-- {
		first[beginning(&tokens[i].digest)] = i
	}
	return &List{tokens: tokens, first: first, names: names, subjects: subjects}
}

// check returns the grant of c, or why it has none.
func (l *List) check(c *Credential) (*Grant, Reason) {
	var grant *Grant
	token, wellFormed := bearer(c.Authorization)
	switch {
	case !wellFormed:
		return nil, MalformedAuthorization
	case len(token) > 0:
		if grant = l.ofToken(token); grant == nil {
			return nil, UnknownToken
		}
	case c.Certificate != nil:
		if grant = l.ofCertificate(c.Certificate); grant == nil {
			return nil, UnknownCertificate
		}
		if c.Now.After(c.Certificate.NotAfter) { // the chain was verified only when the connection began
			return nil, ExpiredToken
		}
	default:
		return nil, NoToken
	}
	if grant.expired(c.Now) {
		return nil, ExpiredToken
	}
	return grant, 0
}

// ofToken returns the grant of token, or nil. Its duration reveals at most how many digests begin with the
// same eight bytes as that of token, which no client can choose without inverting SHA-256.
func (l *List) ofToken(token []byte) *Grant {
	digest := sha256.Sum256(token)
	at, known := l.first[beginning(&digest)]
	if !known {
		return nil
	}
	var grant *Grant
	for _, t := range l.tokens[at:] {
		if beginning(&t.digest) != beginning(&digest) {
			break
		}
		if subtle.ConstantTimeCompare(t.digest[:], digest[:]) == 1 {
			grant = t.grant
		}
	}
	return grant
}

// ofCertificate returns the grant of a certificate, or nil. The grant of its whole subject has precedence
// over that of its common name.
func (l *List) ofCertificate(c *x509.Certificate) *Grant {
	if len(l.subjects) > 0 {
		var memory [512]byte
		if subject, ok := appendSubject(memory[:0], c.RawSubject); ok {
			if grant := l.subjects[string(subject)]; grant != nil {
				return grant
			}
		}
	}
	return l.names[c.Subject.CommonName]
}
