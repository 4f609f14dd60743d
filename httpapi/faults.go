package httpapi

import (
	"errors"
	"io"
	"net"
	"syscall"

	"github.com/valyala/fasthttp"

	"flowd/access"
)

// protocolError answers a request that fasthttp could not read, after which it closes the
// connection. Such a request has neither a route nor a beginning, so it is counted by its reason
// alone.
func (s *Server) protocolError(ctx *fasthttp.RequestCtx, err error) {
	s.refuse(ctx, s.readProblem(err))
	leaveUnread(ctx)
	// Load balancers that only try whether a port is open end the connection by a reset.
	if !errors.Is(err, syscall.ECONNRESET) {
		s.logRefused(ctx)
	}
}

// readProblem tells what was wrong with a request by the error of reading it.
func (s *Server) readProblem(err error) *problem {
	var small *fasthttp.ErrSmallBuffer
	var timeout net.Error
	switch {
	case errors.As(err, &small):
		return &problem{
			status: fasthttp.StatusRequestHeaderFieldsTooLarge, reason: reasonHeader,
			detail: "The request line and the headers are longer than " + bytesText(int64(s.limits.HeaderBytes)) +
				" together; send less, or raise max-header-bytes.",
		}
	case errors.As(err, &timeout) && timeout.Timeout():
		return &problem{
			status: fasthttp.StatusRequestTimeout, reason: reasonTimeout,
			detail: "The request did not arrive within " + s.limits.ReadTimeout.String() +
				"; send it faster or in smaller parts, or raise read-timeout.",
		}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return &problem{
			status: fasthttp.StatusBadRequest, reason: reasonCutShort,
			detail: "The connection ended before the request did; nothing of it counts.",
		}
	default:
		return &problem{
			status: fasthttp.StatusBadRequest, reason: reasonMalformed,
			detail: "The request is not well-formed HTTP/1.1; nothing of it counts.",
		}
	}
}

// expectation answers "Expect: 100-continue": with 100 if the body may come, or at once with
// what the headers alone are refused for, or its sender. Only bodies of POST /flows are looked at: those of
// others are dropped anyway. The answer is written into ctx here, which fasthttp then sends.
func (s *Server) expectation(ctx *fasthttp.RequestCtx) int {
	if !ctx.IsPost() || !isFlowsPath(ctx.URI().PathOriginal()) {
		return fasthttp.StatusContinue
	}
	_, p := s.admit(ctx, access.Ingest)
	if p == nil {
		p = s.readHead(&ctx.Request.Header, new(ingestHead))
	}
	if p == nil {
		return fasthttp.StatusContinue
	}
	s.refuse(ctx, p)
	s.metrics.batches[p.outcome()].Inc()
	s.metrics.observe(routePostFlows, p.status, 0)
	s.logRefused(ctx)
	leaveUnread(ctx)
	return p.status
}
