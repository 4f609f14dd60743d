package datadir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"flowd/block"
	"flowd/disk"
	"flowd/store/manifest"
)

// BackupOptions configure MakeBackup.
type BackupOptions struct {
	// FS is the file system of both folders.
	FS disk.FS
	// From is the data folder. To is the copy, which must be missing or an empty folder. Both are absolute,
	// and To is not inside of From.
	From, To string
	// Link makes a hard link to a file under another name, both absolute. Blocks and windows, which never
	// change, are linked by it. They are copied if it fails or is nil.
	Link func(from, to string) error
}

// Backup describes a completed copy.
type Backup struct {
	// Linked and Copied count files, and LinkedBytes and CopiedBytes their sizes. Linked files share their
	// bytes with the data folder.
	Linked, Copied           int
	LinkedBytes, CopiedBytes int64
	// Manifests is the number of manifests tried: one more than the number of checkpoints made meanwhile.
	Manifests int
	// Report is the result of Verify for the copy.
	Report *Report
}

// unfinishedSuffix is appended to the copy's name until it is complete.
const unfinishedSuffix = ".unfinished"

// MakeBackup copies a data folder, whether or not a server uses it. The copy has everything that was
// answered before the call, and is the state that a crash of the machine would have left some time after
// it: each batch is in it completely or not at all. When MakeBackup returns nil, the copy is complete,
// verified and durable; otherwise there is no backup.
//
// Blocks and windows are linked, or opened and copied later: an open file stays readable even if the server
// removes it. Segments of the log are reused, so they must be copied before the next manifest replaces the
// copied one. If one does, its additional files are copied too, and the log is copied again. A *DamageError
// means that From or the copy is damaged.
func MakeBackup(ctx context.Context, o BackupOptions) (*Backup, error) {
	o.From, o.To = path.Clean(o.From), path.Clean(o.To)
	if err := Check(o.FS, o.From); err != nil {
		return nil, fmt.Errorf("%s: %w", o.From, err)
	}
	if err := o.checkTo(); err != nil {
		return nil, err
	}
	b := &copying{o: o, to: o.To + unfinishedSuffix, copied: map[string]copied{}, held: map[string]disk.File{}}
	made, err := b.make(ctx)
	if err != nil {
		err = errors.Join(err, b.release())
		return nil, errors.Join(err, removeAll(o.FS, b.to))
	}
	return made, nil
}

// checkTo rejects a To that already holds something else, and removes an empty folder there, so that an
// error about replacing it comes now.
func (o *BackupOptions) checkTo() error {
	if strings.HasPrefix(o.To+"/", o.From+"/") {
		return fmt.Errorf("%s is inside of %s: choose a place outside", o.To, o.From)
	}
	names, err := o.FS.List(o.To)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("%s is there, and is no folder that can be read: %w", o.To, err)
	case len(names) > 0:
		return fmt.Errorf("%s is not empty: choose a folder that is not there", o.To)
	default:
		if err := o.FS.Remove(o.To); err != nil {
			return fmt.Errorf("%s is empty, but cannot be replaced: choose a folder that is not there: %w", o.To, err)
		}
	}
	if names, err := list(o.FS, o.To+unfinishedSuffix); err != nil || len(names) > 0 {
		return errors.Join(fmt.Errorf("%s is in the way: another backup is under way, or did not come to its end; remove it if it is the latter",
			o.To+unfinishedSuffix), err)
	}
	return nil
}

// copying is the state of a backup in progress.
type copying struct {
	o  BackupOptions
	to string // where the copy is built

	copied map[string]copied    // files in the copy, by name
	held   map[string]disk.File // files to be copied later, open, so that they stay readable
	log    copied               // the segments
	count  int                  // number of segments
}

// copied describes one or several files of the copy.
type copied struct {
	bytes  int64
	linked bool
}

func (b *copying) make(ctx context.Context) (*Backup, error) {
	m, tried, err := b.capture(ctx)
	if err != nil {
		return nil, err
	}
	if err := b.copyHeld(ctx); err != nil {
		return nil, err
	}
	if err := b.finish(m); err != nil {
		return nil, err
	}
	report, err := Verify(ctx, b.o.FS, b.to)
	if err != nil {
		return nil, err
	}
	if len(report.Damage) > 0 {
		return nil, &DamageError{report.Damage}
	}
	if err := b.o.FS.Rename(b.to, b.o.To); err != nil {
		return nil, err
	}
	if err := b.o.FS.SyncDir(path.Dir(b.o.To)); err != nil {
		return nil, err
	}
	report.Folder = b.o.To
	made := &Backup{Manifests: tried, Report: report, Copied: b.count, CopiedBytes: b.log.bytes}
	for _, t := range b.copied {
		if t.linked {
			made.Linked++
			made.LinkedBytes += t.bytes
		} else {
			made.Copied++
			made.CopiedBytes += t.bytes
		}
	}
	return made, nil
}

// capture copies everything that one manifest names, and the log from its position on. It returns the
// manifest, and the number of manifests tried.
func (b *copying) capture(ctx context.Context) (*manifest.Manifest, int, error) {
	for tried := 1; tried <= attempts; tried++ {
		m, from, err := readManifest(b.o.FS, b.o.From)
		if err != nil {
			return nil, tried, &DamageError{[]Finding{findingOf(manifest.Name, err)}}
		}
		err = b.captureFiles(ctx, m)
		if err == nil {
			err = b.copyLog(ctx, from.Segment)
		}
		if ctx.Err() != nil {
			return nil, tried, ctx.Err()
		}
		again, reading := changed(b.o.FS, b.o.From, m)
		switch {
		case reading != nil:
			return nil, tried, errors.Join(reading, err)
		case again: // an error may come from the change
		case err != nil:
			return nil, tried, err
		default:
			return m, tried, nil
		}
	}
	return nil, attempts, fmt.Errorf(
		"%s: the server made a checkpoint each of %d times that its log was copied: try again when it has less to do, or with a larger --checkpoint-log",
		b.o.From, attempts)
}

// finish makes the copy durable, and writes its manifest.
func (b *copying) finish(m *manifest.Manifest) error {
	folders := []string{manifest.LogFolder}
	for i := range m.Hours {
		if name := m.Hours[i].Block.Name; name != "" {
			folders = append(folders, path.Dir(name))
		}
	}
	if len(folders) > 1 {
		folders = append(folders, block.HoursFolder)
	}
	for _, folder := range folders {
		if err := b.o.FS.SyncDir(path.Join(b.to, folder)); err != nil {
			return err
		}
	}
	return manifest.Write(b.o.FS, b.to, m)
}

// release closes the held files.
func (b *copying) release() (err error) {
	for name, file := range b.held {
		err = errors.Join(err, file.Close())
		delete(b.held, name)
	}
	return err
}

// removeAll removes a folder and its content. A missing folder is no error.
func removeAll(fsys disk.FS, name string) error {
	err := fsys.Remove(name)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	names, listing := fsys.List(name)
	if listing != nil {
		return err
	}
	for _, below := range names {
		if err := removeAll(fsys, path.Join(name, below)); err != nil {
			return err
		}
	}
	return fsys.Remove(name)
}
