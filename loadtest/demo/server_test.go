package demo_test

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/google/go-cmp/cmp"

	"flowd/flow"
	"flowd/httpapi"
	"flowd/loadtest/demo"
	"flowd/local"
)

// start serves from an engine in memory until the test ends.
func start(t *testing.T) (*local.Engine, string) {
	t.Helper()
	engine, err := local.New(local.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Open(); err != nil {
		t.Fatal(err)
	}
	server := httpapi.New(httpapi.Options{
		Engine: engine, Limits: httpapi.DefaultLimits(), Logger: slog.New(slog.DiscardHandler),
		Metrics: metrics.NewSet(), Durability: "none",
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return engine, "http://" + listener.Addr().String()
}

// To post a demo again counts nothing again, and to post it an hour later counts one hour more.
func TestPostedTwiceCountsOnce(t *testing.T) {
	engine, url := start(t)
	const last = 482_967
	var want []flow.HourTotals
	total := uint64(0)
	for _, run := range []struct {
		last flow.Hour
		want func(flows, newest, differing uint64) demo.PostResult
	}{
		{last, func(flows, _, _ uint64) demo.PostResult { return demo.PostResult{Stored: flows} }},
		{last, func(flows, _, _ uint64) demo.PostResult { return demo.PostResult{Repeated: flows} }},
		{last + 1, func(flows, newest, differing uint64) demo.PostResult {
			return demo.PostResult{Stored: newest, Repeated: flows - newest - differing, Differing: differing}
		}},
	} {
		o := demo.PostOptions{Target: url, Traffic: demo.Options{Seed: 3, LastHour: run.last}, Timeout: 30 * time.Second}
		result, err := demo.Post(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		traffic := demo.New(o.Traffic)
		var flows, newest, differing uint64
		for h := traffic.FirstHour(); h <= traffic.LastHour; h++ {
			hour := traffic.Flows(nil, h)
			newest = uint64(len(hour))
			flows += newest
			if h == traffic.Incident()-1 || h == traffic.Incident()+demo.SurgeHours-1 {
				differing += newest
			}
			if want == nil || h > want[len(want)-1].Hour {
				want = append(want, totalsOf(hour))
				total += newest
			}
		}
		if diff := cmp.Diff(run.want(flows, newest, differing), result); diff != "" {
			t.Errorf("last hour %d (-want +got):\n%s", run.last, diff)
		}
		got, err := engine.Hours()
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			got[i].Tuples = 0 // fewer than flows, as hosts of an app are added up
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("hours of the server (-want +got):\n%s", diff)
		}
	}
	ledger, err := engine.Ledger()
	if err != nil || ledger.Stored.Flows != total {
		t.Errorf("the server has %d flows, %v, want %d", ledger.Stored.Flows, err, total)
	}
}

// totalsOf adds up the flows of an hour.
func totalsOf(flows []flow.Flow) flow.HourTotals {
	h := flow.HourTotals{Hour: flows[0].Hour, Flows: uint64(len(flows))}
	for i := range flows {
		h.Totals.BytesTx += flows[i].BytesTx
		h.Totals.BytesRx += flows[i].BytesRx
	}
	return h
}
