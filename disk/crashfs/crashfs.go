// Package crashfs is a disk in memory for tests, and imported by tests alone: its power can be
// cut, its calls can fail, and its process can be killed. It is pebble's crashable memory file
// system, with the errors of pebble's errorfs, behind the interface of package disk.
//
// After a power cut a file has what was synced, and any of the unsynced blocks of
// 4 KiB; a folder has the names that were synced, and of the others any. A sync that fails loses:
// what was written before it counts as clean, as in an operating system, so that no later sync
// makes it durable, unless it is written again.
package crashfs

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"flowd/disk"
)

var (
	// ErrSkip, returned by an injector, makes the call do nothing and say that it did it: for
	// sabotage. Calls that return something to work with fail with it.
	ErrSkip = errors.New("crashfs: skipped")
	// ErrShort, returned by an injector for a write, makes it write the first half of its bytes and
	// return how many, without an error.
	ErrShort = errors.New("crashfs: short write")
	// ErrDead is what calls return whose process was killed.
	ErrDead = errors.New("crashfs: the process is dead")
)

// AfterDoing returns an error that, returned by an injector, makes the call do its work first and
// then fail with err. Calls that return something to work with only fail.
func AfterDoing(err error) error { return &afterDoing{err} }

type afterDoing struct{ error }

// FS is the disk as one process has it.
type FS struct {
	*machine
	process *process
	wrapped vfs.FS
}

// machine is what a killed process leaves: the files, also their unsynced bytes.
type machine struct {
	mu    sync.Mutex
	mem   *vfs.MemFS
	files map[string]*content
}

// process is what ends with a kill.
type process struct {
	mu     sync.Mutex
	inject func(errorfs.Op) error
	pass   int // calls are not injected into while it is more than 0
	dead   bool
	locks  []io.Closer
}

// New returns an empty disk.
func New() *FS { return boot(vfs.NewCrashableMem()) }

func boot(mem *vfs.MemFS) *FS {
	return start(&machine{mem: mem, files: map[string]*content{}})
}

func start(m *machine) *FS {
	f := &FS{machine: m, process: &process{}}
	f.wrapped = errorfs.Wrap(m.mem, errorfs.InjectorFunc(f.process.maybeError))
	return f
}

// maybeError asks the injector, which may be changed while files are open.
func (p *process) maybeError(op errorfs.Op) error {
	p.mu.Lock()
	inject, dead, pass := p.inject, p.dead, p.pass
	p.mu.Unlock()
	switch {
	case dead:
		return ErrDead
	case inject == nil || pass > 0:
		return nil
	}
	return inject(op)
}

// Inject has every call ask injector first, which returns nil to let it be done, or the error that
// the call returns without doing anything; nil injects nothing. The injector is called by one
// goroutine at a time and must not use the disk. The path of an open file is the one under which it
// was opened. An error must satisfy errors.Is as package disk says.
func (f *FS) Inject(injector func(errorfs.Op) error) {
	f.process.mu.Lock()
	defer f.process.mu.Unlock()
	f.process.inject = injector
}

// Crash returns the disk as it may be when the power fails now. Each block and name that was not
// synced has come to it with a chance of percent. f is as it was.
func (f *FS) Crash(percent int, rng *rand.Rand) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	return boot(f.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng}))
}

// Kill ends the process: all calls through f fail from now on, its locks are free. It returns the
// disk as the next process finds it, with all that was written.
func (f *FS) Kill() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.process.mu.Lock()
	defer f.process.mu.Unlock()
	f.process.dead = true
	for _, lock := range f.process.locks {
		_ = lock.Close() // of memory, and closed twice does nothing
	}
	return start(f.machine)
}

// do makes one call, alone, and does what the injector's special errors ask for.
func (f *FS) do(call func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := call()
	var after *afterDoing
	switch {
	case errors.Is(err, ErrSkip):
		return nil
	case errors.As(err, &after):
		return errors.Join(after.error, f.pass(call))
	}
	return err
}

