package crashfs

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"

	"flowd/disk"
)

const blockBytes = 4096

// content is what the operating system knows of a file's blocks. Those that are in neither map are
// on the disk as they are in memory.
type content struct {
	dirty map[int64][]byte // was written since the last sync: how it is on the disk
	lost  map[int64][]byte // its sync failed, and it counts as clean: how it is on the disk
}

func newContent() *content {
	return &content{dirty: map[int64][]byte{}, lost: map[int64][]byte{}}
}

// openFile implements disk.File.
type openFile struct {
	fs      *FS
	file    vfs.File
	content *content
	direct  atomic.Bool // WriteDirect was called
}

// ReadAt implements io.ReaderAt.
func (f *openFile) ReadAt(b []byte, off int64) (n int, err error) {
	if f.direct.Load() {
		return 0, syscall.EINVAL
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.file.ReadAt(b, off)
}

// WriteAt implements io.WriterAt.
func (f *openFile) WriteAt(b []byte, off int64) (int, error) {
	if f.direct.Load() {
		return 0, syscall.EINVAL
	}
	return f.writeAt(b, off)
}

func (f *openFile) writeAt(b []byte, off int64) (int, error) {
	n := len(b)
	err := f.fs.do(func() error {
		err := f.write(b, off)
		if errors.Is(err, ErrShort) {
			n /= 2
			return f.fs.pass(func() error { return f.write(b[:n], off) })
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// WriteDirect implements disk.File. Until it is synced, a power cut leaves any of its blocks, as of
// each write, since a disk has a cache of its own. It holds callers to what the strictest of systems
// demand: without alignment it is syscall.EINVAL, as is all else that is done to the file's bytes then.
func (f *openFile) WriteDirect(b []byte, off int64) (int, error) {
	f.direct.Store(true)
	if !disk.IsAligned(b, off) {
		return 0, syscall.EINVAL
	}
	return f.writeAt(b, off)
}

// write writes b, and keeps what is on the disk of the blocks.
func (f *openFile) write(b []byte, off int64) error {
	before := map[int64][]byte{}
	for block := off / blockBytes; block*blockBytes < off+int64(len(b)); block++ {
		before[block] = f.block(block)
	}
	if _, err := f.file.WriteAt(b, off); err != nil {
		return err
	}
	c := f.content
	for block, was := range before {
		if lost, ok := c.lost[block]; ok {
			was = lost
			delete(c.lost, block)
		}
		if _, ok := c.dirty[block]; !ok {
			c.dirty[block] = was
		}
	}
	return nil
}

// block returns a block as it is in memory, with zeros behind the end of the file.
func (f *openFile) block(block int64) []byte {
	b := make([]byte, blockBytes)
	_ = f.fs.pass(func() error { _, err := f.file.ReadAt(b, block*blockBytes); return err }) // io.EOF at most
	return b
}

// Sync implements disk.File.
func (f *openFile) Sync() error {
	return f.fs.do(func() error { return f.sync(f.file.Sync) })
}

// SyncData implements disk.File.
func (f *openFile) SyncData() error {
	return f.fs.do(func() error { return f.sync(f.file.SyncData) })
}

// sync makes what is dirty durable, but not what was lost.
func (f *openFile) sync(call func() error) error {
	c := f.content
	inMemory := map[int64][]byte{}
	for block := range c.lost {
		inMemory[block] = f.block(block)
	}
	f.put(c.lost)
	err := call()
	f.put(inMemory)
	var after *afterDoing
	switch {
	case err == nil:
		clear(c.dirty)
	case !errors.Is(err, ErrSkip) && !errors.Is(err, ErrDead) && !errors.As(err, &after):
		c.loseDirty()
	}
	return err
}

// loseDirty is what a failed sync does.
func (c *content) loseDirty() {
	for block, was := range c.dirty {
		c.lost[block] = was
	}
	clear(c.dirty)
}

// put writes blocks, as far as the file goes, without the injector's knowing. Memory does not fail.
func (f *openFile) put(blocks map[int64][]byte) {
	_ = f.fs.pass(func() error {
		for block, b := range blocks {
			info, err := f.file.Stat()
			if err != nil {
				return err
			}
			off := block * blockBytes
			if _, err := f.file.WriteAt(b[:max(0, min(blockBytes, info.Size()-off))], off); err != nil {
				return err
			}
		}
		return nil
	})
}

// Size implements disk.File.
func (f *openFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	info, err := f.file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Close implements io.Closer.
func (f *openFile) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.file.Close()
}

// heldLock is a lock that may be closed twice: by its holder, and by the end of the process.
type heldLock struct {
	io.Closer
	once sync.Once
}

// Close implements io.Closer.
func (l *heldLock) Close() (err error) {
	l.once.Do(func() { err = l.Closer.Close() })
	return err
}

func lockHeld(err error) bool { return errors.Is(err, syscall.EAGAIN) }
