package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"flowd/flow/flowjson"
	"flowd/loadtest"
)

func encodeJSON(dst []byte, g *loadtest.Generator, samples []loadtest.Sample) []byte {
	return g.Encode(dst, samples, flowjson.JSON)
}

// encodeInflux writes the same flows as lines of InfluxDB's protocol. The names of the load
// need no escaping there.
func encodeInflux(dst []byte, g *loadtest.Generator, samples []loadtest.Sample) []byte {
	const nanosecondsPerHour = 3600 * 1_000_000_000
	for _, sample := range samples {
		f := g.Flow(sample)
		dst = fmt.Appendf(dst, "flow,src_app=%s,dest_app=%s,vpc_id=%s bytes_tx=%d,bytes_rx=%d %d\n",
			f.SrcApp, f.DestApp, f.VPCID, f.BytesTx, f.BytesRx, uint64(f.Hour)*nanosecondsPerHour)
	}
	return dst
}

// hourLine is what flowd says of an hour.
type hourLine struct{ Tuples, Flows uint64 }

// flowdHours returns all hours that flowd has.
func (s *server) flowdHours(ctx context.Context) ([]hourLine, error) {
	body, err := s.get(ctx, "/hours")
	if err != nil {
		return nil, err
	}
	var hours []hourLine
	if err := json.Unmarshal(body, &hours); err != nil {
		return nil, fmt.Errorf("flowd answered GET /hours with %.100q: %w", body, err)
	}
	return hours, nil
}

// flowdCount adds up the flows of all hours.
func (s *server) flowdCount(ctx context.Context) (uint64, error) {
	hours, err := s.flowdHours(ctx)
	total := uint64(0)
	for _, hour := range hours {
		total += hour.Flows
	}
	return total, err
}

// victoriaCount returns half of the rows inserted: a flow has two fields.
func (s *server) victoriaCount(ctx context.Context) (uint64, error) {
	rows, err := s.metric(ctx, `vm_rows_inserted_total{type="influx"}`)
	return uint64(rows) / 2, err
}

// metric returns the value of one of the server's metrics, with the labels in its name.
func (s *server) metric(ctx context.Context, name string) (float64, error) {
	body, err := s.get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(body) {
		if value, ok := bytes.CutPrefix(line, []byte(name+" ")); ok {
			return strconv.ParseFloat(string(bytes.TrimSpace(value)), 64)
		}
	}
	return 0, fmt.Errorf("%s has no metric %s", s.name, name)
}

// readOK returns the body of a 200 and closes it.
func readOK(resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", resp.Request.URL, resp.Status)
	}
	return io.ReadAll(resp.Body)
}

func (s *server) awaitSpares(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	return s.await(ctx, "flowd_log_spare_segments", func(spares float64) bool { return spares >= wantedSpares })
}

// await returns when one of the server's metrics has a value that it waits for.
func (s *server) await(ctx context.Context, name string, is func(float64) bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		value, err := s.metric(ctx, name)
		if err != nil {
			return err
		}
		if is(value) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: %s stays at %v: %w", s.name, name, value, ctx.Err())
		}
	}
}

// logBytes returns how many bytes the log took for each flow since the server started. All that
// was posted must have been posted to this server.
func (s *server) logBytes(ctx context.Context) (float64, error) {
	written, err := s.metric(ctx, "flowd_log_written_bytes_total")
	return written / float64(s.posted), err
}
