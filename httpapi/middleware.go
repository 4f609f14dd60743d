package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/valyala/fasthttp"
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
	s.refuse(ctx, &problem{
		status: fasthttp.StatusInternalServerError, reason: reasonPanic,
		detail: "The server failed to answer because of a fault of its own, which is in its log.",
	})
	leaveUnread(ctx)
	s.metrics.observe(routeOf(ctx), fasthttp.StatusInternalServerError, time.Since(ctx.Time()))
}

// panicked counts and logs a panic of the goroutine that calls it. It names the request by its
// target.
func (s *Server) panicked(cause any, target []byte) {
	s.metrics.panics.Inc()
	s.logger.Error("panic while answering a request",
		slog.String("target", string(target)),
		slog.Any("panic", cause),
		slog.String("stack", string(debug.Stack())))
}

// measuring counts requests and the time that they take. An answer that is still to be written
// is counted when it was.
func (s *Server) measuring(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		next(ctx)
		if !ctx.Response.IsBodyStream() {
			s.metrics.observe(routeOf(ctx), ctx.Response.StatusCode(), time.Since(ctx.Time()))
		}
	}
}

// logging logs what was refused, and every request at level Debug. An answer that is still to
// be written is logged when it was.
func (s *Server) logging(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		next(ctx)
		if ctx.Response.StatusCode() >= fasthttp.StatusBadRequest {
			s.logRefused(ctx)
		} else if s.logger.Enabled(ctx, slog.LevelDebug) && !ctx.Response.IsBodyStream() {
			s.logger.LogAttrs(ctx, slog.LevelDebug, "answered", append(requestAttrs(ctx),
				slog.Duration("took", time.Since(ctx.Time())))...)
		}
	}
}

// logRefused logs the problem that ctx was answered with: as an error if the server is at
// fault, otherwise as a warning. That a client goes away is its own business, and may be what a
// page does with each letter that is typed.
func (s *Server) logRefused(ctx *fasthttp.RequestCtx) {
	p, ok := ctx.UserValue(keyProblem).(*problem)
	level := slog.LevelWarn
	switch {
	case ctx.Response.StatusCode() == fasthttp.StatusInternalServerError:
		level = slog.LevelError
	case ok && p.reason == reasonGone:
		level = slog.LevelDebug
	}
	if !s.logger.Enabled(ctx, level) {
		return
	}
	attrs := requestAttrs(ctx)
	if ok {
		attrs = append(attrs, slog.String("reason", p.reasonText()), slog.String("detail", p.detail))
		if p.cause != nil {
			attrs = append(attrs, slog.Any("error", p.cause))
		}
		if len(p.fields) > 0 {
			attrs = append(attrs, slog.String("pointer", p.fields[0].Pointer), slog.String("error", p.fields[0].Detail))
		}
	}
	s.logger.LogAttrs(ctx, level, "refused", attrs...)
}

// requestAttrs names a request in a log line.
func requestAttrs(ctx *fasthttp.RequestCtx) []slog.Attr {
	return []slog.Attr{
		slog.String("method", string(ctx.Method())),
		slog.String("target", string(ctx.RequestURI())),
		slog.Int("status", ctx.Response.StatusCode()),
		slog.String("remote", ctx.RemoteAddr().String()),
	}
}

// routeOf returns the route that the router found for ctx.
func routeOf(ctx *fasthttp.RequestCtx) route {
	r, _ := ctx.UserValue(keyRoute).(route)
	return r
}

// transportLog takes what fasthttp logs. What matters of it is answered, counted and logged
// where it happens, so this is for those who look closer.
type transportLog struct{ logger *slog.Logger }

func (l transportLog) Printf(format string, args ...any) {
	if l.logger.Enabled(context.Background(), slog.LevelDebug) {
		l.logger.Debug(fmt.Sprintf(format, args...))
	}
}
