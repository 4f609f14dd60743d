package main

import (
	"bytes"
	"fmt"
	"io"

	"flowd/shard"
)

// shardMetrics are the metrics that every shard has, with the label shard.
var shardMetrics = []struct {
	name, kind, help string
	value            func(*shard.Stats) uint64
}{
	{"flowd_shard_queue_depth", "gauge", "Messages that wait for the shard.", func(s *shard.Stats) uint64 { return uint64(s.Queue) }},
	{"flowd_tuples", "gauge", "Distinct tuples held.", func(s *shard.Stats) uint64 { return s.Tuples }},
	{"flowd_hours", "gauge", "Hours held.", func(s *shard.Stats) uint64 { return s.Hours }},
	{"flowd_table_bytes", "gauge", "Memory of the tuples and hours held.", func(s *shard.Stats) uint64 { return s.Bytes }},
	{"flowd_shard_flows_total", "counter", "Flows added up since the start.", func(s *shard.Stats) uint64 { return s.Flows }},
}

// tableMetrics returns a writer of a table's metrics in the Prometheus text format. It asks
// stats once a scrape, so that the figures of one scrape belong together.
func tableMetrics(stats func() []shard.Stats) func(io.Writer) {
	return func(w io.Writer) {
		shards := stats()
		var text bytes.Buffer
		for _, m := range shardMetrics {
			fmt.Fprintf(&text, "# HELP %s %s\n# TYPE %s %s\n", m.name, m.help, m.name, m.kind)
			for i := range shards {
				fmt.Fprintf(&text, "%s{shard=\"%d\"} %d\n", m.name, i, m.value(&shards[i]))
			}
		}
		saturated := uint64(0)
		for _, s := range shards {
			saturated += s.Saturated
		}
		fmt.Fprintf(&text, "# HELP %[1]s Additions that would have passed 2^64-1, where a total stays.\n# TYPE %[1]s counter\n%[1]s %[2]d\n",
			"flowd_totals_saturated_total", saturated)
		// A scraper that hung up is no error of ours, and there is nobody left to tell.
		_, _ = w.Write(text.Bytes())
	}
}
