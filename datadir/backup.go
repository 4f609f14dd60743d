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

// BackupOptions say what to copy and where to.
type BackupOptions struct {
	// FS is the file system of both folders.
	FS disk.FS
	// From is the data folder. To is the copy, which must not be there, or be an empty folder. Both
	// are absolute, and To is not inside of From.
	From, To string
	// Link makes a hard link to a file under another name, both absolute. Blocks and windows, which
	// never change, are linked by it, and copied where it fails, and copied all if it is nil.
	Link func(from, to string) error
}

// Backup is a copy that was made.
type Backup struct {
	// Linked and Copied count files, and LinkedBytes and CopiedBytes their sizes. Links share their
	// bytes with the data folder.
	Linked, Copied           int
	LinkedBytes, CopiedBytes int64
	// Manifests is how many were tried: one more than checkpoints came in between.
	Manifests int
	// Report is what Verify says of the copy.
	Report *Report
}

// unfinishedSuffix is that of the copy's name until it is whole.
const unfinishedSuffix = ".unfinished"

// MakeBackup copies a data folder, whether or not a server uses it. The copy has all that was
// answered before the call, and is what a crash of the machine would have left some time after it:
// batches are in it as a whole or not at all. It is complete, verified and durable when MakeBackup
// returns nil; else there is no backup.
//
// Blocks and windows are linked, or opened and copied at leisure: an open file stays, whatever the
// server removes. Segments of the log are used again, so they must be copied before the next
// manifest takes the place of the one that is copied. If one does, what is needed of the new one is
// taken too, and the log is copied anew. A *DamageError is that From is damaged, or the copy.
func MakeBackup(ctx context.Context, o BackupOptions) (*Backup, error) {
	o.From, o.To = path.Clean(o.From), path.Clean(o.To)
	if err := Check(o.FS, o.From); err != nil {
		return nil, fmt.Errorf("%s: %w", o.From, err)
	}
	if err := o.checkTo(); err != nil {
		return nil, err
	}
	b := &copying{o: o, to: o.To + unfinishedSuffix, taken: map[string]taken{}, held: map[string]disk.File{}}
	made, err := b.make(ctx)
	if err != nil {
		err = errors.Join(err, b.release())
		return nil, errors.Join(err, removeAll(o.FS, b.to))
	}
	return made, nil
}

// checkTo refuses a copy in the place of something else, and removes an empty folder there, so that
// it is known now that it can be replaced.
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

// copying is a backup under way.
type copying struct {
	o  BackupOptions
	to string // where the copy is built

	taken map[string]taken     // what is in the copy, by name
	held  map[string]disk.File // files to be copied, open, so that they cannot vanish
	log   taken                // the segments
	count int                  // of them
}

// taken is a file of the copy, or several.
type taken struct {
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
	for _, t := range b.taken {
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

// capture takes all that one manifest names, and the log from there on, and returns it, and how many
// were tried.
func (b *copying) capture(ctx context.Context) (*manifest.Manifest, int, error) {
	for tried := 1; tried <= attempts; tried++ {
		m, from, err := readManifest(b.o.FS, b.o.From)
		if err != nil {
			return nil, tried, &DamageError{[]Finding{findingOf(manifest.Name, err)}}
		}
		err = b.takeFiles(ctx, m)
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
		case again: // whatever went wrong
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

// release closes what is held.
func (b *copying) release() (err error) {
	for name, file := range b.held {
		err = errors.Join(err, file.Close())
		delete(b.held, name)
	}
	return err
}

// removeAll removes a folder and what is in it; that it is not there is no error.
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
