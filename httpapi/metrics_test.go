package httpapi

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
)

// exposed returns the server's metrics.
func (ts *testServer) exposed() string {
	var page bytes.Buffer
	ts.set.WritePrometheus(&page)
	return page.String()
}

// metric returns the value of a series, or "" if there is none.
func (ts *testServer) metric(series string) string {
	for line := range strings.Lines(ts.exposed()) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// number returns the value of a gauge, or -1 if there is none.
func (ts *testServer) number(series string) int64 {
	value, err := strconv.ParseFloat(ts.metric(series), 64)
	if err != nil {
		return -1
	}
	return int64(value)
}

// bodyBytes returns how much memory the bodies of requests hold, and queries how many answers are under way.
func (ts *testServer) bodyBytes() int64 { return ts.number("flowd_http_inflight_body_bytes") }
func (ts *testServer) queries() int64   { return ts.number("flowd_http_queries") }

func TestMetrics(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, nil)
	body := string(flowsBody(3))
	ts.do("POST", "/flows", body)
	ts.do("POST", "/api/v1/flows", body)
	ts.do("POST", "/flows", "[{}]")
	ts.do("POST", "/flows", "x", "Content-Type: text/html")
	ts.do("GET", "/flows?hour=1", "")
	ts.do("HEAD", "/flows?hour=1", "")
	ts.do("GET", "/flows?day=1", "")
	ts.do("GET", "/health", "")
	ts.do("GET", "/livez", "")
	ts.do("PUT", "/nope", "")
	ts.do("PUT", "/flows", "")
	eventually(t, "all connections gone", func() bool { return ts.metric("flowd_http_connections") == "0" })
	count := func(route, code string) string {
		return `flowd_http_request_duration_seconds_count{route="` + route + `",code="` + code + `"}`
	}
	for series, want := range map[string]string{
		`flowd_flows_received_total{outcome="accepted"}`:                                       "6",
		`flowd_batches_total{outcome="accepted"}`:                                              "2",
		`flowd_batches_total{outcome="rejected"}`:                                              "2",
		`flowd_batches_total{outcome="overloaded"}`:                                            "0",
		`flowd_batches_total{outcome="failed"}`:                                                "0",
		`flowd_http_request_body_bytes_total`:                                                  itoa(2*len(body) + 4),
		`flowd_http_requests_rejected_total{reason="invalid_batch"}`:                           "1",
		`flowd_http_requests_rejected_total{reason="media_type"}`:                              "1",
		`flowd_http_requests_rejected_total{reason="parameter"}`:                               "1",
		`flowd_http_requests_rejected_total{reason="unknown_path"}`:                            "1",
		`flowd_http_requests_rejected_total{reason="method"}`:                                  "1",
		`flowd_http_inflight_body_bytes`:                                                       "0",
		`flowd_http_queries`:                                                                   "0",
		`flowd_http_panics_total`:                                                              "0",
		`flowd_build_info{version="1.2.3",revision="abcdef",goversion="go1.26"}`:               "1",
		count("POST /flows", "200"):                                                            "2",
		count("POST /flows", "400"):                                                            "1",
		count("POST /flows", "415"):                                                            "1",
		count("GET /flows", "200"):                                                             "2",
		count("GET /flows", "400"):                                                             "1",
		count("GET /livez", "200"):                                                             "2",
		count("other", "404"):                                                                  "1",
		count("other", "405"):                                                                  "1",
		`flowd_http_request_duration_seconds_bucket{route="POST /flows",code="200",le="10"}`:   "2",
		`flowd_http_request_duration_seconds_bucket{route="POST /flows",code="200",le="+Inf"}`: "2",
	} {
		if got := ts.metric(series); got != want {
			t.Errorf("%s is %q, want %q", series, got, want)
		}
	}
	page := ts.do("GET", "/metrics", "").body
	for _, want := range []string{"flowd_http_connections 1\n", "go_goroutines ", "process_open_fds "} {
		if !strings.Contains(page, want) {
			t.Errorf("/metrics lacks %q", want)
		}
	}
}
