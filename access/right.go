// Package access decides who may do what: it reads the tokens file, and holds each request's token or
// certificate to it.
//
//	tokens file ── Parse ── List ── Replace ──┐
//	                                          v
//	address, Authorization, certificate ── Gate.Check ── Right, or Refusal
//
// What is secret goes in and never comes out: no error, log line or text of this package has a token, a
// header or a digest of one.
package access

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Right is what the holder of a token, or of a certificate, may do. It is not changed once it is made.
type Right struct {
	// Name says in logs and metrics whose right it is: 1 to 64 visible ASCII characters, which no other
	// right of the list has. It is empty where everybody has every right.
	Name   string
	Scopes Scopes
	// VPCs are those whose flows may be written and read.
	VPCs VPCs
	// Expires is from when on it is no right any more. Zero is never.
	Expires time.Time
}

// expired tells whether r has ended.
func (r *Right) expired(now time.Time) bool { return !r.Expires.IsZero() && !now.Before(r.Expires) }

// Scopes is a set of what may be done.
type Scopes uint8

const (
	// Ingest is to write flows.
	Ingest Scopes = 1 << iota
	// Query is to read flows, and what is made of them.
	Query
	// Metrics is to read the metrics of the server.
	Metrics
	// Admin is to reload the settings, and to profile the server.
	Admin

	// allScopes has every one.
	allScopes = Ingest | Query | Metrics | Admin
)

// scopeNames are the scopes as a tokens file has them, in the order of their bits.
var scopeNames = []string{"ingest", "query", "metrics", "admin"}

// Has tells whether all of t are in s.
func (s Scopes) Has(t Scopes) bool { return s&t == t }

// String returns the scopes as in "ingest,query", and "none" if there is none.
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

var errNoScope = errors.New("there is none, so nothing could be done; there are ingest, query, metrics and admin")

// ParseScopes returns the set of names, of which there must be at least one, each once.
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

// add puts the scope of that name into s.
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
