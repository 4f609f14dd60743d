package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"slices"
)

// List maps tokens and certificates to their rights. It is immutable, so any number of goroutines may read
// it. A nil or empty List means that there is no tokens file: every client has every right.
type List struct {
	// tokens are sorted by digest. first is an index by the first eight bytes of the digest: nearly always
	// one token has them.
	tokens   []tokenRight
	first    map[uint64]int
	names    map[string]*Right // certificates by common name
	subjects map[string]*Right // certificates by whole subject
}

// tokenRight is the right of a token. Only the digest of the token is known.
type tokenRight struct {
	digest [sha256.Size]byte
	right  *Right
}

// Len returns the number of tokens and certificates that have a right.
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

// newList returns the list of these rights, which must have no duplicates.
func newList(tokens []tokenRight, names, subjects map[string]*Right) *List {
	slices.SortFunc(tokens, func(a, b tokenRight) int { return slices.Compare(a.digest[:], b.digest[:]) })
	first := make(map[uint64]int, len(tokens))
	for i := len(tokens) - 1; i >= 0; i-- {
		first[beginning(&tokens[i].digest)] = i
	}
	return &List{tokens: tokens, first: first, names: names, subjects: subjects}
}

// check returns the right of c, or why it has none.
func (l *List) check(c *Claim) (*Right, Reason) {
	var right *Right
	token, wellFormed := bearer(c.Authorization)
	switch {
	case !wellFormed:
		return nil, MalformedAuthorization
	case len(token) > 0:
		if right = l.ofToken(token); right == nil {
			return nil, UnknownToken
		}
	case c.Certificate != nil:
		if right = l.ofCertificate(c.Certificate); right == nil {
			return nil, UnknownCertificate
		}
		if c.Now.After(c.Certificate.NotAfter) { // the chain was verified only when the connection began
			return nil, ExpiredToken
		}
	default:
		return nil, NoToken
	}
	if right.expired(c.Now) {
		return nil, ExpiredToken
	}
	return right, 0
}

// ofToken returns the right of token, or nil. Its duration reveals at most how many digests begin with the
// same eight bytes as that of token, which no client can choose without inverting SHA-256.
func (l *List) ofToken(token []byte) *Right {
	digest := sha256.Sum256(token)
	at, known := l.first[beginning(&digest)]
	if !known {
		return nil
	}
	var right *Right
	for _, t := range l.tokens[at:] {
		if beginning(&t.digest) != beginning(&digest) {
			break
		}
		if subtle.ConstantTimeCompare(t.digest[:], digest[:]) == 1 {
			right = t.right
		}
	}
	return right
}

// ofCertificate returns the right of a certificate, or nil. The right of its whole subject has precedence
// over that of its common name.
func (l *List) ofCertificate(c *x509.Certificate) *Right {
	if len(l.subjects) > 0 {
		var memory [512]byte
		if subject, ok := appendSubject(memory[:0], c.RawSubject); ok {
			if right := l.subjects[string(subject)]; right != nil {
				return right
			}
		}
	}
	return l.names[c.Subject.CommonName]
}
