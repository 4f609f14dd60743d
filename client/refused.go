package client

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
)

// refusedFolder holds batches that the server refused, and files that are damaged.
const refusedFolder = "refused"

// refusedFiles are the files there, the oldest first.
type refusedFiles struct {
	mu    sync.Mutex
	most  int64
	bytes int64
	files []refusedFile
}

type refusedFile struct {
	name  string
	bytes int64
}

// size returns the bytes of all.
func (r *refusedFiles) size() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bytes
}

// refusedPath returns where a refused batch is kept. The numbers of batches go on above those there, so
// it is no other batch's.
func (s *spool) refusedPath(number uint64) string {
	return s.dir + "/" + refusedFolder + "/" + batchFile(number)
}

// loadRefused finds what an earlier client refused, and returns the highest number there.
func (s *spool) loadRefused() (last uint64, err error) {
	names, err := s.list(s.dir + "/" + refusedFolder)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		number, ok := batchNumber(name)
		if !ok {
			continue
		}
		last = max(last, number)
		if err := s.refused.note(s, s.refusedPath(number)); err != nil {
			return 0, fmt.Errorf("client: %w", err)
		}
	}
	return last, nil
}

// note takes a file that is in the folder into account.
func (r *refusedFiles) note(s *spool, name string) error {
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

// refuse moves a batch to the refused ones, and returns its file, empty if it is not kept, and how many
// older ones had to go for it. Body is needed of a batch that is in memory alone.
func (s *spool) refuse(p *parcel, body []byte) (file string, gone uint64, err error) {
	s.refused.mu.Lock()
	defer s.refused.mu.Unlock()
	name := s.refusedPath(p.number)
	switch {
	case s.refused.most == 0:
		return "", 0, s.remove(p)
	case p.saved || body == nil:
		err = s.move(s.path(p.number), name)
	default:
		err = errors.Join(s.write(name, formatBatch(p, body), s.durable), s.remove(p))
	}
	if err == nil {
		err = s.refused.note(s, name)
	}
	if err != nil {
		return "", 0, err
	}
	for s.refused.bytes > s.refused.most && len(s.refused.files) > 0 {
		oldest := s.refused.files[0]
		if err := s.fs.Remove(oldest.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return name, gone, err
		}
		if s.refused.files, s.refused.bytes = s.refused.files[1:], s.refused.bytes-oldest.bytes; oldest.name == name {
			name = ""
		}
		gone++
	}
	return name, gone, nil
}
