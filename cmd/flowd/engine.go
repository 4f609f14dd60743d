package main

import (
	"log/slog"

	"flowd/config"
	"flowd/local"
	"flowd/shard"
	"flowd/view"
	"flowd/wal"
)

// durabilities are the log's ways of syncing, by the setting. None writes no log.
var durabilities = map[config.Durability]wal.Durability{
	config.DurabilityFsync:    wal.Fsync,
	config.DurabilityInterval: wal.Interval,
}

// newEngine returns the engine of the settings, for a process that may have so many bytes of memory, or 0.
func newEngine(c *config.Config, memory int64, logger *slog.Logger) (*local.Engine, error) {
	durability, logged := durabilities[c.Durability]
	return local.New(local.Options{
		Dir:    string(c.Data),
		Logged: logged,
		Log: wal.Options{
			SegmentBytes: int64(c.SegmentBytes), Durability: durability, SyncEvery: c.SyncInterval,
		},
		Logger: logger,
		Shards: int(c.Shards), Batches: c.QueueBatches,
		CheckpointEvery: c.CheckpointInterval, CheckpointLog: int64(c.CheckpointLog),
		MemoryBudget: int64(c.MemoryBudget), MemoryLimit: memory, Parquet: view.Mode(c.ParquetFolder),
		Limits: engineLimits(c), MaxHours: c.MaxHours, ClockHold: c.ClockHold,
		Window: c.IdempotencyWindow, Keys: c.IdempotencyKeys, Agents: c.MaxAgents,
	})
}

// engineLimits returns those settings of the engine that may change while it runs.
func engineLimits(c *config.Config) local.Limits {
	return local.Limits{
		Retention: c.Retention, RetentionBytes: int64(c.RetentionBytes), MaxAhead: c.MaxAhead,
		Bounds: shard.Bounds{HourTuples: uint64(c.MaxTuplesHour), Tuples: uint64(c.MaxTuples)},
	}
}
