package conn

import (
	"time"

	"github.com/valyala/fasthttp"
)

// LeaveUnread notes that a part of ctx's request may stay unread. Where it is so, the connection
// is closed after the answer; fasthttp reads what is short itself, and goes on.
func LeaveUnread(ctx *fasthttp.RequestCtx) {
	if c, ok := ctx.Conn().(*Conn); ok {
		c.unread.Store(true)
		c.extra = min(c.extra, 0) - maxUnread // its data is no extra either, up to where fasthttp stops
	}
}

// Finished returns the time at which the handler of ctx had done its work. The first call for a request reads the
// clock, and later calls return the same time: to read the clock takes as long as to read a header.
func Finished(ctx *fasthttp.RequestCtx) time.Time {
	c, ok := ctx.Conn().(*Conn)
	if !ok {
		return time.Now()
	}
	if c.done.IsZero() {
		c.done = time.Now()
	}
	return c.done
}

// BeginWait notes that the client of ctx waits to be asked for the body.
func BeginWait(ctx *fasthttp.RequestCtx) {
	if c, ok := ctx.Conn().(*Conn); ok {
		c.waiting = time.Now()
	}
}

// EndWait notes that the client of ctx was answered.
func EndWait(ctx *fasthttp.RequestCtx) {
	if c, ok := ctx.Conn().(*Conn); ok {
		c.waiting = time.Time{}
	}
}

// Begun is when ctx began. While the client of a body waits to be asked for it, ctx itself does not know.
func Begun(ctx *fasthttp.RequestCtx) time.Time {
	if c, ok := ctx.Conn().(*Conn); ok && !c.waiting.IsZero() {
		return c.waiting
	}
	return ctx.Time()
}
