package httpapi

import (
	"github.com/valyala/fasthttp"

	"flowd/access"
	"flowd/httpapi/admin"
	"flowd/httpapi/reject"
	"flowd/logs"
)

// operated is a server as the admin server has it.
type operated struct{ s *Server }

// ForAdmin returns what the admin server of s needs of it.
func (s *Server) ForAdmin() admin.API { return operated{s} }

func (o operated) RightTo(needs access.Scopes, claim access.Claim) (*access.Right, *reject.Problem) {
	return o.s.rightTo(needs, claim)
}

func (o operated) Rejected(p *reject.Problem)        { o.s.rejects.Count(p) }
func (o operated) Panicked(cause any, target []byte) { o.s.panicked(cause, target) }
func (o operated) Unready() *reject.Problem {
	return reject.Unready(o.s.engine.Status(), reject.Writing)
}
func (o operated) Lines() *logs.Limiter                { return o.s.lines }
func (o operated) Live(ctx *fasthttp.RequestCtx)       { o.s.live(ctx) }
func (o operated) Ready(ctx *fasthttp.RequestCtx)      { o.s.ready(ctx) }
func (o operated) Exposition(ctx *fasthttp.RequestCtx) { o.s.exposition(ctx) }
