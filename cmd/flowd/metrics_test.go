package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowd/local"
	"flowd/shard"
	"flowd/wal"
)

func TestMetricsWhileRecovering(t *testing.T) {
	scrapes := 0
	write := engineMetrics(func() local.Stats {
		scrapes++
		return local.Stats{Shards: []shard.Stats{
			{Queue: 1, Tuples: 2, Hours: 3, Bytes: 4, Flows: 5, Saturated: 6},
			{Queue: 10, Tuples: 20, Hours: 30, Bytes: 40, Flows: 50, Saturated: 60},
		}}
	})
	var text strings.Builder
	write(&text)
	want := `# HELP flowd_shard_queue_depth Messages that wait for the shard.
# TYPE flowd_shard_queue_depth gauge
flowd_shard_queue_depth{shard="0"} 1
flowd_shard_queue_depth{shard="1"} 10
# HELP flowd_tuples Distinct tuples in memory.
# TYPE flowd_tuples gauge
flowd_tuples{shard="0"} 2
flowd_tuples{shard="1"} 20
# HELP flowd_hours_in_memory Hours in memory, whole or in part.
# TYPE flowd_hours_in_memory gauge
flowd_hours_in_memory{shard="0"} 3
flowd_hours_in_memory{shard="1"} 30
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

func TestEngineMetrics(t *testing.T) {
	stats := local.Stats{
		Recovered: true, Hours: 7, HoursOnDisk: 5, CheckpointSeconds: 1.25, LastCheckpoint: 1500,
		ImbalanceFlows: 3, ImbalanceBytes: 4,
		Logged: true, Log: wal.Stats{Syncs: 9, SyncTime: 2 * time.Second},
	}
	write := engineMetrics(func() local.Stats { return stats })
	var text strings.Builder
	write(&text)
	ofLog := []string{"flowd_log_syncs_total 9\n", "flowd_log_sync_seconds_total 2\n"}
	for _, line := range append([]string{
		"# TYPE flowd_hours gauge\nflowd_hours 7\n", "flowd_hours_on_disk 5\n", "flowd_checkpoint_seconds_total 1.25\n",
		"flowd_checkpoint_last_timestamp_seconds 1.5\n",
		"flowd_ledger_imbalance{unit=\"flows\"} 3\nflowd_ledger_imbalance{unit=\"bytes\"} 4\n",
	}, ofLog...) {
		if !strings.Contains(text.String(), line) {
			t.Errorf("metrics lack %q:\n%s", line, text.String())
		}
	}
	stats.Logged = false
	text.Reset()
	write(&text)
	for _, line := range ofLog {
		if strings.Contains(text.String(), line) {
			t.Errorf("metrics without a log have %q", line)
		}
	}
}
