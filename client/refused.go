package client

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
)

// refusedFolder stores batches that the server refused, and damaged files.
const refusedFolder = "refused"

// refusedFiles tracks the files in refusedFolder, the oldest first.
type refusedFiles struct {
	mu       sync.Mutex
	maxBytes int64
	bytes    int64
	files    []refusedFile
}

type refusedFile struct {
	name  string
	bytes int64
}

// size returns the total size in bytes.
func (r *refusedFiles) size() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bytes
}

// refusedPath returns the path of a refused batch. It is unique, since new batches get higher numbers
// than those in refusedFolder.
func (s *spool) refusedPath(number uint64) string {
	return s.dir + "/" + refusedFolder + "/" + batchFile(number)
}

// loadRefused tracks the files of an earlier client, and returns the highest number among them.
func (s *spool) loadRefused() (last uint64, err error) {
	names, err := s.listFiles(s.dir + "/" + refusedFolder)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		number, ok := batchNumber(name)
		if !ok {
			continue
		}
		last = max(last, number)
		if err := s.refused.add(s, s.refusedPath(number)); err != nil {
			return 0, fmt.Errorf("client: %w", err)
		}
	}
	return last, nil
}

// add tracks a file that exists in the folder. The caller holds r.mu, or is the only user.
func (r *refusedFiles) add(s *spool, name string) error {
	file, err := s.fs.Open(name)
	if err != nil {
		return err
	}
	size, err := file.Size()
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	r.files = append(r.files, refusedFile{name, size})
	r.bytes += size
	return nil
}

// moveToRefused moves a batch to refusedFolder, and evicts the oldest files beyond the limit. It returns
// the new file, empty if it was not stored or evicted at once, and the number of evicted files. body is
// needed for a batch that only memory has.
func (s *spool) moveToRefused(b *sealedBatch, body []byte) (file string, evicted uint64, err error) {
	s.refused.mu.Lock()
	defer s.refused.mu.Unlock()
	name := s.refusedPath(b.number)
	switch {
	case s.refused.maxBytes == 0:
		return "", 0, s.remove(b)
	case b.saved || body == nil:
		err = s.move(s.batchPath(b.number), name)
	default:
		err = errors.Join(s.writeFile(name, formatBatch(b, body), s.syncs), s.remove(b))
	}
	if err == nil {
		err = s.refused.add(s, name)
	}
	if err != nil {
		return "", 0, err
	}
	for s.refused.bytes > s.refused.maxBytes && len(s.refused.files) > 0 {
		oldest := s.refused.files[0]
		if err := s.fs.Remove(oldest.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return name, evicted, err
		}
		if s.refused.files, s.refused.bytes = s.refused.files[1:], s.refused.bytes-oldest.bytes; oldest.name == name {
			name = ""
		}
		evicted++
	}
	return name, evicted, nil
}
