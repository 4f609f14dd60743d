package httpapi

import (
	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"

	"flowd/access"
	"flowd/httpapi/conn"
	"flowd/httpapi/reject"
)

// prefix is where every route is served a second time, by the same handler.
const prefix = "/api/v1"

const flowsPath = "/flows"

// newRouter has a handler for every path. It redirects nothing: a client with a path that is
// not quite right is told so.
func (s *Server) newRouter() *router.Router {
	r := router.New()
	r.RedirectTrailingSlash = false
	r.RedirectFixedPath = false
	r.NotFound = ignoringBody(s.notFound)
	r.MethodNotAllowed = ignoringBody(s.methodNotAllowed)
	r.GlobalOPTIONS = ignoringBody(s.options)

	post := s.on(routePostFlows, s.admitting(access.Ingest, s.postFlows))
	for _, root := range []string{"", prefix} {
		r.POST(root+flowsPath, post)
	}
	get := func(to route, handle fasthttp.RequestHandler, paths ...string) {
		handle = s.on(to, ignoringBody(handle))
		for _, path := range paths {
			for _, root := range []string{"", prefix} {
				r.GET(root+path, handle)
				r.HEAD(root+path, handle)
			}
		}
	}
	asking := func(handle fasthttp.RequestHandler) fasthttp.RequestHandler {
		return s.admitting(access.Query, s.answering(handle))
	}
	get(routeGetFlows, asking(s.getFlows), flowsPath)
	get(routeDiff, asking(s.getDiff), "/diff")
	get(routePairs, asking(s.getPairs), "/pairs")
	get(routeCompletion, asking(s.getNames), "/names")
	get(routeHours, asking(s.getHours), "/hours")
	get(routeLedger, asking(s.unbound(s.getLedger)), "/ledger")
	get(routeMetrics, s.admitting(access.Metrics, s.exposition), "/metrics")
	get(routeLive, s.live, "/livez", "/health", "/-/healthy")
	get(routeReady, s.ready, "/readyz", "/-/ready")
	get(routeVersion, s.version, "/version")
	get(routeOpenAPI, s.description, "/openapi.json")
	s.servePage(r)
	return r
}

func (s *Server) postFlows(ctx *fasthttp.RequestCtx) { s.ingest.Post(ctx, grantOf(ctx)) }

// on notes the route for the middleware.
func (s *Server) on(to route, handle fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		ctx.SetUserValue(keyRoute, to)
		handle(ctx)
	}
}

// ignoringBody wraps a handler that does not read the body.
func ignoringBody(handle fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if ctx.RequestBodyStream() != nil {
			conn.LeaveUnread(ctx)
		}
		handle(ctx)
	}
}

func (s *Server) notFound(ctx *fasthttp.RequestCtx) {
	s.rejects.Answer(ctx, &reject.Problem{
		Status: fasthttp.StatusNotFound, Reason: reject.UnknownPath,
		Detail: "There is nothing at this path; flows are at /flows, and what hours there are at /hours.",
	})
}

// methodNotAllowed finds the header Allow set by the router.
func (s *Server) methodNotAllowed(ctx *fasthttp.RequestCtx) {
	s.rejects.Answer(ctx, &reject.Problem{
		Status: fasthttp.StatusMethodNotAllowed, Reason: reject.Method,
		Detail: "This path does not take this method; the header Allow has those that it takes.",
	})
}

// options finds the header Allow set by the router.
func (s *Server) options(ctx *fasthttp.RequestCtx) {
	ctx.SetStatusCode(fasthttp.StatusNoContent)
}

// answering wraps a handler that asks the engine, to reject requests while it cannot answer.
func (s *Server) answering(handle fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if p := reject.Unready(s.engine.Status(), reject.Reading); p != nil {
			s.rejects.Answer(ctx, p)
			return
		}
		handle(ctx)
	}
}
