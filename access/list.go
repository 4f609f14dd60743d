package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"slices"
)

// List is who has which right. It is not changed once it is made, and may be read by many at once. A nil
// one, and one of nobody, stands for no list at all: then everybody has every right.
type List struct {
	// tokens are in the order of their digests, and first says where those are that begin with the same
	// eight bytes: nearly always it is one.
	tokens   []tokenRight
	first    map[uint64]int
	names    map[string]*Right // certificates by common name
	subjects map[string]*Right // certificates by whole subject
}

// tokenRight is the right of a token, of which no more is known than its digest.
type tokenRight struct {
	digest [sha256.Size]byte
	right  *Right
}

// Len returns how many tokens and certificates have a right.
func (l *List) Len() int {
	if l == nil {
		return 0
	}
	return len(l.tokens) + len(l.names) + len(l.subjects)
}

// Format writes how many there are, whatever the verb: digests are not for logs.
func (l List) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "%d tokens, %d certificates", len(l.tokens), len(l.names)+len(l.subjects))
}

func beginning(digest *[sha256.Size]byte) uint64 { return binary.BigEndian.Uint64(digest[:]) }

// newList returns the list of these rights, of which none is there twice.
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
		if c.Now.After(c.Certificate.NotAfter) { // it was verified when the connection began
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

// ofToken returns the right of token, or nil. How long it takes tells at most how many digests begin as that
// of token does, which nobody can choose without knowing SHA-256 by heart.
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

// ofCertificate returns the right of a certificate, or nil: that of its whole subject goes before that of
// its common name.
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
