// Package datadir looks at a data folder from outside: it tells what is in it, whether all of it
// is as it was written, and makes a copy of it that a server starts from. It changes nothing in
// the folder, and a server may use it meanwhile.
//
//	LOCK                                held by the server that uses the folder
//	MANIFEST                            names what counts, and from where the log goes on
//	wal/000000000007.wal                a segment of the log: written in place, used again
//	hours/hour=482659/00000012.parquet  a block: written once, removed when a newer one counts
//	windows-00000012                    dedupe windows: as blocks
//	parquet/hour=482659/flows.parquet   the hour's block for other programs, see package view
//
// What a running server does to the folder between two looks is told from damage by the manifest:
// nothing that one manifest names is changed before the next one is in its place. So who sees
// something wrong reads the manifest again, and begins anew if it is another one.
package datadir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"flowd/block"
	"flowd/disk"
	"flowd/store/manifest"
	"flowd/wal"
)

const parquetFolder = "parquet"

// attempts is how many manifests are tried before giving up on a folder that changes all the time.
const attempts = 10

// ErrNoData is that a folder has nothing that a server would have written.
var ErrNoData = errors.New("is no data folder of flowd")

// Use is whether a server uses a folder.
type Use string

// The uses. UseUnknown is where the lock may not be looked at, or not on this system.
const (
	UseServer  Use = "server"
	UseNone    Use = "none"
	UseUnknown Use = "unknown"
)

// UseOf tells whether a server uses the folder. The lock cannot be looked at without taking it, so
// it is held for an instant, in which a server that starts would find it taken.
func UseOf(fsys disk.FS, dir string) Use {
	name := path.Join(dir, manifest.LockName)
	// Looked for first, since taking the lock makes the file.
	file, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return UseNone
	}
	if err != nil || file.Close() != nil {
		return UseUnknown
	}
	lock, err := fsys.Lock(name)
	switch {
	case errors.Is(err, disk.ErrLocked):
		return UseServer
	case err != nil || lock.Close() != nil:
		return UseUnknown
	}
	return UseNone
}

// Check returns nil if the folder has anything of a server, ErrNoData if it has not, or why it
// cannot be read.
func Check(fsys disk.FS, dir string) error {
	names, err := fsys.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("is not there")
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		switch name {
		case manifest.Name, manifest.LogFolder, block.HoursFolder, manifest.LockName:
			return nil
		}
	}
	return ErrNoData
}

// list returns the names in a folder: none, if it is not there.
func list(fsys disk.FS, folder string) ([]string, error) {
	names, err := fsys.List(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return names, err
}

// readManifest reads the manifest, and the position of the log that it names.
func readManifest(fsys disk.FS, dir string) (m *manifest.Manifest, from wal.Position, err error) {
	if m, err = manifest.Read(fsys, dir); err != nil {
		return nil, from, err
	}
	if err := json.Unmarshal(m.Log, &from); err != nil {
		return nil, from, &block.CorruptError{Name: manifest.Name, Offset: -1, Reason: err.Error()}
	}
	return m, from, nil
}

// changed tells whether the folder has another manifest than m by now. One that cannot be read any
// more is none.
func changed(fsys disk.FS, dir string, m *manifest.Manifest) (bool, error) {
	now, err := manifest.Read(fsys, dir)
	if err != nil {
		return false, fmt.Errorf("the manifest was read, and cannot be read again: %w", err)
	}
	return now.Generation != m.Generation, nil
}
