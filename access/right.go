// Package access authorizes requests: it parses the tokens file, and checks each request's token or
// certificate against it.
//
//	tokens file ── Parse ── List ── Replace ──┐
//	                                          v
//	address, Authorization, certificate ── Gate.Check ── Grant, or Refusal
//
// Secrets go in and never come out: no error, log line or text of this package contains a token, a header
// or the digest of one.
package access

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Grant is what the holder of a token or of a certificate may do. It is immutable.
type Grant struct {
	// Name identifies the holder in logs and metrics: 1 to 64 visible ASCII characters, unique in the list.
	// It is empty while every client may do everything.
	Name   string
	Scopes Scopes
	// VPCs are those whose flows the holder may write and read.
	VPCs VPCs
	// Expires is the time from which the grant no longer holds. Zero means never.
	Expires time.Time
}

// expired reports whether r has expired.
func (r *Grant) expired(now time.Time) bool { return !r.Expires.IsZero() && !now.Before(r.Expires) }

// Scopes is a set of permissions.
type Scopes uint8

const (
	// Ingest permits writing flows.
	Ingest Scopes = 1 << iota
	// Query permits reading flows, and everything derived from them.
	Query
	// Metrics permits reading the metrics of the server.
	Metrics
	// Admin permits reloading the settings, and profiling the server.
	Admin

	// allScopes has every scope.
	allScopes = Ingest | Query | Metrics | Admin
)

// scopeNames are the names of scopes in a tokens file, in the order of their bits.
var scopeNames = []string{"ingest", "query", "metrics", "admin"}

// Has reports whether all scopes of t are in s.
func (s Scopes) Has(t Scopes) bool { return s&t == t }

// String returns the scopes as in "ingest,query", or "none" for the empty set.
func (s Scopes) String() string {
	names := s.names()
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ",")
}

func (s Scopes) names() []string {
	var names []string
	for i, name := range scopeNames {
		if s.Has(1 << i) {
			names = append(names, name)
		}
	}
	return names
}

var errNoScope = errors.New("is empty, so that nothing is allowed; there are ingest, query, metrics and admin")

// ParseScopes returns the set of names. At least one name is required, and each only once.
func ParseScopes(names []string) (Scopes, error) {
	var set Scopes
	for _, name := range names {
		if err := set.add(name); err != nil {
			return 0, err
		}
	}
	if set == 0 {
		return 0, errNoScope
	}
	return set, nil
}

// add adds the scope of that name to s.
func (s *Scopes) add(name string) error {
	i := slices.Index(scopeNames, name)
	switch {
	case i < 0:
		return fmt.Errorf("%s is no scope; there are ingest, query, metrics and admin", shown(name))
	case s.Has(1 << i):
		return fmt.Errorf("%q stands there twice", name)
	}
	*s |= 1 << i
	return nil
}
