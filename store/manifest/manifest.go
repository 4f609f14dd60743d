// Package manifest says which files of a data folder count, and from where the log goes on.
//
// A file is garbage until a manifest names it. So blocks and windows are written under their final names, and
// only the manifest is replaced by a rename; Sweep removes the files that a crash left.
//
//	MANIFEST                            what counts, since when, up to where in the log
//	windows-00000007                    the dedupe windows of generation 7
//	hours/hour=482659/00000007.parquet  the hour 482659 as generation 7 wrote it: see package block
package manifest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/goccy/go-json"

	"flowd/block"
	"flowd/clock"
	"flowd/disk"
	"flowd/flow"
)

// Names of files and folders in the data folder.
const (
	// Name is the manifest's.
	Name = "MANIFEST"
	// unfinished is the manifest's before it is renamed.
	unfinished = "MANIFEST.new"
	// LockName is the name of the file that a process locks which uses the folder.
	LockName = "LOCK"
	// LogFolder is the name of the folder with the segments of the log.
	LogFolder     = "wal"
	windowsPrefix = "windows-"
)

// WindowsName returns the name of the file with the dedupe windows of generation.
func WindowsName(generation uint64) string { return fmt.Sprintf("%s%08d", windowsPrefix, generation) }

// Manifest is one moment of all data: which files count, and from where the log goes on.
type Manifest struct {
	// Generation is the number of the checkpoint that wrote it.
	Generation uint64
	// Written is when, in milliseconds since the Unix epoch, by the trusted clock.
	Written int64
	// Clock is what that clock goes on from; nil in a manifest of version 1.
	Clock *clock.State
	// RecordsUntil is the latest time, by the trusted clock, that is believed of the records from Log on, as a
	// version that had no such clock wrote them; 0 is no bound.
	RecordsUntil int64
	// Log is the position from which the log is to be read, as JSON of a form that the log chooses. It is
	// never empty.
	Log Position
	// Windows is the side file with the dedupe windows; nil if there are none.
	Windows *block.Part
	// Ledger is the account of all flows up to Log.
	Ledger flow.Account
	// Hours are the hours that are kept, ascending.
	Hours []Hour
	// Expired are hours that expired, as far as they are remembered, ascending and apart.
	Expired []HourRange
}

// HourRange is the hours from From to To, both included.
type HourRange struct{ From, To flow.Hour }

// Position is a place in a log, as one value of JSON.
type Position = json.RawMessage

// Hour is what the manifest knows of an hour.
type Hour struct {
	Hour flow.Hour
	// Account is the account of the hour's flows.
	Account flow.Account
	// Tuples is how many tuples the hour has.
	Tuples uint64
	// LastWrite is when flows were last added, in milliseconds since the Unix epoch.
	LastWrite int64
	// Slack and Gaps are those of the clock.Stamp of LastWrite.
	Slack, Gaps int64
	// Saturated is how many times a total would have passed 2^64-1 and was held there.
	Saturated uint64
	// OpenedBy is the client whose flows came first, as far as it is known, and Live whether the
	// hour was close to the clock then.
	OpenedBy string
	Live     bool
	// ExpiredBefore says that the hour had expired when these flows came.
	ExpiredBefore bool
	// Block is the hour's file; the zero value for an hour without rows.
	Block block.File
}

// Read reads the manifest of the folder dir. There being none is fs.ErrNotExist; damage is a
// *block.CorruptError; one of a newer version of the program is a *NewerError.
func Read(fsys disk.FS, dir string) (*Manifest, error) {
	file, err := fsys.Open(path.Join(dir, Name))
	if err != nil {
		return nil, fmt.Errorf("manifest: open %s: %w", Name, err)
	}
	size, err := file.Size()
	text := make([]byte, size)
	if err == nil {
		_, err = io.ReadFull(io.NewSectionReader(file, 0, size), text)
	}
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return nil, fmt.Errorf("manifest: read %s: %w", Name, err)
	}
	return parse(text)
}

// Write puts m in the place of the manifest of the folder dir. When it returns nil that is
// durable; after an error either of the two may be what a restart finds. The files that m names must
// be durable before.
func Write(fsys disk.FS, dir string, m *Manifest) error {
	text, err := format(m)
	if err != nil {
		return err
	}
	// A crash or an error may have left one behind.
	if err := fsys.Remove(path.Join(dir, unfinished)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("manifest: remove %s: %w", unfinished, err)
	}
	_, err = block.WritePart(fsys, dir, unfinished, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
	if err != nil {
		return err
	}
	if err := fsys.Rename(path.Join(dir, unfinished), path.Join(dir, Name)); err != nil {
		return fmt.Errorf("manifest: rename %s to %s: %w", unfinished, Name, err)
	}
	if err := fsys.SyncDir(dir); err != nil {
		return fmt.Errorf("manifest: sync the data folder: %w", err)
	}
	return nil
}

// NewerError is a manifest that a newer version of the program wrote.
type NewerError struct {
	// Found is the format's version in the file, Known the newest that can be read.
	Found, Known uint64
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("manifest: %s has format %d, and the newest known here is %d: start the version that wrote it",
		Name, e.Found, e.Known)
}

// Blocks returns the blocks that m names, by hour.
func (m *Manifest) Blocks() map[flow.Hour]block.File {
	blocks := make(map[flow.Hour]block.File, len(m.Hours))
	for i := range m.Hours {
		if b := m.Hours[i].Block; b != (block.File{}) {
			blocks[m.Hours[i].Hour] = b
		}
	}
	return blocks
}