// pass makes a call without asking the injector.
func (f *FS) pass(call func() error) error {
	f.process.addPass(1)
	defer f.process.addPass(-1)
	return call()
}

func (p *process) addPass(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pass += n
}

// Create implements disk.FS.
func (f *FS) Create(name string) (disk.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.mem.Stat(name); err == nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	file, err := f.wrapped.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	f.files[name] = newContent()
	return &openFile{fs: f, file: file, content: f.files[name]}, nil
}

// OpenWrite implements disk.FS.
func (f *FS) OpenWrite(name string) (disk.File, error) {
	return f.open(name, func() (vfs.File, error) {
		return f.wrapped.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
	})
}

// Open implements disk.FS.
func (f *FS) Open(name string) (disk.File, error) {
	return f.open(name, func() (vfs.File, error) { return f.wrapped.Open(name) })
}

func (f *FS) open(name string, open func() (vfs.File, error)) (disk.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.mem.Stat(name); err != nil {
		return nil, err
	}
	file, err := open()
	if err != nil {
		return nil, err
	}
	if f.files[name] == nil {
		f.files[name] = newContent()
	}
	return &openFile{fs: f, file: file, content: f.files[name]}, nil
}

// Rename implements disk.FS.
func (f *FS) Rename(from, to string) error {
	return f.do(func() error {
		if f.same(from, to) {
			return nil // which leaves both names, as POSIX has it
		}
		if err := f.wrapped.Rename(from, to); err != nil {
			return err
		}
		f.files[to] = f.files[from]
		delete(f.files, from)
		return nil
	})
}

// RenameUnused implements disk.FS, as systems do that do not know who has a file open.
func (f *FS) RenameUnused(from, to string) error { return f.Rename(from, to) }

// Link implements disk.FS. A power cut makes two files of the names.
func (f *FS) Link(from, to string) error {
	return f.do(func() error {
		if err := f.wrapped.Link(from, to); err != nil {
			return err
		}
		if f.files[from] == nil {
			f.files[from] = newContent()
		}
		f.files[to] = f.files[from]
		return nil
	})
}

// Same implements disk.FS.
func (f *FS) Same(a, b string) (same bool, err error) {
	err = f.do(func() error {
		for _, name := range []string{a, b} {
			if _, err := f.wrapped.Stat(name); err != nil {
				return err
			}
		}
		same = f.same(a, b)
		return nil
	})
	return same, err
}

func (f *FS) same(a, b string) bool { return a == b || f.files[a] != nil && f.files[a] == f.files[b] }

// Remove implements disk.FS.
func (f *FS) Remove(name string) error {
	return f.do(func() error {
		if _, err := f.mem.Stat(name); err != nil { // errorfs would say nothing
			return err
		}
		if err := f.wrapped.Remove(name); err != nil {
			return err
		}
		delete(f.files, name)
		return nil
	})
}

// MkdirAll implements disk.FS.
func (f *FS) MkdirAll(name string) error {
	return f.do(func() error { return f.wrapped.MkdirAll(name, 0o750) })
}

// List implements disk.FS.
func (f *FS) List(folder string) (names []string, err error) {
	err = f.do(func() error {
		names, err = f.wrapped.List(folder)
		return err
	})
	slices.Sort(names)
	return names, err
}

// SyncDir implements disk.FS. An injector sees it as OpFileSync of the folder's path.
func (f *FS) SyncDir(folder string) error {
	return f.do(func() error {
		d, err := f.wrapped.OpenDir(path.Clean(folder))
		if err != nil {
			return err
		}
		return errors.Join(d.Sync(), d.Close())
	})
}

// Lock implements disk.FS.
func (f *FS) Lock(name string) (io.Closer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	lock, err := f.wrapped.Lock(name)
	if err != nil {
		if lockHeld(err) {
			return nil, disk.ErrLocked
		}
		return nil, err
	}
	held := &heldLock{Closer: lock}
	f.process.mu.Lock()
	f.process.locks = append(f.process.locks, held)
	f.process.mu.Unlock()
	return held, nil
}
