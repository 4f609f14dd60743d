package httpapi

import (
	"github.com/valyala/fasthttp"

	"flowd/access"
	"flowd/logs"
)

// operated is a server as the admin server has it.
type operated struct{ s *Server }

// ForAdmin returns what the admin server of s needs of it.
func (s *Server) ForAdmin() adminServed { return operated{s} }

func (o operated) RightTo(needs access.Scopes, claim access.Claim) (*access.Right, *problem) {
	return o.s.rightTo(needs, claim)
}

func (o operated) Rejected(p *problem)                 { o.s.rejects.count(p) }
func (o operated) Panicked(cause any, target []byte)   { o.s.panicked(cause, target) }
func (o operated) Unready() *problem                   { return unready(o.s.engine.Status(), writing) }
func (o operated) Lines() *logs.Limiter                { return o.s.lines }
func (o operated) Live(ctx *fasthttp.RequestCtx)       { o.s.live(ctx) }
func (o operated) Ready(ctx *fasthttp.RequestCtx)      { o.s.ready(ctx) }
func (o operated) Exposition(ctx *fasthttp.RequestCtx) { o.s.exposition(ctx) }
