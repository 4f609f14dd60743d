package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"flowd/httpapi/conn"
	"flowd/httpapi/reject"
	"flowd/logs"
)

// recovering answers 500 to a request whose handler panics, so that the server goes on.
func (s *Server) recovering(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		defer s.recovered(ctx)
		next(ctx)
	}
}

// recovered is deferred around a handler.
func (s *Server) recovered(ctx *fasthttp.RequestCtx) {
	cause := recover()
	if cause == nil {
		return
	}
	s.panicked(cause, ctx.RequestURI())
	ctx.Response.Reset()
	s.rejects.Answer(ctx, &reject.Problem{
		Status: fasthttp.StatusInternalServerError, Reason: reject.Panic,
		Detail: "The server failed to answer because of a fault of its own, which is in its log.",
	})
	conn.LeaveUnread(ctx)
	s.metrics.observe(routeOf(ctx), fasthttp.StatusInternalServerError, time.Since(conn.Begun(ctx)))
}

// panicked counts and logs a panic of the goroutine that calls it, in a deferred function. It names the
// request by its target. Panics of one place are lines of one kind.
func (s *Server) panicked(cause any, target []byte) {
	s.metrics.panics.Inc()
	s.lines.Log(slog.LevelError, logs.Kind{Message: "panic while answering a request", Reason: panicPlace()}, func() []slog.Attr {
		return []slog.Attr{logs.Text("target", target), logs.Long("panic", fmt.Sprint(cause)), logs.Long("stack", debug.Stack())}
	})
}

// panicPlace returns the function and line that panicked: the first of the stack that is not the runtime's,
// below the deferred call.
func panicPlace() string {
	var callers [64]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers[:])])
	panicking := false
	for {
		frame, more := frames.Next()
		switch {
		case frame.Function == "runtime.gopanic":
			panicking = true
		case panicking && !strings.HasPrefix(frame.Function, "runtime."):
			return fmt.Sprintf("%s:%d", frame.Function, frame.Line)
		}
		if !more {
			return "unknown"
		}
	}
}

// measuring counts requests and the time that they take. An answer that is still to be written
// is counted when it was, and one of a request whose body is still to be sent when it came.
func (s *Server) measuring(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		next(ctx)
		if status := ctx.Response.StatusCode(); status != fasthttp.StatusContinue && !ctx.Response.IsBodyStream() {
			s.metrics.observe(routeOf(ctx), status, conn.Finished(ctx).Sub(conn.Begun(ctx)))
		}
	}
}

// logging logs what was rejected, and every request at level Debug. An answer that is still to
// be written is logged when it was.
func (s *Server) logging(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		next(ctx)
		if status := ctx.Response.StatusCode(); status >= fasthttp.StatusBadRequest {
			s.logRefused(ctx)
		} else if status != fasthttp.StatusContinue && s.lines.Enabled(slog.LevelDebug) && !ctx.Response.IsBodyStream() {
			s.lines.Log(slog.LevelDebug, requestKind(ctx, "answered"), func() []slog.Attr {
				return append(requestAttrs(ctx), slog.Duration("took", time.Since(conn.Begun(ctx))))
			})
		}
	}
}

// logRefused logs the problem that ctx was answered with: as an error if the server is at
// fault, otherwise as a warning. That a client goes away is its own business, and may be what a
// page does with each letter that is typed.
func (s *Server) logRefused(ctx *fasthttp.RequestCtx) {
	p := reject.Of(ctx)
	level := slog.LevelWarn
	switch {
	case ctx.Response.StatusCode() == fasthttp.StatusInternalServerError:
		level = slog.LevelError
	case p != nil && p.Reason == reject.Disconnected:
		level = slog.LevelDebug
	}
	if !s.lines.Enabled(level) {
		return
	}
	kind := requestKind(ctx, "refused")
	if p != nil {
		kind.Reason = p.Name()
	}
	s.lines.Log(level, kind, func() []slog.Attr {
		if p == nil {
			return requestAttrs(ctx)
		}
		return append(requestAttrs(ctx), p.Attrs()...)
	})
}

// requestKind returns what kind of line a request makes: one of its status and client. A client is a token,
// or the address of one without.
func requestKind(ctx *fasthttp.RequestCtx, message string) logs.Kind {
	client := grantOf(ctx).Name
	if client == "" {
		client = conn.AddressText(ctx.RemoteAddr())
	}
	return logs.Kind{Message: message, Status: ctx.Response.StatusCode(), Client: client}
}

// requestAttrs names a request in a log line.
func requestAttrs(ctx *fasthttp.RequestCtx) []slog.Attr {
	return []slog.Attr{
		logs.Text("method", ctx.Method()),
		logs.Text("target", ctx.RequestURI()),
		slog.String("remote", ctx.RemoteAddr().String()),
	}
}

// routeOf returns the route that the router found for ctx.
func routeOf(ctx *fasthttp.RequestCtx) route {
	r, _ := ctx.UserValue(keyRoute).(route)
	return r
}

// contextKey keys what handlers tell the middleware about a request.
type contextKey uint8

const (
	keyRoute contextKey = iota // its route
	keyGrant                   // the *access.Grant that its sender was admitted with
)

// transportLog takes what fasthttp logs. What matters of it is answered, counted and logged
// where it happens, so it is logged at level Debug.
type transportLog struct{ lines *logs.Limiter }

func (l transportLog) Printf(format string, args ...any) {
	l.lines.Log(slog.LevelDebug, logs.Kind{Message: "said by the HTTP library"}, func() []slog.Attr {
		return []slog.Attr{logs.Text("detail", fmt.Sprintf(format, args...))}
	})
}

// protocolError answers a request that fasthttp could not read, after which it closes the
// connection. Such a request has neither a route nor a beginning, so it is counted by its reason
// alone.
func (s *Server) protocolError(ctx *fasthttp.RequestCtx, err error) {
	s.rejects.Answer(ctx, s.conns.Problem(err))
	conn.LeaveUnread(ctx)
	// Load balancers that only try whether a port is open end the connection by a reset.
	if !errors.Is(err, syscall.ECONNRESET) {
		s.logRefused(ctx)
	}
}

// expectation answers "Expect: 100-continue": with 100 if the body may come, or at once with the answer that needs
// no body. That is found out by the handlers themselves, up to where they would read the body. The answer is
// written into ctx here, which fasthttp then sends.
func (s *Server) expectation(ctx *fasthttp.RequestCtx) int {
	conn.BeginWait(ctx)
	defer conn.EndWait(ctx)
	s.http.Handler(ctx)
	if ctx.Response.StatusCode() == fasthttp.StatusContinue {
		ctx.SetStatusCode(fasthttp.StatusOK)
		ctx.ResetUserValues()
		return fasthttp.StatusContinue
	}
	conn.LeaveUnread(ctx)
	return ctx.Response.StatusCode()
}
