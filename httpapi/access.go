package httpapi

import (
	"bytes"
	"fmt"

	"github.com/valyala/fasthttp"

	"flowd/access"
	"flowd/httpapi/conn"
	"flowd/httpapi/reject"
	"flowd/limit"
)

const headerWWWAuthenticate = "WWW-Authenticate"

// challenge is what an answer 401 asks for (RFC 6750, 3).
const challenge = `Bearer realm="flowd"`

// everything is the right of every client of a server without tokens.
var everything = &access.Grant{Scopes: access.Ingest | access.Query | access.Metrics | access.Admin}

// admitting wraps a handler for clients whose right has these scopes.
func (s *Server) admitting(needs access.Scopes, handle fasthttp.RequestHandler) fasthttp.RequestHandler {
	if needs == 0 {
		return handle
	}
	return func(ctx *fasthttp.RequestCtx) {
		right, p := s.admit(ctx, needs)
		if p != nil {
			s.rejects.Answer(ctx, p)
			conn.LeaveUnread(ctx)
			if needs == access.Ingest {
				s.ingest.Rejected(p)
			}
			return
		}
		if right != everything {
			ctx.SetUserValue(keyGrant, right)
		}
		handle(ctx)
	}
}

// admit returns what the sender of ctx has a right to, or why it is not enough.
func (s *Server) admit(ctx *fasthttp.RequestCtx, needs access.Scopes) (*access.Grant, *reject.Problem) {
	if s.gate.Open() {
		return everything, nil
	}
	return s.grantFor(needs, access.Credential{
		Addr:          conn.AddressOf(ctx),
		Authorization: authorizationOf(&ctx.Request.Header),
		Certificate:   conn.Certificate(ctx),
		Now:           conn.Begun(ctx),
	})
}

// grantFor returns the right that a claim has, or why it does not reach these scopes.
func (s *Server) grantFor(needs access.Scopes, claim access.Credential) (*access.Grant, *reject.Problem) {
	right, refusal := s.gate.Check(claim)
	switch {
	case refusal != nil:
		return nil, accessProblem(refusal)
	case !right.Scopes.Has(needs):
		return nil, &reject.Problem{
			Status: fasthttp.StatusForbidden, Reason: reject.Scope,
			Detail: fmt.Sprintf("This takes the scope %s, and %s has %s; use another token, or have the scope added to it.",
				needs, right.Name, right.Scopes),
		}
	}
	return right, nil
}

// authorizationOf returns what a request has of that header. Of several it would not be known which one is
// meant, so together they are rejected as malformed.
func authorizationOf(h *fasthttp.RequestHeader) []byte {
	all := h.PeekAll(fasthttp.HeaderAuthorization)
	if len(all) == 1 {
		return all[0]
	}
	return bytes.Join(all, []byte{','})
}

// accessDetails say what a client should do that was rejected for a reason.
var accessDetails = map[access.Reason]string{
	access.NoToken:                "This takes a token: send the header Authorization: Bearer TOKEN.",
	access.MalformedAuthorization: "The header Authorization is not of the form Bearer TOKEN.",
	access.UnknownToken:           "The token is not known; it may have been replaced.",
	access.ExpiredToken:           "The token has expired; ask for a new one.",
	access.UnknownCertificate:     "The certificate is valid, but its subject has no rights here; have it added to the tokens file, or send a token.",
	access.Slowed:                 "Too many attempts with a wrong token came from this address; wait before the next one.",
}

// accessWords returns the words of all problems of access.
func accessWords() (words []string) {
	for r := range accessDetails {
		words = append(words, r.String())
	}
	return words
}

func accessProblem(r *access.Refusal) *reject.Problem {
	p := &reject.Problem{
		Status: fasthttp.StatusUnauthorized, Reason: reject.Access, Word: r.Reason.String(),
		Detail: accessDetails[r.Reason], Header: headerWWWAuthenticate, Value: challenge,
	}
	if r.Reason == access.Slowed {
		p.Status, p.Header, p.Value = fasthttp.StatusTooManyRequests, reject.RetryAfter, limit.RetryAfter(r.RetryAfter)
	}
	return p
}

// grantOf returns what the sender of ctx was admitted with.
func grantOf(ctx *fasthttp.RequestCtx) *access.Grant {
	if right, ok := ctx.UserValue(keyGrant).(*access.Grant); ok {
		return right
	}
	return everything
}

// unbound wraps a handler whose answer is about all VPCs.
func (s *Server) unbound(handle fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if right := grantOf(ctx); !right.VPCs.All() {
			s.rejects.Answer(ctx, &reject.Problem{
				Status: fasthttp.StatusForbidden, Reason: reject.Scope,
				Detail: right.Name + " is bound to VPCs, and this is about all of them; use a token for all.",
			})
			return
		}
		handle(ctx)
	}
}
