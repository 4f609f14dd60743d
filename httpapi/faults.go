package httpapi

import (
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"flowd/humanize"
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
			detail: "The request line and the headers are longer than " + humanize.Limit(int64(s.limits.HeaderBytes)) +
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
	case errors.Is(err, errVersion), unknownVersion(err):
		return versionProblem()
	default:
		for fault, detail := range malformedDetails {
			if errors.Is(err, fault) {
				return &problem{status: fasthttp.StatusBadRequest, reason: reasonMalformed, detail: detail}
			}
		}
		return &problem{
			status: fasthttp.StatusBadRequest, reason: reasonMalformed,
			detail: "The request is not well-formed HTTP/1.1; nothing of it counts.",
		}
	}
}

// expectation answers "Expect: 100-continue": with 100 if the body may come, or at once with what is answered
// without it. That is found out by the handlers themselves, up to where they would read the body. The answer is
// written into ctx here, which fasthttp then sends.
func (s *Server) expectation(ctx *fasthttp.RequestCtx) int {
	if c, ok := ctx.Conn().(*conn); ok {
		c.waiting = time.Now()
		defer func() { c.waiting = time.Time{} }()
	}
	s.http.Handler(ctx)
	if ctx.Response.StatusCode() == fasthttp.StatusContinue {
		ctx.SetStatusCode(fasthttp.StatusOK)
		ctx.ResetUserValues()
		return fasthttp.StatusContinue
	}
	leaveUnread(ctx)
	return ctx.Response.StatusCode()
}
