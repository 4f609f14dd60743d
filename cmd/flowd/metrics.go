package main

import (
	"bytes"
	"fmt"
	"io"
	"strconv"

	"flowd/local"
	"flowd/shard"
)

// shardMetrics are the metrics that every shard has, with the label shard.
var shardMetrics = []struct {
	name, kind, help string
	value            func(*shard.Stats) uint64
}{
	{"flowd_shard_queue_depth", "gauge", "Messages that wait for the shard.", func(s *shard.Stats) uint64 { return uint64(s.Queue) }},
	{"flowd_tuples", "gauge", "Distinct tuples in memory.", func(s *shard.Stats) uint64 { return s.Tuples }},
	{"flowd_hours_in_memory", "gauge", "Hours in memory, whole or in part.", func(s *shard.Stats) uint64 { return s.Hours }},
	{"flowd_table_bytes", "gauge", "Memory of the tuples and hours held.", func(s *shard.Stats) uint64 { return s.Bytes }},
	{"flowd_shard_flows_total", "counter", "Flows added up since the start.", func(s *shard.Stats) uint64 { return s.Flows }},
}

// engineGauges are the metrics of the engine. Those of the log are left out without one.
var engineGauges = []struct {
	name, kind, help string
	ofLog            bool
	value            func(*local.Stats) float64
}{
	{"flowd_hours", "gauge", "Hours kept.", false, func(s *local.Stats) float64 { return float64(s.Hours) }},
	{"flowd_hours_on_disk", "gauge", "Hours that have a block on disk.", false, func(s *local.Stats) float64 { return float64(s.HoursOnDisk) }},
	{"flowd_block_bytes", "gauge", "Size of the blocks on disk.", false, func(s *local.Stats) float64 { return float64(s.BlockBytes) }},
	{"flowd_parquet_behind_hours", "gauge", "Hours whose file in parquet/ is not as of the last checkpoint.", false, func(s *local.Stats) float64 { return float64(s.ParquetBehind) }},
	{"flowd_memory_budget_bytes", "gauge", "Memory for totals, beyond which hours leave it.", false, func(s *local.Stats) float64 { return float64(s.MemoryBudget) }},
	{"flowd_memory_limit_bytes", "gauge", "Memory that the process may have; 0 where nothing bounds it.", false, func(s *local.Stats) float64 { return float64(s.MemoryLimit) }},
	{"flowd_memory_ceiling_bytes", "gauge", "Memory for totals and batches on their way, beyond which batches are refused; 0 without a limit.", false, func(s *local.Stats) float64 { return float64(s.MemoryCeiling) }},
	{"flowd_memory_other_bytes", "gauge", "Memory that all else takes, as far as that was measured lately; 0 without a limit.", false, func(s *local.Stats) float64 { return float64(s.MemoryOther) }},
	{"flowd_hours_spilled_total", "counter", "Hours that left memory for the memory-budget.", false, func(s *local.Stats) float64 { return float64(s.HoursSpilled) }},
	{"flowd_hours_expired_total", "counter", "Hours that expired.", false, func(s *local.Stats) float64 { return float64(s.HoursExpired) }},
	{"flowd_hours_expired_early_total", "counter", "Those of them that went for retention-bytes, before their retention was over.", false, func(s *local.Stats) float64 { return float64(s.HoursExpiredEarly) }},
	{"flowd_hours_other", "gauge", "Hours that were further than two days from the clock when their first flow came.", false, func(s *local.Stats) float64 { return float64(s.OtherHours) }},
	{"flowd_hours_other_max", "gauge", "How many of these max-hours has room for.", false, func(s *local.Stats) float64 { return float64(s.OtherHoursMax) }},
	{"flowd_clock_held_seconds", "gauge", "Time by which the clock is ahead and that expiry does not count yet.", false, func(s *local.Stats) float64 { return s.ClockHeld.Seconds() }},
	{"flowd_clock_held_hours", "gauge", "Hours that would expire if it were counted.", false, func(s *local.Stats) float64 { return float64(s.HoursHeld) }},
	{"flowd_clock_paused_seconds", "gauge", "Time for which the server did not run and that expiry does not count yet.", false, func(s *local.Stats) float64 { return s.ClockPaused.Seconds() }},
	{"flowd_clock_behind_seconds", "gauge", "Time by which the clock is behind the trusted time.", false, func(s *local.Stats) float64 { return s.ClockBehind.Seconds() }},
	{"flowd_checkpoints_total", "counter", "Checkpoints made.", false, func(s *local.Stats) float64 { return float64(s.Checkpoints) }},
	{"flowd_checkpoints_failed_total", "counter", "Checkpoints that failed, and were tried again.", false, func(s *local.Stats) float64 { return float64(s.CheckpointsFailed) }},
	{"flowd_checkpoint_seconds_total", "counter", "Time that checkpoints took.", false, func(s *local.Stats) float64 { return s.CheckpointSeconds }},
	{"flowd_checkpoint_last_timestamp_seconds", "gauge", "When the last checkpoint was made.", false, func(s *local.Stats) float64 { return float64(s.LastCheckpoint) / 1e3 }},
	{"flowd_checkpoint_rows_total", "counter", "Rows written to blocks.", false, func(s *local.Stats) float64 { return float64(s.RowsWritten) }},
	{"flowd_damaged_reads_total", "counter", "Questions that a damaged block could not answer.", false, func(s *local.Stats) float64 { return float64(s.DamagedReads) }},
	{"flowd_idempotency_keys", "gauge", "Idempotency keys remembered.", false, func(s *local.Stats) float64 { return float64(s.Windows.Keys) }},
	{"flowd_idempotency_agents", "gauge", "Agents whose sequences are remembered.", false, func(s *local.Stats) float64 { return float64(s.Windows.Agents) }},
	{"flowd_idempotency_forgotten_early_total", "counter", "Keys forgotten within idempotency-window, since there were more than idempotency-keys.", false, func(s *local.Stats) float64 { return float64(s.Windows.ForgottenByNumber) }},
	{"flowd_idempotency_agents_forgotten_total", "counter", "Agents that sent nothing for idempotency-window and made room for others.", false, func(s *local.Stats) float64 { return float64(s.Windows.ForgottenAgents) }},
	{"flowd_idempotency_bytes", "gauge", "Memory of keys and agents.", false, func(s *local.Stats) float64 { return float64(s.Windows.Bytes) }},
	{"flowd_folded_flows_total", "counter", "Flows that count under ~other, since there were max-tuples-hour or max-tuples already.", false, func(s *local.Stats) float64 { return float64(s.FoldedFlows) }},
	{"flowd_folded_bytes_total", "counter", "Bytes of these flows, both ways together.", false, func(s *local.Stats) float64 { return float64(s.FoldedBytes) }},
	{"flowd_folded_over_share_flows_total", "counter", "Flows that were folded since their VPC had its share of max-tuples-hour or max-tuples, before the bound was reached.", false, func(s *local.Stats) float64 { return float64(s.FoldedOverShare) }},
	{"flowd_ledger_checks_total", "counter", "Comparisons of the account with the tables.", false, func(s *local.Stats) float64 { return float64(s.Checks) }},
	{"flowd_ledger_imbalanced_blocks_total", "counter", "Blocks that did not hold what the account says when they were written.", false, func(s *local.Stats) float64 { return float64(s.ImbalancedBlocks) }},
	{"flowd_log_bytes", "gauge", "Log that a start would replay.", true, func(s *local.Stats) float64 { return float64(s.LogBytes) }},
	{"flowd_log_groups_total", "counter", "Groups of batches written to the log.", true, func(s *local.Stats) float64 { return float64(s.Log.Groups) }},
	{"flowd_log_records_total", "counter", "Batches written to the log.", true, func(s *local.Stats) float64 { return float64(s.Log.Records) }},
	{"flowd_log_written_bytes_total", "counter", "Bytes written to the log.", true, func(s *local.Stats) float64 { return float64(s.Log.Bytes) }},
	{"flowd_log_syncs_total", "counter", "Syncs of the log.", true, func(s *local.Stats) float64 { return float64(s.Log.Syncs) }},
	{"flowd_log_sync_seconds_total", "counter", "Time that syncs of the log took.", true, func(s *local.Stats) float64 { return s.Log.SyncTime.Seconds() }},
	{"flowd_log_segments", "gauge", "Segments of the log with batches in them.", true, func(s *local.Stats) float64 { return float64(s.Log.Segments) }},
	{"flowd_log_spare_segments", "gauge", "Segments of the log that are ready to be used.", true, func(s *local.Stats) float64 { return float64(s.Log.Spares) }},
	{"flowd_log_kept_segments", "gauge", "Segments of the log that a checkpoint dropped and that are to be used again.", true, func(s *local.Stats) float64 { return float64(s.Log.Kept) }},
	{"flowd_log_torn_bytes", "gauge", "Bytes that were cut off the log's end at the start.", true, func(s *local.Stats) float64 { return float64(s.TornBytes) }},
}

