package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowd/shard"
)

func TestTableMetrics(t *testing.T) {
	scrapes := 0
	write := tableMetrics(func() []shard.Stats {
		scrapes++
		return []shard.Stats{
			{Queue: 1, Tuples: 2, Hours: 3, Bytes: 4, Flows: 5, Saturated: 6},
			{Queue: 10, Tuples: 20, Hours: 30, Bytes: 40, Flows: 50, Saturated: 60},
		}
	})
	var text strings.Builder
	write(&text)
	want := `# HELP flowd_shard_queue_depth Messages that wait for the shard.
# TYPE flowd_shard_queue_depth gauge
flowd_shard_queue_depth{shard="0"} 1
flowd_shard_queue_depth{shard="1"} 10
# HELP flowd_tuples Distinct tuples held.
# TYPE flowd_tuples gauge
flowd_tuples{shard="0"} 2
flowd_tuples{shard="1"} 20
# HELP flowd_hours Hours held.
# TYPE flowd_hours gauge
flowd_hours{shard="0"} 3
flowd_hours{shard="1"} 30
# HELP flowd_table_bytes Memory of the tuples and hours held.
# TYPE flowd_table_bytes gauge
flowd_table_bytes{shard="0"} 4
flowd_table_bytes{shard="1"} 40
# HELP flowd_shard_flows_total Flows added up since the start.
# TYPE flowd_shard_flows_total counter
flowd_shard_flows_total{shard="0"} 5
flowd_shard_flows_total{shard="1"} 50
# HELP flowd_totals_saturated_total Additions that would have passed 2^64-1, where a total stays.
# TYPE flowd_totals_saturated_total counter
flowd_totals_saturated_total 66
`
	if diff := cmp.Diff(want, text.String()); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	if scrapes != 1 {
		t.Errorf("one scrape asked for the figures %d times", scrapes)
	}
}
