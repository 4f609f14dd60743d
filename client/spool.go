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

// spool is the folder of a client; spool_format.go describes its files. The spooler stores batches, the
// senders read and remove them, and no two goroutines use the same batch.
type spool struct {
	fs      disk.FS
	dir     string
	syncs   bool // batches are synced
	refused refusedFiles
}

const (
	lockFile         = "/LOCK"
	identityFile     = "/AGENT"
	batchSuffix      = ".batch"
	unfinishedSuffix = ".unfinished"
)

func newSpool(o *Options) *spool {
	return &spool{fs: o.FS, dir: o.Dir, syncs: !o.NoSync, refused: refusedFiles{maxBytes: o.RefusedBytes}}
}

// lock creates the folder if it is missing, and locks it.
func (s *spool) lock() (io.Closer, error) {
	if err := s.fs.MkdirAll(s.dir + "/" + refusedFolder); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	lock, err := s.fs.Lock(s.dir + lockFile)
	switch {
	case errors.Is(err, disk.ErrLocked):
		return nil, fmt.Errorf("client: the folder %s is in use by another client; give each client its own: %w", s.dir, err)
	case err != nil:
		return nil, fmt.Errorf("client: %w", err)
	}
	if s.syncs {
		if err := errors.Join(s.fs.SyncDir(path.Dir(s.dir)), s.fs.SyncDir(s.dir)); err != nil {
			return nil, fmt.Errorf("client: %w", errors.Join(err, lock.Close()))
		}
	}
	return lock, nil
}

// spoolContents is the state that an earlier client left in the folder.
type spoolContents struct {
	batches []*sealedBatch // in the order of their numbers
	damaged []error        // why files were moved to the folder "refused"
	last    uint64         // the highest number in use
}

// load lists the batches in the folder. It reads only their heads.
func (s *spool) load() (contents spoolContents, err error) {
	if contents.last, err = s.loadRefused(); err != nil {
		return contents, err
	}
	names, err := s.listFiles(s.dir)
	if err != nil {
		return contents, err
	}
	for _, name := range names {
		number, ok := batchNumber(name)
		if !ok {
			continue
		}
		contents.last = max(contents.last, number)
		b, err := s.readHead(number)
		var damaged *damageError
		switch {
		case errors.As(err, &damaged):
			if _, _, err := s.moveToRefused(&sealedBatch{number: number, mayHaveFile: true}, nil); err != nil {
				return contents, fmt.Errorf("client: %w", err)
			}
			contents.damaged = append(contents.damaged, damaged)
		case err != nil:
			return contents, err
		default:
			contents.batches = append(contents.batches, b)
		}
	}
	return contents, nil
}

// listFiles returns the names in a folder. It removes unfinished files, which no caller was told are
// saved.
func (s *spool) listFiles(folder string) ([]string, error) {
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

// batchNumber returns the number of a batch from the name of its file.
func batchNumber(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, batchSuffix)
	number, err := strconv.ParseUint(digits, 10, 64)
	return number, ok && err == nil && name == batchFile(number)
}

func batchFile(number uint64) string { return fmt.Sprintf("%020d%s", number, batchSuffix) }

func (s *spool) batchPath(number uint64) string { return s.dir + "/" + batchFile(number) }

// damageError tells that a file does not have the content that was written.
type damageError struct{ file, problem string }

func (e *damageError) Error() string { return "client: " + e.file + " " + e.problem }

// readHead reads the head of a batch's file. It returns a *damageError for an incomplete one.
func (s *spool) readHead(number uint64) (*sealedBatch, error) {
	name := s.batchPath(number)
	file, err := s.fs.Open(name)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	data := make([]byte, min(size, maxHead))
	if _, err := file.ReadAt(data, 0); err != nil && err != io.EOF {
		return nil, fmt.Errorf("client: %w", err)
	}
	h, problem := parseHead(data)
	switch {
	case problem == unknownVersion:
		return nil, &versionError{name}
	case problem != "":
		return nil, &damageError{name, problem}
	case int64(h.lineBytes+h.bodyBytes) != size:
		return nil, &damageError{name, fmt.Sprintf("has %d bytes, its first line says %d", size, h.lineBytes+h.bodyBytes)}
	}
	b := h.batch
	b.number, b.size, b.mayHaveFile, b.saved = number, int64(h.bodyBytes), true, true
	return &b, nil
}

// store writes a batch, and returns once its file is durable, or without syncs once it exists.
func (s *spool) store(b *sealedBatch) error {
	return s.writeFile(s.batchPath(b.number), formatBatch(b, b.body), s.syncs)
}

// writeFile creates or replaces a file atomically. With syncs that holds after a power cut too.
func (s *spool) writeFile(name string, data []byte, syncs bool) error {
	unfinished := name + unfinishedSuffix
	err := s.writeNewFile(unfinished, data, syncs)
	if err == nil {
		err = s.fs.Rename(unfinished, name)
	}
	if err != nil {
		// A full disk needs the space. If this fails, the next start removes the file.
		_ = s.fs.Remove(unfinished)
		return err
	}
	if !syncs {
		return nil
	}
	return s.fs.SyncDir(path.Dir(name))
}

func (s *spool) writeNewFile(name string, data []byte, syncs bool) error {
	file, err := s.fs.Create(name)
	if errors.Is(err, fs.ErrExist) {
		if err = s.fs.Remove(name); err == nil {
			file, err = s.fs.Create(name)
		}
	}
	if err != nil {
		return err
	}
	n, err := file.WriteAt(data, 0)
	if err == nil && n < len(data) {
		err = io.ErrShortWrite
	}
	if err == nil && syncs {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// move renames a file.
func (s *spool) move(from, to string) error {
	if err := s.fs.Rename(from, to); err != nil || !s.syncs {
		return err
	}
	return errors.Join(s.fs.SyncDir(path.Dir(to)), s.fs.SyncDir(path.Dir(from)))
}

// sync makes removals durable.
func (s *spool) sync() error { return s.fs.SyncDir(s.dir) }

// read returns the body of a batch. It returns a *damageError if the file is not as written.
func (s *spool) read(b *sealedBatch) ([]byte, error) {
	name := s.batchPath(b.number)
	data, err := s.readFile(name)
	if err != nil {
		return nil, err
	}
	_, body, problem := parseBatch(data)
	if problem != "" {
		return nil, &damageError{name, problem}
	}
	return body, nil
}

func (s *spool) readFile(name string) ([]byte, error) {
	file, err := s.fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return nil, err
	}
	data := make([]byte, size)
	if _, err := file.ReadAt(data, 0); err != nil && err != io.EOF {
		return nil, err
	}
	return data, nil
}

// remove removes the file of a batch. A missing file is no error.
func (s *spool) remove(b *sealedBatch) error {
	if err := s.fs.Remove(s.batchPath(b.number)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// loadIdentity reads the name and next sequence that an earlier client stored. It returns false for a
// missing or damaged file.
func (s *spool) loadIdentity() (agent string, next uint64, found bool, err error) {
	data, err := s.readFile(s.dir + identityFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", 0, false, nil
	case err != nil:
		return "", 0, false, fmt.Errorf("client: %w", err)
	}
	agent, next, found = parseIdentity(data)
	return agent, next, found, nil
}

// storeIdentity stores the name and its first free sequence. It always syncs, even with NoSync: a
// sequence that is used twice loses a batch, and this is one write in many thousands.
func (s *spool) storeIdentity(agent string, next uint64) error {
	if err := s.writeFile(s.dir+identityFile, formatIdentity(agent, next), true); err != nil {
		return fmt.Errorf("client: %w", err)
	}
	return nil
}
