package httpapi

import (
	"fmt"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"
)

// rejections counts rejected requests by their reason, and answers them. Its methods may be called by many
// goroutines at once.
type rejections struct {
	set      *metrics.Set
	byReason [reasons]*metrics.Counter
}

// newRejections registers the counters of all reasons in set. More are words that problems will have in place
// of a reason; those of the engine are known.
func newRejections(set *metrics.Set, more ...string) *rejections {
	c := &rejections{set: set}
	for r, name := range reasonNames {
		c.byReason[r] = set.NewCounter(series(name))
	}
	for _, word := range more {
		set.NewCounter(series(word))
	}
	for _, word := range engineReasons {
		set.NewCounter(series(word))
	}
	return c
}

func series(reason string) string {
	return fmt.Sprintf(`flowd_http_requests_rejected_total{reason=%q}`, reason)
}

// count counts p by its reason. The words of an engine are few.
func (c *rejections) count(p *problem) {
	if p.word != "" {
		c.set.GetOrCreateCounter(series(p.word)).Inc()
		return
	}
	c.byReason[p.reason].Inc()
}

// countReason counts a reason whose problem was made beforehand.
func (c *rejections) countReason(r reason) { c.byReason[r].Inc() }

// answer answers ctx with p, and counts it.
func (c *rejections) answer(ctx *fasthttp.RequestCtx, p *problem) {
	c.count(p)
	ctx.SetUserValue(problemKey{}, p)
	ctx.Response.ResetBody()
	ctx.SetStatusCode(p.status)
	ctx.SetContentType(problemType)
	if p.header != "" {
		ctx.Response.Header.Set(p.header, p.value)
	}
	ctx.Response.SetBody(p.append(nil))
}

// problemKey keys the problem that a request was answered with.
type problemKey struct{}

// problemOf returns the problem that ctx was answered with, or nil.
func problemOf(ctx *fasthttp.RequestCtx) *problem {
	p, _ := ctx.UserValue(problemKey{}).(*problem)
	return p
}
