// Package datadir examines a data folder from outside: it describes its content, verifies that everything
// is as it was written, and makes a copy from which a server can start. It changes nothing in the folder,
// and a server may use the folder meanwhile.
//
//	LOCK                                held by the server that uses the folder
//	MANIFEST                            names the files that count, and where the log is replayed from
//	wal/000000000007.wal                a segment of the log: written in place, used again
//	hours/hour=482659/00000012.parquet  a block: written once, removed when a newer one counts
//	windows-00000012                    dedupe windows: as blocks
//	parquet/hour=482659/flows.parquet   the hour's block for other programs, see package view
//
// The manifest distinguishes changes by a running server from damage: a server changes nothing that a
// manifest names before the next manifest is in place. So after any inconsistency the manifest is read
// again, and if it is another one, the examination starts over.
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

// attempts is the number of manifests that are tried before giving up on a folder that changes all the
// time.
const attempts = 10

// ErrNoData means that a folder has nothing that a server would have written.
var ErrNoData = errors.New("is no data folder of flowd")

// Use tells whether a server uses a folder.
type Use string

// The values of Use. UseUnknown means that the lock cannot be examined, for lack of permission or on this
// system.
const (
	UseServer  Use = "server"
	UseNone    Use = "none"
	UseUnknown Use = "unknown"
)

// UseOf reports whether a server uses the folder. The lock can be examined only by acquiring it, so UseOf
// holds it for an instant, during which a server that starts would find it held.
func UseOf(fsys disk.FS, dir string) Use {
	name := path.Join(dir, manifest.LockName)
	// Check that the file exists first, since acquiring the lock would create it.
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

// Check returns nil if the folder has anything that a server writes, ErrNoData if it has not, or the error
// of reading it.
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

// list returns the names in a folder. A missing folder has no names.
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

// changed reports whether the folder now has another manifest than m. A manifest that can no longer be read
// is an error.
func changed(fsys disk.FS, dir string, m *manifest.Manifest) (bool, error) {
	now, err := manifest.Read(fsys, dir)
	if err != nil {
		return false, fmt.Errorf("the manifest was read, and cannot be read again: %w", err)
	}
	return now.Generation != m.Generation, nil
}
