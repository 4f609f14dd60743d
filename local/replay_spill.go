package local

import (
	"fmt"

	"flowd/flow"
	"flowd/shard"
	"flowd/wal"
)

// spills are the checkpoints that a replay makes so that the log need not fit the memory. Such a
// checkpoint is one as any other, at a position between two groups of the log: a start that is killed
// after it goes on there, one that is killed before finds all as it was. It differs in two things. All
// hours leave memory, as the replay needs it. And none expires: what is to go is decided when the server
// runs.
//
// The log stays as it is until the first checkpoint after the start.
type spills struct {
	made  int   // checkpoints
	swept bool  // what a failed checkpoint had left is removed, and the rest of the log is read
	due   int64 // bytes of the shards at which the next one is due; 0 before the first
}

// spillIfDue makes a checkpoint if the shards and the batches on their way to them take more than the budget,
// and the record that was handed on last is the last of its group.
func (r *replaying) spillIfDue() error {
	e := r.engine
	if r.spills.due == 0 {
		r.spills.due = e.spillDue()
	}
	if e.table.Bytes()+e.table.Flight() <= r.spills.due {
		return nil
	}
	position, ok := r.reader.Behind()
	if !ok {
		return nil
	}
	r.pending.Wait()
	if err := r.failure(); err != nil {
		return err
	}
	if err := r.prepareSpill(position); err != nil {
		return err
	}
	e.position = position
	if err := e.checkpointer.checkpoint(false); err != nil {
		// It is tried again when there is more to write; what has gone wrong may pass meanwhile.
		if e.room() <= 0 {
			return fmt.Errorf("the log does not fit the memory, of which %d bytes are left of the %d of its limit, "+
				"and what was replayed so far could not be written to disk; mend that, or give the server more memory: %w",
				max(e.room(), 0), e.o.MemoryLimit, err)
		}
		r.spills.due += r.spills.due / 4
		return nil
	}
	r.spills.made++
	e.tuplesInMemory() // is answered once the shards have dropped what was written
	r.spills.due = e.spillDue()
	return nil
}

// spillDue returns how many bytes of the shards are too many. What they take without an hour is more
// than a small budget.
func (e *Engine) spillDue() int64 {
	bytes := e.table.Bytes()
	return max(e.o.MemoryBudget, bytes+bytes/4+1)
}

// prepareSpill is for the first checkpoint. A log that is damaged further on refuses the start, and
// then nothing may have been changed on disk. So the rest of it is read before, from a position, and
// only then files are removed that have the names of those which are to be written.
func (r *replaying) prepareSpill(from wal.Position) error {
	if r.spills.swept {
		return nil
	}
	e := r.engine
	rest, err := wal.NewReader(e.o.FS, e.o.logDir(), from)
	if err != nil {
		return err
	}
	defer rest.Close()
	for rest.Next() {
		if _, err := flow.ReadRecord(rest.Record()); err != nil {
			return damagedRecord(rest.Position(), err)
		}
	}
	if err := rest.Err(); err != nil {
		return err
	}
	r.spills.swept = true
	return e.sweep(e.checkpointer.manifest)
}

// failure returns why a record could not be applied, or nil.
func (r *replaying) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// spillAll has all hours of c leave memory, of which tuples has those that are there, and none expire.
func (e *Engine) spillAll(c *checkpointPlan, tuples map[flow.Hour]uint64) {
	e.stats.hoursSpilled.Add(int64(len(tuples)))
	for label := range tuples {
		h := c.hours[label]
		h.action = shard.Spill
		c.hours[label] = h
	}
}
