package httpapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"flowd/flow"
	"flowd/httpapi/answer"
)

// endlessRows go on until they are closed: first with some rows of the name "wanted", then with others.
type endlessRows struct {
	wanted, other flow.Key
	left          int
	open          *atomic.Int64
}

func (r *endlessRows) Next(dst []flow.Row) int {
	for i := range dst {
		dst[i] = flow.Row{Key: r.other, Totals: flow.Totals{BytesTx: 1}}
		if r.left > 0 {
			r.left--
			dst[i].Key = r.wanted
		}
	}
	return len(dst)
}

func (r *endlessRows) Err() error { return nil }
func (r *endlessRows) Close()     { r.open.Add(-1) }

// serveEndless serves hours that have no end, and counts the readings that were not closed.
func serveEndless(t *testing.T, wanted int) (*testServer, *atomic.Int64) {
	open := new(atomic.Int64)
	return serve(t, &hookEngine{Engine: newTable(t), rows: func(flow.Hour) (flow.Rows, error) {
		open.Add(1)
		return &endlessRows{
			wanted: flow.AppendKey(nil, "wanted", "d", "v"), other: flow.AppendKey(nil, "other", "d", "v"),
			left: wanted, open: open,
		}, nil
	}}, nil), open
}

// A question whose client goes away is given up, however it goes; the server's own stop ends it too.
func TestClientIsGone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		leave func(*client)
	}{
		{"closes", func(c *client) { c.Close() }},
		{"resets", func(c *client) { _ = c.SetLinger(0); c.Close() }},
		{"closes its side", func(c *client) { _ = c.CloseWrite() }},
	} {
		for _, query := range []string{
			"hour=5&group_by=src_app", "hour=5&order_by=-bytes_tx&limit=3", "hour=5&src_app=nobody", "from=1&to=90&group_by=hour",
		} {
			t.Run(c.name+" "+query, func(t *testing.T) {
				ts, open := serveEndless(t, 0)
				client := ts.dial()
				client.write(head("GET", "/flows?"+query))
				eventually(t, "the question is worked on", func() bool { return ts.queries() == 1 && open.Load() > 0 })
				c.leave(client)
				eventually(t, "it is given up", func() bool {
					return ts.metric("flowd_http_queries_given_up_total") == "1" && ts.queries() == 0 && open.Load() == 0
				})
				if got := ts.metric(`flowd_http_requests_rejected_total{reason="client_gone"}`); got != "1" {
					t.Errorf("%s refusals counted", got)
				}
				if strings.Contains(ts.log.String(), "refused") {
					t.Errorf("every client that goes is a line of the log: %s", ts.log.String())
				}
				if c.name == "closes its side" {
					r := client.read("GET")
					if p := problemIn(t, r, 400); !strings.Contains(p.Detail, "keep it open") || !r.Close {
						t.Errorf("close %t: %s", r.Close, r.body)
					}
					client.ends()
				}
			})
		}
	}
}

// An answer that is begun already is cut off when the client goes while there is nothing to write.
func TestClientIsGoneInTheMiddle(t *testing.T) {
	t.Parallel()
	ts, open := serveEndless(t, 3000)
	c := ts.dial()
	c.write(head("GET", "/flows?hour=5&src_app=wanted"))
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	// 3000 rows are three blocks and a part of the next, which waits for more.
	if _, err := io.CopyN(io.Discard, res.Body, 3*answer.BlockBytes); err != nil {
		t.Fatal(err)
	}
	c.Close()
	eventually(t, "it is given up", func() bool {
		return ts.metric("flowd_http_queries_given_up_total") == "1" && ts.metric("flowd_http_answers_cut_total") == "1" &&
			ts.queries() == 0 && open.Load() == 0
	})
	if got := ts.metric("flowd_http_answers_broken_total"); got != "0" {
		t.Errorf("%s answers counted as broken off by the server", got)
	}
}

// A client that waits, and may have sent its next request already, gets what it asked for.
func TestClientThatWaitsIsNotGone(t *testing.T) {
	t.Parallel()
	var slow atomic.Bool
	many := newMany(100)
	e := &hookEngine{Engine: many, rows: func(h flow.Hour) (flow.Rows, error) {
		slow.Store(true)
		return &pausedRows{Rows: many.many(h), until: time.Now().Add(10 * lookPause)}, nil
	}}
	ts := serve(t, e, nil)
	c := ts.dial()
	get := head("GET", "/flows?hour=5&group_by=hour")
	c.write(get + get)
	for range 2 {
		if r := c.read("GET"); r.StatusCode != 200 || !strings.Contains(r.body, `"hour":5`) {
			t.Errorf("%d: %s", r.StatusCode, r.body)
		}
	}
	if got := ts.metric("flowd_http_queries_given_up_total"); got != "0" || !slow.Load() {
		t.Errorf("%s given up", got)
	}
}

// pausedRows give single rows for a while, so that the client is looked after in between.
type pausedRows struct {
	flow.Rows
	until time.Time
}

func (r *pausedRows) Next(dst []flow.Row) int {
	if time.Now().Before(r.until) {
		dst[0] = flow.Row{Key: flow.AppendKey(nil, "a", "b", "c"), Hour: 5}
		return 1
	}
	return r.Rows.Next(dst)
}

// What is worked out when the server stops for good ends.
func TestStopEndsQuestions(t *testing.T) {
	t.Parallel()
	open := new(atomic.Int64)
	ts := newServer(t, &hookEngine{Engine: newTable(t), rows: func(flow.Hour) (flow.Rows, error) {
		open.Add(1)
		return &endlessRows{other: flow.AppendKey(nil, "a", "b", "c"), open: open}, nil
	}}, nil)
	ts.listen()
	c := ts.dial()
	c.write(head("GET", "/flows?hour=5&group_by=src_app"))
	eventually(t, "the question is worked on", func() bool { return open.Load() == 1 })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := ts.Shutdown(ctx); !errors.Is(err, context.Canceled) || open.Load() != 0 || ts.queries() != 0 {
		t.Errorf("%v with %d readings and %d queries left", err, open.Load(), ts.queries())
	}
	if err := <-ts.served; err != nil {
		t.Error(err)
	}
	_, _ = io.Copy(io.Discard, c.r)
}
