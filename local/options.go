package local

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"flowd/dedupe"
	"flowd/disk"
	"flowd/shard"
	"flowd/store/manifest"
	"flowd/view"
	"flowd/wal"
)

// Options are what an engine is made of.
type Options struct {
	// Dir is the folder of the data, made if need be; empty for an engine in memory, which forgets
	// everything when it ends.
	Dir string
	// FS is where Dir is; nil is the operating system's.
	FS disk.FS
	// Logged says that batches are written to the log before they count. Without it only
	// checkpoints reach the disk. It needs a Dir.
	Logged bool
	// Log are the options of the log but for its folder and file system.
	Log wal.Options
	// Logger gets what an operator should know.
	Logger *slog.Logger
	// Clock is the time; nil is the machine's.
	Clock func() time.Time
	// Uptime grows with the time that passes while the program runs. Nil is the machine's monotonic
	// clock, or Clock if that is given.
	Uptime func() time.Duration
	// ClockHold is for how long of running a clock that went ahead is not believed before hours
	// expire by it: see clock.Options.Hold.
	ClockHold time.Duration

	// Shards and Batches are those of shard.Options.
	Shards, Batches int

	// CheckpointEvery and CheckpointLog say when what changed is written to hour blocks: after so
	// much time, or when the log since then has so many bytes.
	CheckpointEvery time.Duration
	CheckpointLog   int64
	// MemoryBudget is how many bytes the shards should take. Beyond it hours leave memory, those
	// first that were neither written nor read for longest.
	MemoryBudget int64
	// MemoryLimit is how many bytes the process may take before the kernel may end it; 0 if that is not
	// known. Room tells how near it is.
	MemoryLimit int64

	// Parquet is how hours come into the folder that other programs read; the zero value is view.Link.
	Parquet view.Mode

	Limits
	// MaxHours is how many hours are kept. A batch that would open more is refused, but for live hours.
	MaxHours int

	// Window, Keys and Agents bound what is remembered of named batches: see dedupe.Options.
	Window       time.Duration
	Keys, Agents int
}

// Limits are those options that may change while the engine runs.
type Limits struct {
	// Retention is how long an hour is kept after its last flow came; 0 is for ever.
	Retention time.Duration
	// RetentionBytes is how many bytes the hour blocks may take; 0 is no bound. Beyond it hours
	// expire, those first whose last flow came longest ago.
	RetentionBytes int64
	// MaxAhead is how far ahead of the clock an hour may be; 0 is no bound. Labels below 100,000 are
	// taken for those of people who number hours as they like.
	MaxAhead time.Duration
	// Bounds are how many tuples there may be in memory. Flows of others are folded.
	Bounds shard.Bounds
}

// DefaultOptions are those of a small server, without a folder.
func DefaultOptions() Options {
	return Options{
		Logger:          slog.New(slog.DiscardHandler),
		CheckpointEvery: 5 * time.Minute,
		CheckpointLog:   512 << 20,
		MemoryBudget:    1 << 30,
		ClockHold:       24 * time.Hour,
		Limits:          Limits{Retention: 90 * 24 * time.Hour, MaxAhead: 48 * time.Hour},
		MaxHours:        10_000,
		Window:          24 * time.Hour,
		Keys:            1_000_000,
		Agents:          100_000,
	}
}

// check fills in what is left to a default, and refuses what cannot be.
func (o *Options) check() error {
	if o.FS == nil {
		o.FS = disk.OS
	}
	if o.Parquet == "" {
		o.Parquet = view.Link
	}
	if o.Clock == nil {
		o.Clock = time.Now
		if o.Uptime == nil {
			began := time.Now()
			o.Uptime = func() time.Duration { return time.Since(began) }
		}
	}
	switch {
	case o.Logger == nil:
		return errors.New("local: a logger is required")
	case o.Logged && o.Dir == "":
		return errors.New("local: a log needs a folder")
	case o.CheckpointEvery <= 0 || o.CheckpointLog <= 0 || o.MemoryBudget <= 0:
		return fmt.Errorf("local: checkpoints every %v or %d bytes, and a budget of %d bytes: all must be over 0",
			o.CheckpointEvery, o.CheckpointLog, o.MemoryBudget)
	case o.ClockHold < 0:
		return fmt.Errorf("local: a clock hold of %v: it must be at least 0", o.ClockHold)
	case o.MaxHours < 1:
		return fmt.Errorf("local: %d hours: at least 1 is required", o.MaxHours)
	}
	return nil
}

func (o *Options) dedupe() dedupe.Options {
	return dedupe.Options{Window: o.Window, Keys: o.Keys, Agents: o.Agents}
}

// logOptions are those of the log in this folder.
func (o *Options) logOptions() wal.Options {
	log := o.Log
	log.Dir, log.FS, log.Logger = o.logDir(), o.FS, o.Logger
	if log.KeepBytes == 0 {
		// What docs/operations.md says that the log takes: that of a checkpoint and as much while it is
		// written, begun segments at both ends, two spares, and one more of those dropped.
		log.KeepBytes = 2*o.CheckpointLog + 5*cmp.Or(log.SegmentBytes, wal.DefaultSegmentBytes)
	}
	return log
}

func (o *Options) logDir() string   { return o.Dir + "/" + manifest.LogFolder }
func (o *Options) lockName() string { return o.Dir + "/" + manifest.LockName }
