package httpapi

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"flowd/flow"
)

// brokenRows panics after some rows.
type brokenRows struct {
	manyRows
	good int
}

func (r *brokenRows) Next(dst []flow.Row) int {
	if r.good--; r.good < 0 {
		panic("rows broke")
	}
	return r.manyRows.Next(dst)
}

// After a panic anywhere the client is told, it is counted and logged, nothing stays held, and
// the server goes on.
func TestPanics(t *testing.T) {
	t.Parallel()
	table := newTable(t)
	e := &hookEngine{
		Engine: table,
		append: func(b *flow.Batch, o flow.Origin) (flow.Receipt, error) {
			if string(b.Key(&b.Items[0])[3:4]) == "!" {
				table.Release(b)
				panic("append broke")
			}
			return table.Append(b, o)
		},
		rows: func(h flow.Hour) (flow.Rows, error) {
			switch h {
			case 66:
				panic("query broke")
			case 67:
				return &brokenRows{good: 0}, nil
			}
			return table.Rows(h)
		},
		hours: func() ([]flow.HourTotals, error) { panic("hours broke") },
	}
	ts := serve(t, e, nil)
	for i, c := range []struct{ method, target, body string }{
		{"POST", "/flows", oneFlow("!", 1)},
		{"GET", "/flows?hour=66", ""},
		{"GET", "/api/v1/flows?hour=67", ""},
		{"GET", "/hours", ""},
		{"HEAD", "/hours", ""},
	} {
		r := ts.do(c.method, c.target, c.body)
		if r.StatusCode != 500 {
			t.Fatalf("%s %s: %d", c.method, c.target, r.StatusCode)
		}
		if c.method != "HEAD" {
			p := problemIn(t, r, 500)
			if strings.Contains(r.body, "broke") || strings.Contains(r.body, "goroutine") || strings.Contains(r.body, ".go") {
				t.Errorf("the client is told too much: %+v", p)
			}
		}
		if got := ts.metric("flowd_http_panics_total"); got != itoa(i+1) {
			t.Errorf("%s panics counted, want %d", got, i+1)
		}
	}
	if r := ts.do("POST", "/flows", oneFlow("a", 1)); r.StatusCode != 200 {
		t.Errorf("%d: %s", r.StatusCode, r.body)
	}
	for series, want := range map[string]string{
		`flowd_batches_total{outcome="failed"}`:                                     "1",
		`flowd_http_request_duration_seconds_count{route="POST /flows",code="500"}`: "1",
		`flowd_http_request_duration_seconds_count{route="GET /hours",code="500"}`:  "2",
	} {
		if got := ts.metric(series); got != want {
			t.Errorf("%s is %q, want %q", series, got, want)
		}
	}
	log := ts.log.String()
	for _, want := range []string{"level=ERROR", `panic="append broke"`, `panic="hours broke"`, "target=/hours", "panic_test.go"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q", want)
		}
	}
}

// A panic in the middle of an answer can only cut it off.
func TestPanicWhileAnswering(t *testing.T) {
	t.Parallel()
	many := newMany(100_000)
	e := &hookEngine{Engine: many, rows: func(h flow.Hour) (flow.Rows, error) {
		return &brokenRows{manyRows: *many.many(h), good: 100}, nil
	}}
	ts := serve(t, e, nil)
	c := ts.dial()
	c.write(head("GET", "/flows?hour=5"))
	r, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, r.Body); err != io.ErrUnexpectedEOF {
		t.Errorf("%v after %d bytes", err, n)
	}
	eventually(t, "the panic is counted", func() bool {
		return ts.metric("flowd_http_panics_total") == "1" && ts.metric("flowd_http_answers_cut_total") == "1" &&
			ts.metric("flowd_http_queries") == "0"
	})
	if r := ts.do("GET", "/livez", ""); r.StatusCode != 200 {
		t.Errorf("%d", r.StatusCode)
	}
}
