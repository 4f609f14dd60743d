package reject

import (
	"fmt"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"
)

// Counters counts rejected requests by their reason, and answers them. Its methods may be called by many
// goroutines at once.
type Counters struct {
	set      *metrics.Set
	byReason [reasons]*metrics.Counter
}

// NewCounters registers the counters of all reasons in set. More are words that problems will have in place
// of a reason; those of the engine are known.
func NewCounters(set *metrics.Set, more ...string) *Counters {
	c := &Counters{set: set}
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

// Count counts p by its reason. The words of an engine are few.
func (c *Counters) Count(p *Problem) {
	if p.Word != "" {
		c.set.GetOrCreateCounter(series(p.Word)).Inc()
		return
	}
	c.byReason[p.Reason].Inc()
}

// CountReason counts a reason whose problem was made beforehand.
func (c *Counters) CountReason(r Reason) { c.byReason[r].Inc() }

// Answer answers ctx with p, and counts it.
func (c *Counters) Answer(ctx *fasthttp.RequestCtx, p *Problem) {
	c.Count(p)
	ctx.SetUserValue(problemKey{}, p)
	ctx.Response.ResetBody()
	ctx.SetStatusCode(p.Status)
	ctx.SetContentType(ContentType)
	if p.Header != "" {
		ctx.Response.Header.Set(p.Header, p.Value)
	}
	ctx.Response.SetBody(p.Append(nil))
}

// problemKey keys the problem that a request was answered with.
type problemKey struct{}

// Of returns the problem that ctx was answered with, or nil.
func Of(ctx *fasthttp.RequestCtx) *Problem {
	p, _ := ctx.UserValue(problemKey{}).(*Problem)
	return p
}
