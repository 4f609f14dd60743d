package httpapi

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"flowd/flow"
)

// A batch that is sent again is answered as before, says so, and is added up once.
func TestReplays(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, nil)
	for _, c := range []struct {
		headers []string
		body    string
		status  int
		again   bool
	}{
		{[]string{"Idempotency-Key: k"}, oneFlow("a", 1), 200, false},
		{[]string{"Idempotency-Key: k"}, oneFlow("a", 1), 200, true},
		{[]string{`Idempotency-Key: "k"`, asGzip}, gzipped(oneFlow("a", 1)), 200, true},
		{[]string{"Idempotency-Key: K"}, oneFlow("a", 1), 200, false},
		{[]string{"Idempotency-Key: k"}, oneFlow("b", 1), 422, false},
		{[]string{"Flowd-Agent: k", "Flowd-Seq: 1"}, oneFlow("a", 1), 200, false},
		{[]string{"Flowd-Agent: k", "Flowd-Seq: 1"}, oneFlow("a", 1), 200, true},
		{[]string{"Flowd-Agent: k", "Flowd-Seq: 2"}, oneFlow("a", 1), 200, false},
		{[]string{"Flowd-Agent: l", "Flowd-Seq: 1"}, oneFlow("a", 1), 200, false},
		{[]string{"Flowd-Agent: l", "Flowd-Seq: 1"}, oneFlow("c", 1), 422, false},
		{nil, oneFlow("a", 1), 200, false},
		{nil, oneFlow("a", 1), 200, false},
	} {
		r := ts.do("POST", "/flows", c.body, c.headers...)
		if c.status == 422 {
			if p := problemIn(t, r, 422); !strings.Contains(p.Detail, "with other flows") {
				t.Errorf("%q: %q", c.headers, p.Detail)
			}
			continue
		}
		want := fmt.Sprintf(`{"accepted":1,"duplicate":%t}`, c.again)
		if r.StatusCode != c.status || r.body != want || (r.Header.Get("Idempotency-Replayed") == "true") != c.again {
			t.Errorf("%q: %d %s, Idempotency-Replayed %q", c.headers, r.StatusCode, r.body, r.Header.Get("Idempotency-Replayed"))
		}
		if got := r.Header.Get("Flowd-Durability"); got != "none" {
			t.Errorf("%q: Flowd-Durability %q", c.headers, got)
		}
	}
	if r := ts.do("GET", "/hours", ""); r.body != `[{"hour":1,"tuples":1,"flows":7,"bytes_tx":7,"bytes_rx":14}]` {
		t.Errorf("%s", r.body)
	}
	for series, want := range map[string]string{
		`flowd_batches_total{outcome="accepted"}`:                                   "7",
		`flowd_batches_total{outcome="duplicate"}`:                                  "3",
		`flowd_batches_total{outcome="rejected"}`:                                   "2",
		`flowd_flows_received_total{outcome="accepted"}`:                            "7",
		`flowd_flows_received_total{outcome="duplicate"}`:                           "3",
		`flowd_http_requests_rejected_total{reason="name_reused"}`:                  "2",
		`flowd_http_request_duration_seconds_count{route="POST /flows",code="422"}`: "2",
	} {
		if got := ts.metric(series); got != want {
			t.Errorf("%s is %q, want %q", series, got, want)
		}
	}
}

// Clients that all send the same batch at once get one answer that is the first.
func TestReplaysAtOnce(t *testing.T) {
	t.Parallel()
	ts := serve(t, nil, nil)
	const clients, batches = 8, 20
	firsts := make([]int, clients)
	var running sync.WaitGroup
	for i := range clients {
		running.Go(func() {
			c := ts.dial()
			for n := range batches {
				body := oneFlow("a", n)
				c.write(head("POST", "/flows", "Idempotency-Key: k"+itoa(n), "Content-Length: "+itoa(len(body))) + body)
				switch r := c.read("POST"); r.body {
				case `{"accepted":1,"duplicate":false}`:
					firsts[i]++
				case `{"accepted":1,"duplicate":true}`:
				default:
					t.Errorf("%d: %s", r.StatusCode, r.body)
				}
			}
		})
	}
	running.Wait()
	sum := 0
	for _, n := range firsts {
		sum += n
	}
	if sum != batches {
		t.Errorf("%d answers were the first, want %d", sum, batches)
	}
}