// engineMetrics returns a writer of an engine's metrics in the Prometheus text format. It asks
// stats once a scrape, so that the figures of one scrape belong together.
func engineMetrics(stats func() local.Stats) func(io.Writer) {
	return func(w io.Writer) {
		s := stats()
		var text bytes.Buffer
		writeShards(&text, s.Shards)
		if s.Recovered {
			writeEngine(&text, &s)
		}
		// A scraper that hung up is no error of ours, and cannot be told.
		_, _ = w.Write(text.Bytes())
	}
}

func writeHead(text *bytes.Buffer, name, kind, help string) {
	fmt.Fprintf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

func writeShards(text *bytes.Buffer, shards []shard.Stats) {
	for _, m := range shardMetrics {
		writeHead(text, m.name, m.kind, m.help)
		for i := range shards {
			fmt.Fprintf(text, "%s{shard=\"%d\"} %d\n", m.name, i, m.value(&shards[i]))
		}
	}
	saturated := uint64(0)
	for _, s := range shards {
		saturated += s.Saturated
	}
	const name = "flowd_totals_saturated_total"
	writeHead(text, name, "counter", "Additions that would have passed 2^64-1, where a total stays.")
	fmt.Fprintf(text, "%s %d\n", name, saturated)
}

func writeEngine(text *bytes.Buffer, s *local.Stats) {
	for _, m := range engineGauges {
		if m.ofLog && !s.Logged {
			continue
		}
		writeHead(text, m.name, m.kind, m.help)
		fmt.Fprintf(text, "%s %s\n", m.name, strconv.FormatFloat(m.value(s), 'f', -1, 64))
	}
	const name = "flowd_ledger_imbalance"
	writeHead(text, name, "gauge", "How far the account and the tables are apart; not 0 is a loss, or counted twice.")
	fmt.Fprintf(text, "%s{unit=\"flows\"} %d\n%s{unit=\"bytes\"} %d\n", name, s.ImbalanceFlows, name, s.ImbalanceBytes)
}
