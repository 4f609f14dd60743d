package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"flowd/block"
	"flowd/clock"
	"flowd/dedupe"
	"flowd/disk"
	"flowd/flow"
	"flowd/store/manifest"
	"flowd/wal"
)

// recover brings back what the folder holds: the manifest's state, then the log after it. It
// changes nothing on disk before all of that was read without damage.
func (e *Engine) recover() (err error) {
	if err := e.lock(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.folder.Close())
		}
	}()
	m, err := e.manifest()
	if err != nil {
		return err
	}
	if err := e.adopt(m); err != nil {
		return err
	}
	from, err := decodePosition(m)
	if err != nil {
		return err
	}
	reader, err := wal.NewReader(e.o.FS, e.o.logDir(), from)
	if err != nil {
		return err
	}
	e.table.Start()
	records := e.recordedFrom(m)
	e.checkpointer.manifest = m
	swept, err := e.replay(reader, &records)
	e.clock.Resume(records.from, records.last)
	e.checkpointer.clockAt = 0 // that it goes on is to be in the manifest, whatever the replay put there
	if err == nil {
		err = e.resume(e.checkpointer.manifest, reader, swept)
	}
	if err != nil {
		e.table.Close()
	}
	return errors.Join(err, reader.Close())
}

// The lock may be held for a moment by flowd inspect, or by a server that is just being ended.
const (
	lockTries = 10
	lockWait  = 50 * time.Millisecond
)

// lock takes the folder for this process.
func (e *Engine) lock() error {
	if err := e.o.FS.MkdirAll(e.o.Dir); err != nil {
		return fmt.Errorf("the data folder %s cannot be made: %w", e.o.Dir, err)
	}
	folder, err := e.o.FS.Lock(e.o.lockName())
	for try := 0; try < lockTries && errors.Is(err, disk.ErrLocked); try++ {
		time.Sleep(lockWait)
		folder, err = e.o.FS.Lock(e.o.lockName())
	}
	if errors.Is(err, disk.ErrLocked) {
		return fmt.Errorf("the data folder %s is in use by another flowd: stop that one, or choose another folder with --data", e.o.Dir)
	}
	e.folder = folder
	return err
}

// manifest reads the manifest, or writes the first one into a new folder.
func (e *Engine) manifest() (*manifest.Manifest, error) {
	m, err := manifest.Read(e.o.FS, e.o.Dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	for _, folder := range []string{e.o.logDir(), e.o.Dir + "/" + block.HoursFolder} {
		names, err := e.o.FS.List(folder)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if len(names) > 0 {
			return nil, fmt.Errorf("%s has no %s, but %s has %d files: the manifest is lost; "+
				"restore it from a backup, or choose another folder with --data", e.o.Dir, manifest.Name, folder, len(names))
		}
	}
	if err := e.o.FS.MkdirAll(e.o.logDir()); err != nil {
		return nil, err
	}
	// The folder itself must be found after a power cut.
	if err := errors.Join(e.o.FS.SyncDir(path.Dir(e.o.Dir)), e.o.FS.SyncDir(e.o.Dir)); err != nil {
		return nil, err
	}
	state := e.clock.Accept(false).State
	m = &manifest.Manifest{Written: state.Time, Clock: &state, Log: encodePosition(wal.Position{})}
	return m, manifest.Write(e.o.FS, e.o.Dir, m)
}

// adopt takes over what m says.
func (e *Engine) adopt(m *manifest.Manifest) error {
	e.account = m.Ledger
	labels := make([]flow.Hour, 0, len(m.Hours))
	for _, entry := range m.Hours {
		if err := e.checkSize(entry.Block); err != nil {
			return err
		}
		h := newHour()
		h.account, h.block = entry.Account, e.newBlock(entry)
		h.lastWrite = clock.Stamp{Time: entry.LastWrite, Slack: entry.Slack, Gaps: entry.Gaps}
		h.openedBy, h.live, h.expiredBefore = entry.OpenedBy, entry.Live, entry.ExpiredBefore
		if m.Clock == nil {
			h.live = liveAt(entry.Hour, entry.LastWrite)
		}
		e.keep(entry.Hour, h)
		labels = append(labels, entry.Hour)
	}
	e.expired.readRanges(m.Expired)
	e.table.SetOnDisk(labels)
	e.checkpointer.generation = m.Generation
	e.checkpointer.last.Store(m.Written)
	if m.Windows == nil {
		return nil
	}
	e.checkpointer.windowsFile = m.Windows.Name
	part, err := block.OpenPart(e.o.FS, e.o.Dir, *m.Windows)
	if err != nil {
		return err
	}
	e.windows, err = dedupe.Read(part, e.o.dedupe())
	if err != nil {
		err = fmt.Errorf("%s: %w", m.Windows.Name, err)
	}
	return errors.Join(err, part.Close())
}

// checkSize holds a block to its size, which costs little. Its checksum is looked at by flowd
// verify, and those of its pages whenever they are read.
func (e *Engine) checkSize(f block.File) error {
	file, err := e.o.FS.Open(e.o.Dir + "/" + f.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is missing, which the manifest names with %d rows: restore it from a backup", f.Name, f.Rows)
	}
	if err != nil {
		return err
	}
	size, err := file.Size()
	if err == nil && size != f.Size {
		err = &block.CorruptError{Name: f.Name, Offset: -1,
			Reason: fmt.Sprintf("it has %d bytes, and the manifest says %d", size, f.Size)}
	}
	return errors.Join(err, file.Close())
}

// resume removes what an unfinished checkpoint left, unless that was done before, and opens the log behind
// what was replayed. M is the manifest as it is by now.
func (e *Engine) resume(m *manifest.Manifest, reader *wal.Reader, swept bool) error {
	// If the replay made checkpoints, the folder was swept before them, and the files there are the checkpointer's.
	if !swept {
		if err := e.sweep(m); err != nil {
			return err
		}
	}
	e.view.Repair(m.Blocks())
	if torn := reader.Torn(); torn > 0 {
		e.stats.tornBytes.Store(torn)
		e.o.Logger.Warn("the end of the log was cut off: it was being written when the server ended, and no client was told that it counts", "bytes", torn)
	}
	var err error
	if e.position, err = decodePosition(m); err != nil {
		return err
	}
	if len(reader.Segments()) > 0 {
		e.position = reader.Position()
	}
	if !e.o.Logged {
		return nil
	}
	e.log, err = wal.Open(e.o.logOptions(), reader)
	return err
}

// sweep removes what a checkpoint that m does not know has left.
func (e *Engine) sweep(m *manifest.Manifest) error {
	removed, err := manifest.Sweep(e.o.FS, e.o.Dir, m)
	if err != nil {
		return err
	}
	for _, name := range removed {
		e.o.Logger.Info("removed what an unfinished checkpoint left", "file", name)
	}
	return nil
}

// encodePosition returns p as the manifest keeps it.
func encodePosition(p wal.Position) manifest.Position {
	text, _ := p.MarshalJSON() // which does not fail
	return text
}

// decodePosition returns the position of the log that m names.
func decodePosition(m *manifest.Manifest) (p wal.Position, err error) {
	if err := json.Unmarshal(m.Log, &p); err != nil {
		return p, fmt.Errorf("%s: %w", manifest.Name, err)
	}
	return p, nil
}
