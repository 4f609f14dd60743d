package httpapi

import (
	"fmt"
	"io"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// route is what a request asked for, as metrics and logs name it: the same under both prefixes
// and all aliases, so that no client can make new names.
type route uint8

const (
	routeOther route = iota // unknown paths and methods, and OPTIONS
	routePostFlows
	routeGetFlows
	routeDiff
	routePairs
	routeCompletion
	routeHours
	routeLedger
	routeMetrics
	routeLive
	routeReady
	routeVersion
	routeOpenAPI
	routePage
	routes
)

var routeNames = [routes]string{
	routeOther:      "other",
	routePostFlows:  "POST /flows",
	routeGetFlows:   "GET /flows",
	routeDiff:       "GET /diff",
	routePairs:      "GET /pairs",
	routeCompletion: "GET /names",
	routeHours:      "GET /hours",
	routeLedger:     "GET /ledger",
	routeMetrics:    "GET /metrics",
	routeLive:       "GET /livez",
	routeReady:      "GET /readyz",
	routeVersion:    "GET /version",
	routeOpenAPI:    "GET /openapi.json",
	routePage:       "GET /", // and its assets
}

// durationBuckets are the upper bounds in seconds of the histograms of request times.
var durationBuckets = []float64{
	.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10,
}

// maxStatus is one more than the largest status that is counted by itself.
const maxStatus = 600

// counters are the metrics of the server, held so that to count needs no look-up.
type counters struct {
	set *metrics.Set

	// durations are made when a route first answers with a status, for most never do.
	durations [routes][maxStatus]atomic.Pointer[metrics.PrometheusHistogram]

	byRoute [routes]routeCounters
	panics  *metrics.Counter
}

// newCounters registers s's metrics in set.
func newCounters(set *metrics.Set, s *Server, v Version) *counters {
	c := &counters{set: set, panics: set.NewCounter(`flowd_http_panics_total`)}
	for r := range c.byRoute {
		c.byRoute[r] = routeCounters{c, route(r)}
	}
	set.RegisterMetricsWriter(s.writeCounts)
	set.NewGauge(`flowd_rate_clients`, func() float64 { return float64(s.buckets.Len()) })
	set.NewGauge(`flowd_http_connections`, func() float64 { return float64(s.conns.Count()) })
	set.NewGauge(fmt.Sprintf(`flowd_build_info{version=%q,revision=%q,goversion=%q}`, v.Version, v.Revision, v.Go),
		func() float64 { return 1 })
	return c
}

// writeCounts writes what others count, which a gauge would call something that may fall.
func (s *Server) writeCounts(w io.Writer) {
	const failures = `flowd_auth_failures_total`
	metrics.WriteMetadataIfNeeded(w, failures, "counter")
	for reason := range accessDetails {
		// A scraper that hung up is no error of ours.
		_, _ = fmt.Fprintf(w, "%s{reason=%q} %d\n", failures, reason, s.gate.Failures(reason))
	}
	metrics.WriteCounterUint64(w, `flowd_logging_suppressed_lines_total`, s.lines.Suppressed())
	_, early := s.buckets.Evicted()
	metrics.WriteCounterUint64(w, `flowd_rate_clients_forgotten_early_total`, early)
}

// observe counts a request and how long it took.
func (c *counters) observe(r route, status int, took time.Duration) {
	if status < 0 || status >= maxStatus {
		status = 0
	}
	h := c.durations[r][status].Load()
	if h == nil {
		h = c.set.GetOrCreatePrometheusHistogramExt(
			`flowd_http_request_duration_seconds{route="`+routeNames[r]+`",code="`+strconv.Itoa(status)+`"}`,
			durationBuckets)
		c.durations[r][status].Store(h)
	}
	h.Update(took.Seconds())
}

// routeCounters counts the requests of one route.
type routeCounters struct {
	counters *counters
	route    route
}

// of returns the counters of a route.
func (c *counters) of(r route) *routeCounters { return &c.byRoute[r] }

// Observe counts a request and how long it took.
func (r *routeCounters) Observe(status int, took time.Duration) {
	r.counters.observe(r.route, status, took)
}
