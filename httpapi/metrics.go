package httpapi

import (
	"fmt"
	"io"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"
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

// reason is why a request was refused.
type reason uint8

const (
	reasonMalformed reason = iota
	reasonHeader
	reasonTimeout
	reasonCutShort
	reasonUnknownPath
	reasonMethod
	reasonParameter
	reasonTooManyGroups
	reasonGone
	reasonOrigin
	reasonMediaType
	reasonEncoding
	reasonCorrupt
	reasonBodySize
	reasonDecodedSize
	reasonTooManyFlows
	reasonInvalidBatch
	reasonReused
	reasonTooOld
	reasonTooManyHours
	reasonMaxHours
	reasonMaxAhead
	reasonInDoubt
	reasonFailed
	reasonDamagedBlock
	reasonInflight
	reasonMemory
	reasonQueue
	reasonQueries
	reasonConnections
	reasonNotReady
	reasonUnavailable // the engine has a word of its own for it
	reasonPanic
	reasonAccess // the gate has a word of its own for it
	reasonScope
	reasonForeignVPC
	reasonRate
	reasonBurst
	reasonShare
	reasonAddress
	reasonAddressShare
	reasonQueryShare
	reasonPlainHTTP
	reasonVersion
	reasons
)

var reasonNames = [reasons]string{
	reasonMalformed:     "malformed_request",
	reasonHeader:        "header_too_large",
	reasonTimeout:       "timeout",
	reasonCutShort:      "cut_short",
	reasonUnknownPath:   "unknown_path",
	reasonMethod:        "method",
	reasonParameter:     "parameter",
	reasonTooManyGroups: "too_many_groups",
	reasonGone:          "client_gone",
	reasonOrigin:        "batch_name",
	reasonMediaType:     "media_type",
	reasonEncoding:      "content_encoding",
	reasonCorrupt:       "corrupt_encoding",
	reasonBodySize:      "body_too_large",
	reasonDecodedSize:   "decoded_body_too_large",
	reasonTooManyFlows:  "too_many_flows",
	reasonInvalidBatch:  "invalid_batch",
	reasonReused:        "name_reused",
	reasonTooOld:        "sequence_too_old",
	reasonTooManyHours:  "too_many_hours",
	reasonMaxHours:      "max_hours",
	reasonMaxAhead:      "max_ahead",
	reasonInDoubt:       "in_doubt",
	reasonFailed:        "failed",
	reasonDamagedBlock:  "damaged-block",
	reasonInflight:      "inflight_bytes",
	reasonMemory:        "memory",
	reasonQueue:         "queue_full",
	reasonQueries:       "too_many_queries",
	reasonConnections:   "too_many_connections",
	reasonNotReady:      "not_ready",
	reasonUnavailable:   "unavailable",
	reasonPanic:         "panic",
	reasonAccess:        "access",
	reasonScope:         "scope",
	reasonForeignVPC:    "foreign_vpc",
	reasonRate:          "rate",
	reasonBurst:         "burst",
	reasonShare:         "over_share",
	reasonAddress:       "address_connections",
	reasonAddressShare:  "address_share",
	reasonQueryShare:    "query_share",
	reasonPlainHTTP:     "plain_http",
	reasonVersion:       "http_version",
}

// outcome is what became of a batch.
type outcome uint8

const (
	outcomeFailed      outcome = iota // a fault of the server
	outcomeAccepted                   // added up
	outcomeDuplicate                  // counted since it was sent before
	outcomeRejected                   // a fault of the client
	outcomeOverload                   // a limit was used up; the same batch may pass later
	outcomeUnavailable                // the engine takes none now; the same batch may pass later
	outcomes

	outcomeNone = outcomes // nothing yet: the body is still to be sent
)

var outcomeNames = [outcomes]string{
	outcomeFailed:      "failed",
	outcomeAccepted:    "accepted",
	outcomeDuplicate:   "duplicate",
	outcomeRejected:    "rejected",
	outcomeOverload:    "overloaded",
	outcomeUnavailable: "unavailable",
}

// outcome returns what a problem makes of the batch that it refuses.
func (p *problem) outcome() outcome {
	switch {
	case p.reason == reasonUnavailable:
		return outcomeUnavailable
	case p.status == fasthttp.StatusServiceUnavailable, p.status == fasthttp.StatusTooManyRequests:
		return outcomeOverload
	case p.status >= fasthttp.StatusInternalServerError:
		return outcomeFailed
	}
	return outcomeRejected
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

	flows        *metrics.Counter // accepted
	duplicates   *metrics.Counter // flows of batches that counted already
	batches      [outcomes]*metrics.Counter
	rejected     [reasons]*metrics.Counter
	bodyBytes    *metrics.Counter
	decodedBytes *metrics.Counter
	panics       *metrics.Counter

	limitedFlows, limitedBytes *metrics.Counter // requests that were refused for a rate

	answers       [len(packers)]*metrics.Counter // by their encoding
	cutAnswers    *metrics.Counter               // not taken whole by the client
	brokenAnswers *metrics.Counter               // not read whole by the engine
	givenUp       *metrics.Counter               // not worked out to their end, for the client was gone
}

// newCounters registers s's metrics in set.
func newCounters(set *metrics.Set, s *Server, v Version) *counters {
	c := &counters{
		set:          set,
		flows:        set.NewCounter(`flowd_flows_received_total{outcome="accepted"}`),
		duplicates:   set.NewCounter(`flowd_flows_received_total{outcome="duplicate"}`),
		bodyBytes:    set.NewCounter(`flowd_http_request_body_bytes_total`),
		decodedBytes: set.NewCounter(`flowd_http_request_decompressed_bytes_total`),
		panics:       set.NewCounter(`flowd_http_panics_total`),

		limitedFlows: set.NewCounter(`flowd_rate_limited_total{what="flows"}`),
		limitedBytes: set.NewCounter(`flowd_rate_limited_total{what="bytes"}`),

		cutAnswers:    set.NewCounter(`flowd_http_answers_cut_total`),
		brokenAnswers: set.NewCounter(`flowd_http_answers_broken_total`),
		givenUp:       set.NewCounter(`flowd_http_queries_given_up_total`),
	}
	for e, name := range encodingNames {
		c.answers[e] = set.NewCounter(`flowd_http_answers_total{encoding="` + name + `"}`)
	}
	for o, name := range outcomeNames {
		c.batches[o] = set.NewCounter(`flowd_batches_total{outcome="` + name + `"}`)
	}
	for r, name := range reasonNames {
		c.rejected[r] = set.NewCounter(rejectedSeries(name))
	}
	for reason := range accessDetails {
		set.NewCounter(rejectedSeries(reason.String()))
	}
	set.RegisterMetricsWriter(s.writeCounts)
	set.NewGauge(`flowd_queue_waiting`, func() float64 { return float64(s.shares.Waiting()) })
	set.NewGauge(`flowd_rate_clients`, func() float64 { return float64(s.buckets.Len()) })
	for _, word := range engineReasons {
		set.NewCounter(rejectedSeries(word))
	}
	set.NewGauge(`flowd_http_inflight_body_bytes`, func() float64 { return float64(s.bodies.held.Load()) })
	set.NewGauge(`flowd_http_connections`, func() float64 { return float64(s.conns.count.Load()) })
	set.NewGauge(`flowd_http_queries`, func() float64 { return float64(s.queries.count()) })
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

func rejectedSeries(reason string) string {
	return fmt.Sprintf(`flowd_http_requests_rejected_total{reason=%q}`, reason)
}

// refused counts a refusal by its reason. The words of an engine are few.
func (c *counters) refused(p *problem) {
	if p.word != "" {
		c.set.GetOrCreateCounter(rejectedSeries(p.word)).Inc()
		return
	}
	c.rejected[p.reason].Inc()
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
