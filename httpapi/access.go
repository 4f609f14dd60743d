package httpapi

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/valyala/fasthttp"

	"flowd/access"
	"flowd/flow"
	"flowd/limit"
	"flowd/query"
)

const headerWWWAuthenticate = "WWW-Authenticate"

// challenge is what an answer 401 asks for (RFC 6750, 3).
const challenge = `Bearer realm="flowd"`

// everything is the right of everybody where there are no tokens.
var everything = &access.Right{Scopes: access.Ingest | access.Query | access.Metrics | access.Admin}

// admitting wraps a handler for those who have a right with these scopes.
func (s *Server) admitting(needs access.Scopes, handle fasthttp.RequestHandler) fasthttp.RequestHandler {
	if needs == 0 {
		return handle
	}
	return func(ctx *fasthttp.RequestCtx) {
		right, p := s.admit(ctx, needs)
		if p != nil {
			s.refuse(ctx, p)
			leaveUnread(ctx)
			if needs == access.Ingest {
				s.metrics.batches[p.outcome()].Inc()
			}
			return
		}
		if right != everything {
			ctx.SetUserValue(keyRight, right)
		}
		handle(ctx)
	}
}

// admit returns what the sender of ctx has a right to, or why it is not enough.
func (s *Server) admit(ctx *fasthttp.RequestCtx, needs access.Scopes) (*access.Right, *problem) {
	if s.gate.Open() {
		return everything, nil
	}
	return s.rightTo(needs, access.Claim{
		Addr:          addressOf(ctx),
		Authorization: authorizationOf(&ctx.Request.Header),
		Certificate:   clientCertificate(ctx),
		Now:           begun(ctx),
	})
}

// rightTo returns the right that a claim has, or why it does not reach these scopes.
func (s *Server) rightTo(needs access.Scopes, claim access.Claim) (*access.Right, *problem) {
	right, refusal := s.gate.Check(claim)
	switch {
	case refusal != nil:
		return nil, accessProblem(refusal)
	case !right.Scopes.Has(needs):
		return nil, &problem{
			status: fasthttp.StatusForbidden, reason: reasonScope,
			detail: fmt.Sprintf("This takes the scope %s, and %s has %s; use another token, or have the scope added to it.",
				needs, right.Name, right.Scopes),
		}
	}
	return right, nil
}

// authorizationOf returns what a request has of that header. Of several it would not be known which one is
// meant, so together they are refused as malformed.
func authorizationOf(h *fasthttp.RequestHeader) []byte {
	all := h.PeekAll(fasthttp.HeaderAuthorization)
	if len(all) == 1 {
		return all[0]
	}
	return bytes.Join(all, []byte{','})
}

// addressOf returns whom ctx comes from, without the port.
func addressOf(ctx *fasthttp.RequestCtx) netip.Addr {
	addr, _ := netip.AddrFromSlice(ctx.RemoteIP())
	return addr.Unmap()
}

// accessDetails say what to do about a refusal.
var accessDetails = map[access.Reason]string{
	access.NoToken:                "This takes a token: send the header Authorization: Bearer TOKEN.",
	access.MalformedAuthorization: "The header Authorization is not of the form Bearer TOKEN.",
	access.UnknownToken:           "The token is not known; it may have been replaced.",
	access.ExpiredToken:           "The token has expired; ask for a new one.",
	access.UnknownCertificate:     "The certificate is valid, but its subject has no rights here; have it added to the tokens file, or send a token.",
	access.Slowed:                 "Too many attempts with a wrong token came from this address; wait before the next one.",
}

func accessProblem(r *access.Refusal) *problem {
	p := &problem{
		status: fasthttp.StatusUnauthorized, reason: reasonAccess, word: r.Reason.String(),
		detail: accessDetails[r.Reason], header: headerWWWAuthenticate, value: challenge,
	}
	if r.Reason == access.Slowed {
		p.status, p.header, p.value = fasthttp.StatusTooManyRequests, headerRetryAfter, limit.RetryAfter(r.RetryAfter)
	}
	return p
}

// rightOf returns what the sender of ctx was admitted with.
func rightOf(ctx *fasthttp.RequestCtx) *access.Right {
	if right, ok := ctx.UserValue(keyRight).(*access.Right); ok {
		return right
	}
	return everything
}

// clientName returns the name by which the client of a request is told from others: that of its token, or its
// address if it has no token.
func clientName(ctx *fasthttp.RequestCtx, right *access.Right) string {
	if right.Name != "" {
		return right.Name
	}
	addr := addressOf(ctx)
	if addr.Is4() {
		text := addr.As4()
		return string(text[:])
	}
	const network = 8 // of IPv6: one host has a whole /64
	text := addr.As16()
	return string(text[:network])
}

// mostForeign is how many flows of other VPCs are listed.
const mostForeign = 20

// foreign refuses a batch with flows that the right does not reach.
func foreign(b *flow.Batch, right *access.Right) *problem {
	if right.VPCs.All() {
		return nil
	}
	var fields []flow.FieldError
	more := 0
	for i := range b.Items {
		item := &b.Items[i]
		_, _, vpc := flow.Key(b.Keys[item.KeyFrom : item.KeyFrom+uint32(item.KeyLen)]).Names()
		if right.VPCs.Allow(vpc) {
			continue
		}
		if len(fields) == mostForeign {
			more++
			continue
		}
		fields = append(fields, flow.FieldError{
			Pointer: "/" + strconv.Itoa(i) + "/vpc_id", Detail: fmt.Sprintf("%q is not of the VPCs of this token", vpc),
		})
	}
	if fields == nil {
		return nil
	}
	p := &problem{
		status: fasthttp.StatusForbidden, reason: reasonForeignVPC, fields: fields,
		detail: "The batch has flows of VPCs that this token may not write, so none of its flows counts.",
	}
	if more > 0 {
		p.detail += fmt.Sprintf(" %d more are not listed.", more)
	}
	return p
}

// noVPC matches no row: no name is empty.
var noVPC = query.Match{Names: []string{""}}

// within returns what both m and v keep. A nil v keeps all.
func within(m query.Match, v *access.VPCs) query.Match {
	switch {
	case v == nil || v.All():
		return m
	case m.All():
		return query.Match{Names: v.Names, Prefixes: v.Prefixes}
	}
	var both query.Match
	keep := func(name string) { both.Names = append(both.Names, name) }
	for _, name := range m.Names {
		if v.Allow([]byte(name)) {
			keep(name)
		}
	}
	for _, asked := range m.Prefixes {
		for _, name := range v.Names {
			if len(name) >= len(asked) && name[:len(asked)] == asked {
				keep(name)
			}
		}
		for _, allowed := range v.Prefixes {
			// Of two prefixes the longer one is what both keep, if it begins with the other.
			longer, shorter := asked, allowed
			if len(longer) < len(shorter) {
				longer, shorter = shorter, longer
			}
			if longer[:len(shorter)] == shorter {
				both.Prefixes = append(both.Prefixes, longer)
			}
		}
	}
	if both.All() {
		return noVPC
	}
	slices.Sort(both.Names)
	slices.Sort(both.Prefixes)
	both.Names, both.Prefixes = slices.Compact(both.Names), slices.Compact(both.Prefixes)
	return both
}

// unbound wraps a handler whose answer is about all VPCs.
func (s *Server) unbound(handle fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if right := rightOf(ctx); !right.VPCs.All() {
			s.refuse(ctx, &problem{
				status: fasthttp.StatusForbidden, reason: reasonScope,
				detail: right.Name + " is bound to VPCs, and this is about all of them; use a token for all.",
			})
			return
		}
		handle(ctx)
	}
}
