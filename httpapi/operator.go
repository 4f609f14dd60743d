package httpapi

import (
	"github.com/valyala/fasthttp"

	"flowd/access"
	"flowd/httpapi/admin"
	"flowd/httpapi/reject"
	"flowd/logs"
)

// adminAPI is a server as the admin server has it.
type adminAPI struct{ s *Server }

// AdminAPI returns what the admin server of s needs of it.
func (s *Server) AdminAPI() admin.API { return adminAPI{s} }

func (o adminAPI) RightTo(needs access.Scopes, claim access.Credential) (*access.Grant, *reject.Problem) {
	return o.s.grantFor(needs, claim)
}

func (o adminAPI) Rejected(p *reject.Problem)        { o.s.rejects.Count(p) }
func (o adminAPI) Panicked(cause any, target []byte) { o.s.panicked(cause, target) }
func (o adminAPI) Unready() *reject.Problem {
	return reject.Unready(o.s.engine.Status(), reject.Writing)
}
func (o adminAPI) Lines() *logs.Limiter                { return o.s.lines }
func (o adminAPI) Live(ctx *fasthttp.RequestCtx)       { o.s.live(ctx) }
func (o adminAPI) Ready(ctx *fasthttp.RequestCtx)      { o.s.ready(ctx) }
func (o adminAPI) Exposition(ctx *fasthttp.RequestCtx) { o.s.exposition(ctx) }
