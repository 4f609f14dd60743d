package httpapi

import (
	_ "embed"
	"flowd/httpapi/format"

	"github.com/valyala/fasthttp"
)

// openAPI describes every route, for people and for programs that are made from it. Tests hold it to
// what the server takes and answers.
//
//go:embed openapi.json
var openAPI []byte

// description answers what the server takes and answers, as OpenAPI. It never changes while the
// server runs.
func (s *Server) description(ctx *fasthttp.RequestCtx) {
	ctx.SetContentType(format.JSONType)
	ctx.Response.SetBodyRaw(openAPI)
}
