package local

import (
	"sync/atomic"
	"time"

	"flowd/dedupe"
	"flowd/shard"
	"flowd/wal"
)

// counters are what the engine counts for its operator.
type counters struct {
	received          atomic.Uint64 // flows, since the start, replayed ones too
	hours             atomic.Int64  // that are kept
	checkpoints       atomic.Int64
	checkpointsFailed atomic.Int64
	checkpointTime    atomic.Int64 // nanoseconds
	rowsWritten       atomic.Int64
	hoursSpilled      atomic.Int64
	hoursExpired      [expiries]atomic.Int64
	otherHours        atomic.Int64 // that were not live when they were opened
	partialHours      atomic.Int64 // that had expired before
	clock             atomic.Pointer[clockReport]
	damaged           atomic.Int64
	tornBytes         atomic.Int64
	imbalancedBlocks  atomic.Int64
	imbalanceFlows    atomic.Uint64
	imbalanceBytes    atomic.Uint64
	checks            atomic.Int64
	foldedFlows       atomic.Uint64
	foldedBytes       atomic.Uint64
	overShare         atomic.Uint64 // folded flows for which there was room, but not for their VPC
}

// Stats is what the engine looks like from outside, for metrics. Its parts may lag behind each
// other; what is counted is since the start.
type Stats struct {
	Shards []shard.Stats
	// Recovered says that the start is over; the fields from here on are only set then.
	Recovered bool
	// Logged says that there is a log, which Log is of.
	Logged bool
	Log    wal.Stats
	// LogBytes is how much of the log a start would have to replay.
	LogBytes int64
	Windows  dedupe.Stats
	// Hours and HoursOnDisk count the hours that are kept, and those of them that have a block.
	Hours, HoursOnDisk int
	// BlockBytes is what the blocks take on disk.
	BlockBytes int64
	// Checkpoints that were made and that failed, the time of the former, and when the last was
	// made, in Unix milliseconds.
	Checkpoints, CheckpointsFailed int64
	CheckpointSeconds              float64
	LastCheckpoint                 int64
	// RowsWritten counts rows of blocks written.
	RowsWritten int64
	// ParquetBehind counts the hours whose file in parquet/ is not as of the last checkpoint.
	ParquetBehind int64
	// OtherHours counts those that were not live when they were opened, and OtherHoursMax is how many
	// of these there may be.
	OtherHours, OtherHoursMax int
	// HoursSpilled and HoursExpired count hours that left memory, and that were forgotten; HoursExpiredEarly
	// those of the latter that went before their retention was over.
	HoursSpilled, HoursExpired, HoursExpiredEarly int64
	// ClockHeld is time by which the wall clock went ahead and that is not counted, and ClockPaused
	// that of restarts; ClockBehind is how far it went back. HoursHeld counts the hours that would
	// expire if the time held were counted.
	ClockHeld, ClockPaused, ClockBehind time.Duration
	HoursHeld                           int
	// DamagedReads counts questions that a damaged block could not answer.
	DamagedReads int64
	// TornBytes is what was cut off the log's end at the start.
	TornBytes int64
	// Checks counts comparisons of the account with the tables; Imbalance is what the last one
	// found, in flows and in bytes, and ImbalancedBlocks counts blocks that differed when written.
	Checks                         int64
	ImbalanceFlows, ImbalanceBytes uint64
	ImbalancedBlocks               int64
	// MemoryBudget and MemoryLimit are those of the options; MemoryCeiling is how many bytes shards and
	// batches may take now, and MemoryOther what all else was found to take. Without a limit there are
	// neither.
	MemoryBudget, MemoryLimit, MemoryCeiling, MemoryOther int64
	// FoldedFlows and FoldedBytes, both ways together, count what was folded.
	FoldedFlows, FoldedBytes uint64
	// FoldedOverShare counts flows that were folded since the start, and not by a replay, though the bound was
	// not reached: their VPC had its share of it.
	FoldedOverShare uint64
}

// Stats returns the engine's figures.
func (e *Engine) Stats() Stats {
	s := Stats{Shards: e.table.Stats()}
	if status := e.Status(); !status.Ready() && !status.ReadOnly {
		return s // what follows is being set up
	}
	s.Recovered = true
	s.MemoryBudget, s.MemoryLimit = e.o.MemoryBudget, e.o.MemoryLimit
	if s.MemoryLimit > 0 {
		s.MemoryCeiling, s.MemoryOther = e.memory.ceiling.Load(), e.memory.other.Load()
	}
	if e.log != nil {
		s.Logged, s.Log, s.LogBytes = true, e.log.Stats(), e.log.Size()
	}
	s.Windows = e.windows.Stats()
	e.order.RLock()
	s.Hours = len(e.hours)
	for _, h := range e.hours {
		if h.block != nil {
			s.HoursOnDisk++
			s.BlockBytes += h.block.entry.Block.Size
		}
	}
	e.order.RUnlock()
	c := &e.stats
	s.Checkpoints, s.CheckpointsFailed = c.checkpoints.Load(), c.checkpointsFailed.Load()
	s.CheckpointSeconds = float64(c.checkpointTime.Load()) / 1e9
	s.LastCheckpoint = e.checkpointer.last.Load()
	s.ParquetBehind = e.view.Behind()
	s.RowsWritten = c.rowsWritten.Load()
	s.HoursSpilled = c.hoursSpilled.Load()
	s.HoursExpiredEarly = c.hoursExpired[byBytes].Load()
	s.HoursExpired = c.hoursExpired[byAge].Load() + s.HoursExpiredEarly
	s.OtherHours, s.OtherHoursMax = int(c.otherHours.Load()), e.otherHoursMax()
	if r := c.clock.Load(); r != nil {
		s.ClockHeld, s.ClockPaused, s.ClockBehind, s.HoursHeld = r.Held, r.Paused, r.Behind, r.hours
	}
	s.DamagedReads, s.TornBytes = c.damaged.Load(), c.tornBytes.Load()
	s.Checks, s.ImbalancedBlocks = c.checks.Load(), c.imbalancedBlocks.Load()
	s.FoldedFlows, s.FoldedBytes = c.foldedFlows.Load(), c.foldedBytes.Load()
	s.FoldedOverShare = c.overShare.Load()
	s.ImbalanceFlows, s.ImbalanceBytes = c.imbalanceFlows.Load(), c.imbalanceBytes.Load()
	return s
}