// What the engine refuses a batch for is told with what to do, never with the error itself.
func TestAppendErrors(t *testing.T) {
	t.Parallel()
	var refuse error
	table := newTable(t)
	ts := serve(t, &hookEngine{Engine: table, append: func(b *flow.Batch, _ flow.Origin) (flow.Receipt, error) {
		table.Release(b)
		return flow.Receipt{}, refuse
	}}, nil)
	key, agent := []string{"Idempotency-Key: k"}, []string{"Flowd-Agent: a", "Flowd-Seq: 7"}
	full := &flow.UnavailableError{Reason: "disk-full", Detail: "The disk is full; free space."}
	for _, c := range []struct {
		err     error
		headers []string
		status  int
		reason  string
		outcome string
		says    string
	}{
		{flow.ErrReused, key, 422, "name_reused", "rejected", "came as this key before"},
		{flow.ErrReused, agent, 422, "name_reused", "rejected", "came as sequence 7 of this agent before"},
		{flow.ErrTooOld, agent, 409, "sequence_too_old", "rejected", "sequence 7 of this agent it is not known any more whether it counted, so nothing was added: it is 64 or more behind"},
		{flow.ErrTooManyHours, nil, 413, "too_many_hours", "rejected", "raise max-hours"},
		{&flow.BatchTooLargeError{Bytes: 70_000, Most: 61_440}, nil, 413, "batch_too_large", "rejected", "70000 bytes"},
		{&flow.HoursError{Bound: "max-hours", Detail: "Too many."}, nil, 400, "max_hours", "rejected", "Too many."},
		{&flow.HoursError{Bound: "max-ahead", Detail: "Ahead.", Omitted: 7}, nil, 400, "max_ahead", "rejected", "Ahead. 7 more are not listed."},
		{flow.ErrInDoubt, key, 500, "in_doubt", "failed", "not known whether it counts. The server must be restarted; once it is, send the batch again with the same key or sequence"},
		{fmt.Errorf("wal: sync /secret: %w", flow.ErrInDoubt), nil, 500, "in_doubt", "failed", "neither a key nor a sequence, so to send it again may count it twice"},
		{full, key, 503, "disk-full", "unavailable", "The disk is full; free space."},
		{fmt.Errorf("local: /secret: %w", full), nil, 503, "disk-full", "unavailable", "The disk is full; free space."},
		{&flow.UnavailableError{Reason: "new-word", Detail: "Wait."}, nil, 503, "new-word", "unavailable", "Wait."},
		{errors.New("open /secret: bad file"), nil, 500, "failed", "failed", "a fault of its own, which is in its log. Nothing of the batch counts."},
	} {
		refuse = c.err
		series := []string{`flowd_http_requests_rejected_total{reason="` + c.reason + `"}`, `flowd_batches_total{outcome="` + c.outcome + `"}`}
		before := []string{ts.metric(series[0]), ts.metric(series[1])}
		r := ts.do("POST", "/flows", oneFlow("a", 1), c.headers...)
		p := problemIn(t, r, c.status)
		if !strings.Contains(p.Detail, c.says) || strings.Contains(r.body, "secret") || strings.Contains(r.body, "flow:") {
			t.Errorf("%v: %q does not say %q", c.err, p.Detail, c.says)
		}
		if c.status == 500 && !strings.Contains(ts.log.String(), fmt.Sprintf("error=%q", c.err)) {
			t.Errorf("%v is not in the log", c.err)
		}
		for i, name := range series {
			if got := ts.metric(name); got == before[i] {
				t.Errorf("%v: %s is still %q", c.err, name, got)
			}
		}
	}
}
