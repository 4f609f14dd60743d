package block

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"flowd/clock"
	"flowd/disk"
	"flowd/flow"
)

// Names in the data folder.
const (
	// ManifestName is the name of the manifest.
	ManifestName = "MANIFEST"
	// unfinished is the manifest before it is renamed.
	unfinished = "MANIFEST.new"
)

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
	// Log is the position from which the log is to be replayed.
	Log Position
	// Windows is the side file with the dedupe windows; nil if there are none.
	Windows *Part
	// Ledger is the account of all flows up to Log.
	Ledger flow.Account
	// Hours are the hours that are kept, ascending.
	Hours []HourEntry
	// Expired are hours that expired, as far as they are remembered, ascending and apart.
	Expired []HourRange
}

// HourRange is the hours from From to To, both included.
type HourRange struct{ From, To flow.Hour }

// Position is a place in the log.
type Position struct{ Segment, Group uint64 }

// HourEntry is what the manifest knows of an hour.
type HourEntry struct {
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
	Block File
}

// ReadManifest reads the manifest of the folder dir. There being none is fs.ErrNotExist; damage is a
// *CorruptError; one of a newer version of the program is a *NewerError.
func ReadManifest(fsys disk.FS, dir string) (*Manifest, error) {
	file, err := fsys.Open(path.Join(dir, ManifestName))
	if err != nil {
		return nil, fmt.Errorf("block: open %s: %w", ManifestName, err)
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
		return nil, fmt.Errorf("block: read %s: %w", ManifestName, err)
	}
	return parseManifest(text)
}

// WriteManifest puts m in the place of the manifest of the folder dir. When it returns nil that is
// durable; after an error either of the two may be what a restart finds. The files that m names must
// be durable before.
func WriteManifest(fsys disk.FS, dir string, m *Manifest) error {
	text, err := formatManifest(m)
	if err != nil {
		return err
	}
	// A crash or an error may have left one behind.
	if err := fsys.Remove(path.Join(dir, unfinished)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("block: remove %s: %w", unfinished, err)
	}
	_, err = create(fsys, dir, unfinished, func(s *sink) error {
		_, err := s.Write(text)
		return err
	})
	if err != nil {
		return err
	}
	if err := fsys.Rename(path.Join(dir, unfinished), path.Join(dir, ManifestName)); err != nil {
		return fmt.Errorf("block: rename %s to %s: %w", unfinished, ManifestName, err)
	}
	return syncFolders(fsys, dir, ".")
}
