package client

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"flowd/disk"
)

// spool is the folder of a client. Its files are drawn in spool_format.go. The keeper stores, senders
// read and remove; no two of them are at the same batch.
type spool struct {
	fs      disk.FS
	dir     string
	durable bool // batches are synced
	refused refusedFiles
}

const (
	lockFile         = "/LOCK"
	namesFile        = "/AGENT"
	batchSuffix      = ".batch"
	unfinishedSuffix = ".unfinished"
)

func newSpool(o *Options) *spool {
	return &spool{fs: o.FS, dir: o.Dir, durable: !o.NoSync, refused: refusedFiles{most: o.RefusedBytes}}
}

// lock makes the folder, if need be, and takes it.
func (s *spool) lock() (io.Closer, error) {
	if err := s.fs.MkdirAll(s.dir + "/" + refusedFolder); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	lock, err := s.fs.Lock(s.dir + lockFile)
	switch {
	case errors.Is(err, disk.ErrLocked):
		return nil, fmt.Errorf("client: the folder %s is in use by another client; each needs its own: %w", s.dir, err)
	case err != nil:
		return nil, fmt.Errorf("client: %w", err)
	}
	if s.durable {
		if err := errors.Join(s.fs.SyncDir(path.Dir(s.dir)), s.fs.SyncDir(s.dir)); err != nil {
			return nil, fmt.Errorf("client: %w", errors.Join(err, lock.Close()))
		}
	}
	return lock, nil
}

// left is what an earlier client left in the folder.
type left struct {
	parcels []*parcel // by their numbers
	damaged []error   // files that are none of a batch, which are set aside
	last    uint64    // the highest number that was used
}

// load looks at all batches in the folder, without reading more of them than their heads.
func (s *spool) load() (l left, err error) {
	if l.last, err = s.loadRefused(); err != nil {
		return l, err
	}
	names, err := s.list(s.dir)
	if err != nil {
		return l, err
	}
	for _, name := range names {
		number, ok := batchNumber(name)
		if !ok {
			continue
		}
		l.last = max(l.last, number)
		p, err := s.look(number)
		var damage *damageError
		switch {
		case errors.As(err, &damage):
			if _, _, err := s.refuse(&parcel{number: number, filed: true}, nil); err != nil {
				return l, fmt.Errorf("client: %w", err)
			}
			l.damaged = append(l.damaged, damage)
		case err != nil:
			return l, err
		default:
			l.parcels = append(l.parcels, p)
		}
	}
	return l, nil
}

// list returns the names in a folder, and removes what is unfinished there: nobody was told that it
// was kept.
func (s *spool) list(folder string) ([]string, error) {
	names, err := s.fs.List(folder)
	for _, name := range names {
		if err == nil && strings.HasSuffix(name, unfinishedSuffix) {
			err = s.fs.Remove(folder + "/" + name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return names, nil
}

// batchNumber returns the number of a file of a batch.
func batchNumber(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, batchSuffix)
	number, err := strconv.ParseUint(digits, 10, 64)
	return number, ok && err == nil && name == batchFile(number)
}

func batchFile(number uint64) string { return fmt.Sprintf("%020d%s", number, batchSuffix) }

func (s *spool) path(number uint64) string { return s.dir + "/" + batchFile(number) }

// damageError is a file that is not what was written.
type damageError struct{ file, wrong string }

func (e *damageError) Error() string { return "client: " + e.file + " " + e.wrong }

// look reads the head of a batch's file. It returns a *damageError for one that is not whole.
func (s *spool) look(number uint64) (*parcel, error) {
	name := s.path(number)
	file, err := s.fs.Open(name)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	text := make([]byte, min(size, maxHead))
	if _, err := file.ReadAt(text, 0); err != nil && err != io.EOF {
		return nil, fmt.Errorf("client: %w", err)
	}
	h, wrong := parseHead(text)
	switch {
	case wrong == wrongVersion:
		return nil, &versionError{name}
	case wrong != "":
		return nil, &damageError{name, wrong}
	case int64(h.size+h.length) != size:
		return nil, &damageError{name, fmt.Sprintf("has %d bytes, its first line says %d", size, h.size+h.length)}
	}
	p := h.parcel
	p.number, p.size, p.filed, p.saved = number, int64(h.length), true, true
	return &p, nil
}

// store writes a batch, and returns once it is there for sure.
func (s *spool) store(p *parcel) error {
	return s.write(s.path(p.number), formatBatch(p, p.body), s.durable)
}

// write makes a file, or replaces one, so that it appears as a whole: with durable, after a power cut
// too.
func (s *spool) write(name string, text []byte, durable bool) error {
	unfinished := name + unfinishedSuffix
	err := s.writeNew(unfinished, text, durable)
	if err == nil {
		err = s.fs.Rename(unfinished, name)
	}
	if err != nil {
		// A disk that is full needs the room. If this fails, the next start does it.
		_ = s.fs.Remove(unfinished)
		return err
	}
	if !durable {
		return nil
	}
	return s.fs.SyncDir(path.Dir(name))
}

func (s *spool) writeNew(name string, text []byte, durable bool) error {
	file, err := s.fs.Create(name)
	if errors.Is(err, fs.ErrExist) {
		if err = s.fs.Remove(name); err == nil {
			file, err = s.fs.Create(name)
		}
	}
	if err != nil {
		return err
	}
	n, err := file.WriteAt(text, 0)
	if err == nil && n < len(text) {
		err = io.ErrShortWrite
	}
	if err == nil && durable {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// move renames a file.
func (s *spool) move(from, to string) error {
	if err := s.fs.Rename(from, to); err != nil || !s.durable {
		return err
	}
	return errors.Join(s.fs.SyncDir(path.Dir(to)), s.fs.SyncDir(path.Dir(from)))
}

// sync makes removals durable.
func (s *spool) sync() error { return s.fs.SyncDir(s.dir) }

// read returns the body of a batch. It returns a *damageError if it is not what was written.
func (s *spool) read(p *parcel) ([]byte, error) {
	name := s.path(p.number)
	text, err := s.readAll(name)
	if err != nil {
		return nil, err
	}
	_, body, wrong := parseBatch(text)
	if wrong != "" {
		return nil, &damageError{name, wrong}
	}
	return body, nil
}

func (s *spool) readAll(name string) ([]byte, error) {
	file, err := s.fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return nil, err
	}
	text := make([]byte, size)
	if _, err := file.ReadAt(text, 0); err != nil && err != io.EOF {
		return nil, err
	}
	return text, nil
}

// remove removes the file of a batch, which need not be there.
func (s *spool) remove(p *parcel) error {
	if err := s.fs.Remove(s.path(p.number)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// loadNames reads what an earlier client stored of its name and numbers, and reports whether there is
// something that can be trusted.
func (s *spool) loadNames() (agent string, next uint64, found bool, err error) {
	text, err := s.readAll(s.dir + namesFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", 0, false, nil
	case err != nil:
		return "", 0, false, fmt.Errorf("client: %w", err)
	}
	agent, next, found = parseNames(text)
	return agent, next, found, nil
}

// storeNames stores the name, and the first number of it that is free. It syncs in any case: a number
// that is used twice loses a batch, and it is one write in many thousands.
func (s *spool) storeNames(agent string, next uint64) error {
	if err := s.write(s.dir+namesFile, formatNames(agent, next), true); err != nil {
		return fmt.Errorf("client: %w", err)
	}
	return nil
}
