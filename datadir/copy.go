package datadir

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"flowd/disk"
	"flowd/store/manifest"
	"flowd/wal"
)

const (
	// maxHeld is the most files that are held open, to be copied later. Further files are copied at once,
	// before the log.
	maxHeld = 256
	// copyBytes is the number of bytes copied at once.
	copyBytes = 1 << 20
)

// captureFiles links, holds or copies the files that m names, and removes from the copy those that only an
// earlier manifest named.
func (b *copying) captureFiles(ctx context.Context, m *manifest.Manifest) error {
	var names []string
	for i := range m.Hours {
		if name := m.Hours[i].Block.Name; name != "" {
			names = append(names, name)
		}
	}
	if m.Windows != nil {
		names = append(names, m.Windows.Name)
	}
	if err := b.discardUnnamed(names); err != nil {
		return err
	}
	for _, name := range names {
		_, have := b.copied[name]
		if have || b.held[name] != nil {
			continue
		}
		if err := b.captureFile(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// discardUnnamed closes held files and removes copied files that are not in names.
func (b *copying) discardUnnamed(names []string) error {
	named := map[string]bool{}
	for _, name := range names {
		named[name] = true
	}
	for name, file := range b.held {
		if named[name] {
			continue
		}
		delete(b.held, name)
		if err := file.Close(); err != nil {
			return err
		}
	}
	for name := range b.copied {
		if named[name] {
			continue
		}
		delete(b.copied, name)
		if err := b.o.FS.Remove(path.Join(b.to, name)); err != nil {
			return err
		}
		// The folder of an hour goes with its last file. Otherwise Remove fails, which is harmless.
		if folder := path.Dir(name); folder != "." {
			_ = b.o.FS.Remove(path.Join(b.to, folder))
		}
	}
	return nil
}

// captureFile links a file, or holds it, or copies it.
func (b *copying) captureFile(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	file, err := b.o.FS.Open(path.Join(b.o.From, name))
	if err != nil {
		return &DamageError{[]Finding{findingOf(name, err)}}
	}
	if err := b.o.FS.MkdirAll(path.Dir(path.Join(b.to, name))); err != nil {
		return errors.Join(err, file.Close())
	}
	if b.o.Link != nil && b.o.Link(path.Join(b.o.From, name), path.Join(b.to, name)) == nil {
		size, err := file.Size()
		b.copied[name] = copied{size, true}
		return errors.Join(err, file.Close())
	}
	if len(b.held) < maxHeld {
		b.held[name] = file
		return nil
	}
	return b.copyFile(ctx, name, file)
}

// copyHeld copies the held files.
func (b *copying) copyHeld(ctx context.Context) error {
	for name, file := range b.held {
		delete(b.held, name)
		if err := b.copyFile(ctx, name, file); err != nil {
			return err
		}
	}
	return nil
}

// copyFile copies a file that never changes, syncs the copy, and closes both.
func (b *copying) copyFile(ctx context.Context, name string, from disk.File) (err error) {
	defer func() { err = errors.Join(err, from.Close()) }()
	size, err := from.Size()
	if err != nil {
		return err
	}
	err = b.write(name, func(w io.Writer) error {
		for off := int64(0); off < size; off += copyBytes {
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, err := io.Copy(w, io.NewSectionReader(from, off, min(copyBytes, size-off))); err != nil {
				return fmt.Errorf("copying %s: %w", name, err)
			}
		}
		return nil
	})
	if err == nil {
		b.copied[name] = copied{bytes: size}
	}
	return err
}

// write creates a file of the copy with the bytes that fill writes, and syncs it.
func (b *copying) write(name string, fill func(io.Writer) error) error {
	file, err := b.o.FS.Create(path.Join(b.to, name))
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(io.NewOffsetWriter(file, 0), copyBytes)
	if err = fill(w); err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// copyLog copies the log from a segment on. It starts with the last segment, so that no group is missing
// before a copied one, even while the server appends. Segments without groups behind the last one with
// groups are left out.
func (b *copying) copyLog(ctx context.Context, first uint64) error {
	if err := removeAll(b.o.FS, path.Join(b.to, manifest.LogFolder)); err != nil {
		return err
	}
	if err := b.o.FS.MkdirAll(path.Join(b.to, manifest.LogFolder)); err != nil {
		return err
	}
	b.log, b.count = copied{}, 0
	names, err := list(b.o.FS, path.Join(b.o.From, manifest.LogFolder))
	if err != nil || len(names) == 0 {
		return err
	}
	heads, err := wal.Heads(b.o.FS, path.Join(b.o.From, manifest.LogFolder))
	if err != nil {
		return err
	}
	for i := len(heads) - 1; i >= 0 && heads[i].Number >= first; i-- {
		if err := ctx.Err(); err != nil {
			return err
		}
		needed := b.count > 0 || i == 0 || heads[i-1].Number < first
		if err := b.copySegment(heads[i].Number, needed); err != nil {
			return err
		}
	}
	return nil
}

// copySegment copies a segment. It leaves out one that has no groups and is not needed.
func (b *copying) copySegment(number uint64, needed bool) error {
	var info wal.SegmentInfo
	var size int64
	name := segmentFile(number)
	err := b.write(name, func(w io.Writer) (err error) {
		info, size, err = wal.CopySegment(w, b.o.FS, path.Join(b.o.From, manifest.LogFolder), number)
		if err != nil {
			return &DamageError{[]Finding{findingOf(name, err)}}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if info.Frames == 0 && !needed {
		return b.o.FS.Remove(path.Join(b.to, name))
	}
	b.count++
	b.log.bytes += size
	return nil
}
